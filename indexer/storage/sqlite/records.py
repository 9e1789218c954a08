"""Lines of the store as objects, and their checksums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Chunk
from indexer.errors import Damaged

Owners = NDArray[np.int32]
"""(rows,) int32: the number of the document that a row belongs to, NOBODY for none."""

NOBODY: Final = -1
"""The owner of a row whose document is gone."""


@dataclass(frozen=True, slots=True)
class Generation:
    """All vectors of one model."""

    number: int
    rows: int


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """The stored properties of a document that is to be replaced."""

    number: int
    content_hash: bytes
    metadata: str
    truncated: bool
    picture: str | None = None

    @property
    def facts(self) -> tuple[str, str | None]:
        """Its encoded metadata, and the facts of its picture."""
        return self.metadata, self.picture


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A row's chunk and the number of the document it is of."""

    row: int
    document: int
    chunk: Chunk


_CHUNK: Final = struct.Struct("<6q")
_UNKNOWN: Final = struct.Struct("<q")


def checksum_of(line: Sequence[int]) -> int:
    """The CRC-32 of a chunk: its generation, row, document, position, start, end and unknown."""
    *placed, unknown = line
    placed_sum = zlib.crc32(_CHUNK.pack(*placed))
    # of most it is as before there was this field: format 2 has no other
    return zlib.crc32(_UNKNOWN.pack(unknown), placed_sum) if unknown else placed_sum


def stored_chunk(
    row: int, document: int, position: int, start: int, end: int, unknown: int
) -> StoredChunk:
    """The chunk in a line of the store; raises Damaged if the line is not valid."""
    return StoredChunk(row, document, chunk_of(row, document, position, start, end, unknown))


def chunk_of(row: int, document: int, position: int, start: int, end: int, unknown: int) -> Chunk:
    """The place of a chunk in its text, from a line of the store; raises Damaged if not valid."""
    if not (type(row) is type(document) is type(position) is type(start) is int) or not (
        type(end) is type(unknown) is int
    ):
        raise Damaged(f"the chunk of row {row} is not what was stored: see `bearing verify`")
    return Chunk(position, start, end, bool(unknown))


def chunk_line(generation: int, stored: StoredChunk) -> tuple[int, ...]:
    """The line of the store that holds a chunk, without its checksum."""
    chunk = stored.chunk
    placed = (generation, stored.row, stored.document, chunk.position, chunk.start, chunk.end)
    return (*placed, int(chunk.unknown))


@dataclass(frozen=True, slots=True)
class Block:
    """BLOCK_ROWS rows, or fewer in the last: their owners and the CRC-32 of their vectors."""

    number: int
    checksum: int
    owners: Owners
