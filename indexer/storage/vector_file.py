"""The vector file: append-only float32 rows, row r at byte r * dimension * 4, memory-mapped.

The store decides which rows exist, as it counts the committed ones; bytes past them are the torn
tail of an uncommitted write, and are cut off before the next one.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import zlib
from contextlib import suppress
from functools import partial
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

    def view(self, rows: int, known: Vectors | None = None) -> Vectors:
        """The first ``rows`` rows as a read-only memory map, (rows, d) float32.

        ``known`` is an earlier view of this file: its map is reused, if it has the room, since a
        new one would fault in all pages again. Raises Damaged if the file holds fewer rows.
        """
        if rows == 0:
            return np.empty((0, self._dimension), dtype=np.float32)
        held = self._size() // self._row_bytes
        if held < rows:
            raise Damaged(
                f"{self._path} holds {held} vectors, but {rows} were committed: "
                "the file was cut; restore it from a backup"
            )
        room = None if known is None else known.base
        if not isinstance(room, np.ndarray) or len(room) < rows:
            room = self._map(rows)
        return room[:rows]

    def _map(self, rows: int) -> Vectors:
        if sys.platform != "linux":  # elsewhere a map may not reach beyond a file's end
            mapped = np.memmap(self._path, dtype=_FLOAT, mode="r", shape=(rows, self._dimension))
            return mapped.view(np.ndarray)
        room = rows + max(rows // 8, BLOCK_ROWS)  # so that few appends need a new map
        with self._path.open("rb") as file:
            return np.asarray(_Map(file.fileno(), (room, self._dimension)))

    def append(self, rows: int, vectors: Vectors) -> None:
        """Write vectors after the first ``rows`` rows and make them durable."""
        data = np.ascontiguousarray(vectors, dtype=_FLOAT)
        try:
            with self._path.open("r+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END) != rows * self._row_bytes:
                    self._cut(file.fileno(), rows)
                try:
                    self._write(file.fileno(), data.data.cast("B"), rows * self._row_bytes)
                    self._sync(file.fileno())
                except OSError:
                    with suppress(OSError):  # the space is needed on a full disk
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


class _Map:
    """A file in memory, read-only, with room after it to grow into; see mmap(2).

    Only rows within the file may be touched. Python's own maps end where the file does.
    """

    def __init__(self, descriptor: int, shape: tuple[int, int]) -> None:
        system = ctypes.CDLL(None, use_errno=True)
        system.mmap.restype = ctypes.c_void_p
        size = ctypes.c_size_t(shape[0] * shape[1] * _FLOAT.itemsize)
        offset = ctypes.c_long(0)
        address = system.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, offset)
        if address == ctypes.c_void_p(-1).value:
            raise StorageFailed(f"cannot map vectors: {os.strerror(ctypes.get_errno())}")
        self._unmap = partial(system.munmap, ctypes.c_void_p(address), size)
        self.__array_interface__ = {
            "shape": shape,
            "typestr": _FLOAT.str,
            "data": (address, True),
            "version": 3,
        }

    def __del__(self) -> None:
        if hasattr(self, "_unmap"):
            self._unmap()


def extend_checksum(checksum: int, vectors: Vectors) -> int:
    """The CRC-32 of a block after appending these rows."""
    return zlib.crc32(np.ascontiguousarray(vectors, dtype=_FLOAT).data.cast("B"), checksum)
