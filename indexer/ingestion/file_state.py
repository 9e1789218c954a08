"""The state of a file when it was read, by which one tells later whether it has changed.

A file whose size, times and inode are those of then is unchanged, and is not opened. Where they
differ, or are so young that another change may have left them as they are, its content decides.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import orjson

from indexer import installation
from indexer.readers.reading import Fields, Rejection
from indexer.readers.sources import buffer_bytes, open_regular

COARSEST_CLOCK_NS: Final = 2_000_000_000
"""File systems keep times in steps of at most two seconds."""

MOST_REJECTIONS: Final = 100
"""Rejections of a file that are remembered; one with more is read each time."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was read: its status, and its content as a digest.

    ``looked`` is the time of the look at its status, all times in nanoseconds. ``reading`` stands
    for how it was read. ``digest`` is None for a file that is in no known format.
    ``rejections`` are what was rejected in it, each a place and a reason.
    """

    size: int
    modified: int
    changed: int
    inode: int
    looked: int
    reading: str
    digest: str | None
    rejections: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, status: os.stat_result, looked: int, reading: str, digest: str | None) -> Self:
        """The state of a file with this status."""
        times = status.st_mtime_ns, status.st_ctime_ns
        return cls(status.st_size, *times, status.st_ino, looked, reading, digest)

    @classmethod
    def decode(cls, stamp: str) -> Self | None:
        """The state from ``encode``; None for a stamp that holds none."""
        try:
            fields: dict[str, Any] = orjson.loads(stamp)
            rejections = tuple((place, reason) for place, reason in fields.pop("rejections"))
            return cls(**fields, rejections=rejections)
        except (ValueError, TypeError, KeyError):
            return None

    def encode(self) -> str:
        """The state as a stamp; empty if the file has too many rejections to be remembered."""
        if len(self.rejections) > MOST_REJECTIONS:
            return ""
        return orjson.dumps(self).decode()

    def with_rejections(self, rejections: list[Rejection]) -> Self:
        """The state of a file in which this was rejected."""
        return replace(self, rejections=tuple((one.place, one.reason) for one in rejections))

    def looks_same(self, status: os.stat_result) -> bool:
        """Return whether a file of this status needs no second look."""
        settled = max(self.modified, self.changed) < self.looked - COARSEST_CLOCK_NS
        return settled and self.is_of(status)

    def is_of(self, status: os.stat_result) -> bool:
        """Return whether this is the status that the file had."""
        now = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
        return now == (self.size, self.modified, self.changed, self.inode)

    def has_content(self, status: os.stat_result, path: Path) -> bool:
        """Return whether a file has the content of then; raises OSError or Unreadable."""
        if self.digest is None or status.st_size != self.size:
            return False
        return digest_of(path) == self.digest


def digest_of(path: Path) -> str:
    """The digest of a file's content; raises OSError or Unreadable."""
    digest = hashlib.blake2b(digest_size=16)
    with open_regular(path) as file:
        most = buffer_bytes(os.fstat(file.fileno()).st_size)
        while block := file.read(most):
            digest.update(block)
    return digest.hexdigest()


def reading_of(fields: Fields, *others: object) -> str:
    """A word for how files are read: the options, other things that matter, and the version."""
    options = fields.id, fields.text, fields.title, fields.ocr, fields.vector, fields.vectors
    given = repr((options, others, installation.version()))
    return hashlib.blake2b(given.encode(), digest_size=8).hexdigest()
