"""One file of the input: its name, and opening it safely.

Files are found by ``paths``; their content is read by a format's module.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from indexer.errors import Unreadable
from indexer.readers.reading import Illustrated, Read, Rejection

if TYPE_CHECKING:
    from indexer.documents import BroughtVectors, Document

BUFFER_BYTES: Final = 1 << 18
LEAST_BUFFER_BYTES: Final = 1 << 12
GZIP_MARK: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Opened:
    """A file being read: its bytes, decompressed if need be, and the file they come from."""

    stream: BinaryIO
    file: BinaryIO
    compressed: bool

    def offset(self, read: int) -> int:
        """The number of bytes of the file behind ``read`` bytes of its decompressed stream."""
        return self.file.tell() if self.compressed else read


@dataclass(slots=True)
class Allowance:
    """The files and bytes that may still be unpacked of a file and of all that is within."""

    members: int
    bytes: int

    def take(self, members: int = 0, bytes: int = 0) -> None:
        """Use some of it up; raises Unreadable where that is too much."""
        self.members -= members
        self.bytes -= bytes
        if self.members < 0:
            raise Unreadable("holds more files than are read of one: unpack it")
        if self.bytes < 0:
            raise Unreadable("unpacks to more bytes than are read of one so small: unpack it")


@dataclass(frozen=True, slots=True)
class Source:
    """A regular file in a known format.

    ``name`` is its path as given, with forward slashes: ids and places begin with it. ``before`` is
    the number of input bytes before this file. A ``compressed`` file begins like gzip, whatever its
    name. A file within others stands ``depth`` of them deep, and shares their ``allowance``.
    """

    path: Path
    name: str
    size: int
    before: int = 0
    compressed: bool = False
    depth: int = 0
    allowance: Allowance | None = field(default=None, compare=False)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """The file, open; raises Unreadable for any error of the file system or of gzip."""
        try:
            with open_regular(self.path) as file:
                yield Opened(_unpacked(file) if self.compressed else file, file, self.compressed)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Unreadable(f"the gzip data are damaged from here on: {error}") from error
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error

    @contextmanager
    def unpacked(self, limit: int) -> Iterator[BinaryIO]:
        """A file with the decompressed bytes, for passing to a program.

        Raises Unreadable if there are more than ``limit``.
        """
        with self.opened() as opened, ExitStack() as stack:
            if not self.compressed:
                size, file = self.size, opened.file
            else:
                file = stack.enter_context(TemporaryFile())
                size = _copy(opened.stream, file, limit)
                file.seek(0)
            if size > limit:
                raise Unreadable(f"larger than {limit:,} bytes, the most that is read at once")
            yield file

    def start(self, size: int) -> bytes:
        """The first bytes, decompressed."""
        with self.opened() as opened:
            return opened.stream.read(size)

    def content(self, limit: int) -> bytes:
        """All bytes, decompressed; raises Unreadable if there are more than ``limit``."""
        first = min(self.size, limit) + 1  # as many bytes as are asked for are allocated
        with self.opened() as opened:
            content = opened.stream.read(first)
            if len(content) == first <= limit:
                content += opened.stream.read(limit + 1 - first)
        if len(content) > limit:
            raise Unreadable(f"larger than {limit:,} bytes, the most that is read at once")
        return content

    def gives(
        self,
        item: Document | Rejection | Illustrated,
        offset: int | None = None,
        brought: BroughtVectors | None = None,
    ) -> Read:
        """A step of reading this file, ``offset`` bytes into it (None at its end)."""
        inside = self.size if offset is None else min(offset, self.size)
        return Read(item, self.before + inside, brought=brought)


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading; raises Unreadable for a pipe, device or socket.

    Opened without blocking and checked once open, so that a pipe put in the file's place
    cannot block the run.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    problem = kind_problem(status.st_mode)
    if problem:
        os.close(descriptor)
        raise Unreadable(problem)
    return os.fdopen(descriptor, "rb", buffering=buffer_bytes(status.st_size))


def buffer_bytes(size: int) -> int:
    """The bytes of a buffer for a file of this size.

    A large one is mapped anew for each file, which takes several times as long as reading a small
    file.
    """
    return min(max(size + 1, LEAST_BUFFER_BYTES), BUFFER_BYTES)


def kind_problem(mode: int) -> str | None:
    """The reason why a file of this mode is never opened; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    kinds = {
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFDIR: "a folder",
    }
    kind = kinds.get(stat.S_IFMT(mode), "a special file")
    return f"{kind} is not opened: give a regular file, or JSON Lines on standard input as -"


def is_packed(path: Path) -> bool:
    """Return whether a file begins like gzip; False for one that cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(len(GZIP_MARK)) == GZIP_MARK
    except (OSError, Unreadable):
        return False


def _copy(stream: BinaryIO, file: BinaryIO, limit: int) -> int:
    """Copy at most a little over ``limit`` bytes, and return their number."""
    size = 0
    while size <= limit and (block := stream.read(BUFFER_BYTES)):
        size += file.write(block)
    return size


def _unpacked(file: BinaryIO) -> BinaryIO:
    packed = gzip.GzipFile(fileobj=file, mode="rb")
    return io.BufferedReader(cast(io.RawIOBase, packed), BUFFER_BYTES)
