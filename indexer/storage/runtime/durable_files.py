"""Files and folders made durable."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_stamp(path: Path) -> int:
    """What tells a file from another that is put in its place; 0 if there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0
    return hash((found.st_ino, found.st_size, found.st_mtime_ns)) or 1


def write_durably(path: Path, data: bytes | memoryview) -> None:
    """Put a file in place as a whole: written beside it, made durable, then renamed."""
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
    sync_folder(path.parent)
