"""The vector file: append-only float32 rows, row r at byte r * dimension * 4, memory-mapped.

What exists is decided by the store, which counts the committed rows; bytes past them are the
torn tail of a write that never was, and are cut off before the next one.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from indexer.documents import Vectors
from indexer.errors import Damaged, StorageFailed

BLOCK_ROWS: Final = 4096
"""Rows that share a checksum."""

_FLOAT: Final = np.dtype("<f4")


class VectorFile:
    """Rows of one generation."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._path = path
        self._dimension = dimension
        self._row_bytes = dimension * _FLOAT.itemsize

    def view(self, rows: int) -> Vectors:
        """The first ``rows`` rows as a read-only memory map, (rows, d) float32.

        Raises Damaged if the file holds fewer.
        """
        if rows == 0:
            return np.empty((0, self._dimension), dtype=np.float32)
        held = self._size() // self._row_bytes
        if held < rows:
            raise Damaged(
                f"{self._path} holds {held} vectors, but {rows} were committed: "
                "the file was cut; restore it from a backup"
            )
        mapped = np.memmap(self._path, dtype=_FLOAT, mode="r", shape=(rows, self._dimension))
        return mapped.view(np.ndarray)

    def append(self, rows: int, vectors: Vectors) -> None:
        """Write vectors behind the first ``rows`` rows and make them durable."""
        data = np.ascontiguousarray(vectors, dtype=_FLOAT)
        try:
            with self._path.open("r+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END) != rows * self._row_bytes:
                    self._cut(file.fileno(), rows)
                try:
                    self._write(file.fileno(), data.data.cast("B"), rows * self._row_bytes)
                    self._sync(file.fileno())
                except OSError:
                    with suppress(OSError):  # a full disk needs the room
                        self._cut(file.fileno(), rows)
                    raise
        except OSError as error:
            raise StorageFailed(f"cannot write {self._path}: {error.strerror}") from error

    def _write(self, descriptor: int, data: memoryview, offset: int) -> None:
        while data:
            written = os.pwrite(descriptor, data, offset)
            data = data[written:]
            offset += written

    def _sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def _cut(self, descriptor: int, rows: int) -> None:
        size = os.fstat(descriptor).st_size
        if size < rows * self._row_bytes:
            raise Damaged(
                f"{self._path} is {size} bytes long, but {rows} vectors were committed: "
                "the file was cut; restore it from a backup"
            )
        os.ftruncate(descriptor, rows * self._row_bytes)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError as error:
            raise Damaged(f"{self._path} cannot be read: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def extend_checksum(checksum: int, vectors: Vectors) -> int:
    """The CRC-32 of a block after these rows were added to it."""
    return zlib.crc32(np.ascontiguousarray(vectors, dtype=_FLOAT).data.cast("B"), checksum)
