"""The segments of an index of words in the database: arrays in pieces that never change."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import Damaged
from indexer.lexical.analyzer import RULES
from indexer.lexical.inverted_index import Part
from indexer.lexical.segments import Segment
from indexer.postgres.connection import Connection
from indexer.postgres.reading import Reading
from indexer.postgres.schema import SLOTS, Tables

Clock: TypeAlias = tuple[int, ...]
"""The last write of each slot that a state includes."""

BEFORE_ALL: Final[Clock] = (-1,) * SLOTS

File: TypeAlias = tuple[int, int]
"""The numbers of a segment and of the mask of its live documents, 0 for none."""

PIECE_BYTES: Final = 1 << 22

_SEALED: Final = "SELECT epoch, rules, key, clock, segments, masks FROM @words"
_PIECES: Final = """
SELECT name, kind, checksum, content FROM @word_array WHERE file = %s ORDER BY name, piece
"""
_NUMBER: Final = "SELECT nextval('@word_file')"
_COPY: Final = "COPY @word_array FROM STDIN (FORMAT BINARY)"
_HOLD: Final = "SELECT epoch, segments || masks FROM @words FOR UPDATE"
_KEEP: Final = """
UPDATE @words SET epoch = epoch + 1, rules = %s, clock = %s, segments = %s, masks = %s
"""
_FORGET: Final = "DELETE FROM @word_array WHERE file = ANY(%s)"
_FORGET_GONE: Final = """
DELETE FROM @gone g USING unnest(%s::bigint[]) WITH ORDINALITY AS c(write, place)
WHERE g.slot = c.place - 1 AND g.write <= c.write
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The index of words in the database, which later documents are not in.

    ``key`` is that of the hashes of words; ``epoch`` grows whenever the index is replaced.
    """

    epoch: int
    rules: int
    key: str
    clock: Clock
    files: tuple[File, ...]

    @property
    def is_current(self) -> bool:
        """Return whether its words are what the rules of today make of texts."""
        return self.rules == RULES


def read_sealed(reading: Reading) -> Sealed:
    """The index of a state."""
    epoch, rules, key, clock, segments, masks = reading.row(_SEALED)
    return Sealed(epoch, rules, key, tuple(clock), tuple(zip(segments, masks, strict=True)))


def read_part(reading: Reading, file: File) -> Part:
    """A segment with its mask; raises Damaged unless both are as they were written."""
    arrays = _read(reading, file[0])
    if arrays.keys() != {one.name for one in fields(Segment)}:
        raise Damaged(f"segment {file[0]} of the index of words is not what was written")
    segment = Segment(**arrays)
    live = None
    if file[1]:
        bits = _read(reading, file[1]).get("live", np.empty(0, np.uint8))
        if len(bits) * 8 < segment.documents:
            raise Damaged(f"mask {file[1]} of the index of words is not what was written")
        live = np.unpackbits(bits, count=segment.documents).view(np.bool_)
    return named(Part.of(segment, live), file)


def named(part: Part, file: File) -> Part:
    """A part that is in the database by these numbers."""
    return replace(part, name=str(file[0]), live_name=str(file[1]) if file[1] else None)


def file_of(part: Part) -> File:
    """The numbers of a part that is in the database."""
    return int(part.name or 0), int(part.live_name or 0)


def _read(reading: Reading, number: int) -> dict[str, NDArray[Any]]:
    pieces: dict[str, list[bytes]] = {}
    kinds: dict[str, str] = {}
    for name, kind, checksum, content in reading.rows(_PIECES, [number]):
        if zlib.crc32(content) != checksum:
            raise Damaged(f"array {name} of the index of words is not what was written")
        pieces.setdefault(name, []).append(content)
        kinds[name] = kind
    return {name: np.frombuffer(b"".join(own), kinds[name]) for name, own in pieces.items()}


def replace_sealed(
    connection: Connection, tables: Tables, sealed: Sealed, parts: Sequence[Part], clock: Clock
) -> list[Part] | None:
    """Make parts the index of words, and return them named; None if another has replaced it."""
    row = connection.execute(tables.sql(_HOLD)).fetchone()
    if row is None or row[0] != sealed.epoch:
        return None
    kept = [_written(connection, tables, part) for part in parts]
    files = [file_of(part) for part in kept]
    segments, masks = [one[0] for one in files], [one[1] for one in files]
    connection.execute(tables.sql(_KEEP), [RULES, list(clock), segments, masks])
    unused = {number for number in row[1] if number}.difference(segments, masks)
    connection.execute(tables.sql(_FORGET), [list(unused)])
    connection.execute(tables.sql(_FORGET_GONE), [list(clock)])
    return kept


def _written(connection: Connection, tables: Tables, part: Part) -> Part:
    segment, mask = file_of(part)
    if not segment:
        arrays = {one.name: getattr(part.segment, one.name) for one in fields(Segment)}
        segment = _write(connection, tables, arrays)
    if part.live is not None and not mask:
        mask = _write(connection, tables, {"live": np.packbits(part.live)})
    return named(part, (segment, mask))


def _write(connection: Connection, tables: Tables, arrays: Mapping[str, NDArray[Any]]) -> int:
    row = connection.execute(tables.sql(_NUMBER)).fetchone()
    assert row is not None
    number = int(row[0])
    with connection.cursor().copy(tables.sql(_COPY)) as copy:
        copy.set_types(["int8", "text", "int4", "text", "int8", "bytea"])
        for name, array in arrays.items():
            for place, piece in enumerate(_pieces(array)):
                line = (number, name, place, array.dtype.str, zlib.crc32(piece), piece)
                copy.write_row(line)
    return number


def _pieces(array: NDArray[Any]) -> Iterator[bytes]:
    content = array.tobytes()
    for start in range(0, max(len(content), 1), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]
