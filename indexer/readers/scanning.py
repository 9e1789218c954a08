"""A look at a folder: the files in it and below it, each with its status, and none of them opened.

It goes where ``paths.find`` goes, in the same order, and takes a tenth of its time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from indexer.readers.paths import name_of
from indexer.readers.reading import Rejection
from indexer.readers.sources import kind_problem

ROOT: Final = "."
"""The name of what is looked at, if it is a file itself."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A regular file: its name from the folder on, with forward slashes, and its status."""

    name: str
    path: str
    status: os.stat_result


@dataclass(slots=True)
class Scan:
    """The outcome of a look, in order, by names from the folder on.

    ``rejections`` are of what is no file. Below ``unreadable`` ones and ``dangling`` links there
    may be files that it did not see.
    """

    files: list[SeenFile] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    unreadable: list[Rejection] = field(default_factory=list)
    dangling: list[Rejection] = field(default_factory=list)


def scan(root: Path, skip: Collection[Path] = ()) -> Scan:
    """Look at a folder, or at a single file; hidden ones and those in ``skip`` are left out."""
    found = Scan()
    skipped = {os.fspath(each.absolute()) for each in skip}
    skipped |= {os.path.realpath(each) for each in skip}
    entered: dict[tuple[int, int], str] = {}
    waiting = [(ROOT, os.fspath(root))]
    while waiting:
        name, path = waiting.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path for each of many takes longer than this
            if not stat.S_ISDIR(status.st_mode):
                _add(found, name, path, status)
                continue
            known = entered.setdefault((status.st_dev, status.st_ino), name)
            if known is not name:
                reason = f"a link to {known}, which was read already"
                found.rejections.append(Rejection(name, reason))
                continue
            inside = sorted(each for each in os.listdir(path) if not each.startswith("."))  # noqa: PTH208
        except OSError as error:
            _add_unread(found, name, path, error)
            continue
        below = "" if name == ROOT else f"{name}/"
        within = os.path.join(path, "")  # noqa: PTH118
        paths = [(f"{below}{_text(each)}", f"{within}{each}") for each in reversed(inside)]
        waiting.extend(each for each in paths if each[1] not in skipped)
    return found


def _add(found: Scan, name: str, path: str, status: os.stat_result) -> None:
    problem = kind_problem(status.st_mode)
    if problem:
        found.rejections.append(Rejection(name, problem))
    else:
        found.files.append(SeenFile(name, path, status))


def _add_unread(found: Scan, name: str, path: str, error: OSError) -> None:
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114
        found.dangling.append(Rejection(name, "a link that leads nowhere"))
    else:
        found.unreadable.append(Rejection(name, str(error.strerror or error)))


def _text(name: str) -> str:
    return name if name.isascii() else name_of(PurePosixPath(name))
