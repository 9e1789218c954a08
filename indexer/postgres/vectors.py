"""Vectors as pgvector sends and takes them: a count, then float32, most significant byte first."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from indexer.documents import Vector

_HEAD: Final = struct.Struct(">HH")


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
    connection.adapters.register_loader(oid, _VectorLoader)
