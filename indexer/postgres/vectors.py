"""Arrays as the server sends and takes them, whole, instead of element by element.

Vectors are a count, then float32, most significant byte first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from indexer.documents import Vector

_HEAD: Final = struct.Struct(">HH")


_BIGINT: Final = 20
"""PostgreSQL's number for the type bigint, and of arrays of it."""

_BIGINTS: Final = 1016

_ARRAY: Final = struct.Struct(">iiiii")
_ELEMENT: Final = np.dtype([("size", ">i4"), ("value", ">i8")])


@dataclass(frozen=True, slots=True)
class Bigints:
    """Numbers, (n,) int64, as an argument of type ``bigint[]``."""

    numbers: NDArray[np.int64]


class _BigintsDumper(Dumper):
    format = Format.BINARY
    oid = _BIGINTS

    def dump(self, obj: Any) -> Buffer:  # noqa: ANN401 - as psycopg declares it
        elements = np.empty(len(obj.numbers), _ELEMENT)
        elements["size"], elements["value"] = elements["value"].itemsize, obj.numbers
        return _ARRAY.pack(1, 0, _BIGINT, len(elements), 1) + elements.tobytes()


class _VectorLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Vector:
        return np.frombuffer(data, ">f4", offset=_HEAD.size).astype(np.float32)


class _VectorDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer:  # noqa: ANN401 - as psycopg declares it
        components: bytes = obj.astype(">f4").tobytes()
        return _HEAD.pack(len(obj), 0) + components


def register_vectors(connection: psycopg.Connection[Any], oid: int) -> None:
    """Let a connection send and read vectors, whose type has this number in its database."""
    TypeInfo("vector", oid, 0).register(connection)
    dumper = type("VectorDumper", (_VectorDumper,), {"oid": oid})
    connection.adapters.register_dumper(np.ndarray, dumper)
    connection.adapters.register_dumper(Bigints, _BigintsDumper)
    connection.adapters.register_loader(oid, _VectorLoader)
