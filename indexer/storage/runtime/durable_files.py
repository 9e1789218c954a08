"""Files on disk: durable replacement, stamps that detect a replacement, and sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Stamp(NamedTuple):
    """Identifies a file's content until it is replaced; a clock may jump, so by more than time."""

    inode: int
    bytes: int
    mtime_ns: int


def file_stamp(path: Path | str) -> Stamp | None:
    """The stamp of the present file; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at each search, and making a Path takes as long
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def bytes_under(folder: Path) -> int:
    """The bytes of all files under a folder; files that vanish meanwhile count as 0."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def write_durably(path: Path, data: bytes | memoryview) -> None:
    """Replace a file as a whole: written beside it, made durable, then renamed."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)  # else a power cut may undo the rename
