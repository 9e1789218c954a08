"""Arrays in files that are written once: memory-mapped, and verified by their checksum."""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import Damaged, StorageFailed

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays, (n,) each, by name."""

_MAGIC: Final = b"bearing1"
_HEAD: Final = struct.Struct("<8sQ")
_CHECKSUM: Final = struct.Struct("<I")
_ALIGNED: Final = 64
_READ_BYTES: Final = 1 << 20


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write a new file, durably except for its entry in the folder; raises StorageFailed.

    Magic, length of a table in JSON, the table, the arrays, and a CRC-32 of all before it.
    """
    table, at = {}, 0
    for name, one in arrays.items():
        table[name] = (one.dtype.str, len(one), at)
        at += len(_aligned(one.nbytes)) + one.nbytes
    encoded = json.dumps(table).encode()
    encoded += b" " * len(_aligned(_HEAD.size + len(encoded)))
    crc = 0
    try:
        with path.open("xb") as file:
            for piece in (_HEAD.pack(_MAGIC, len(encoded)), encoded, *_pieces(arrays)):
                file.write(piece)
                crc = zlib.crc32(piece, crc)
            file.write(_CHECKSUM.pack(crc))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageFailed(f"cannot write {path}: {error.strerror}") from error


def _pieces(arrays: Arrays) -> Iterator[bytes | memoryview]:
    for one in arrays.values():
        yield np.ascontiguousarray(one).view(np.uint8).data
        yield _aligned(one.nbytes)


def _aligned(count: int) -> bytes:
    """The padding after this many bytes to the next multiple of 64."""
    return bytes(-count % _ALIGNED)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, mapped from disk; raises Damaged if anything has changed.

    They stay readable after the file is removed.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise Damaged(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read: {error}") from error
    _check(path, mapped)
    _, length = _HEAD.unpack_from(mapped)
    table = json.loads(mapped[_HEAD.size : _HEAD.size + length])
    begin = _HEAD.size + length
    return {
        name: np.frombuffer(mapped, kind, count, begin + at)
        for name, (kind, count, at) in table.items()
    }


def _check(path: Path, mapped: mmap.mmap) -> None:
    end = len(mapped) - _CHECKSUM.size
    if end < _HEAD.size or _HEAD.unpack_from(mapped)[0] != _MAGIC:
        raise Damaged(f"{path} is not what was written")
    crc = 0
    with memoryview(mapped) as whole:
        for at in range(0, end, _READ_BYTES):
            crc = zlib.crc32(whole[at : min(at + _READ_BYTES, end)], crc)
    if crc != _CHECKSUM.unpack_from(mapped, end)[0]:
        raise Damaged(f"{path} is not what was written")
