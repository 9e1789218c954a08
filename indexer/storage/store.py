"""The truth of a collection: documents, chunks, rows and metadata in SQLite.

A reader works in one read transaction (:class:`Snapshot`), a writer in one write transaction
(:class:`Transaction`); each commit raises the sequence by one, and every block of rows carries
the sequence that changed it last, so that whoever keeps rows in memory reads only what changed.

Tables: ``facts`` (counters), ``traits`` (what stays as it was made), ``generations`` (a model and
its committed rows), ``documents`` (each with the sequence that changed its content last),
``deletions`` (the numbers of those that are gone, so that what is derived can follow), ``chunks``
(row -> document and characters, with a checksum, since nothing else would tell a wrong one),
``blocks`` (4096 rows each: the owner of every row, -1 for none, and the checksum of their
vectors), ``fields`` and ``facets`` (metadata, one line a value, for filters).
"""

from __future__ import annotations

import json
import os
import queue
import sqlite3
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.collection import LONGEST_COMMON, CountedValue, FieldSummary, Language
from indexer.documents import Chunk, Document, encode_metadata
from indexer.embedding.embedder import Identity
from indexer.errors import BearingError, Damaged, NotFound, StorageFailed
from indexer.filters import (
    COMPLEMENTS,
    Condition,
    Every,
    Filter,
    Kind,
    Metadata,
    Not,
    Operator,
    Scalar,
    Some,
    kind_of,
)

FORMAT: Final = 2
BUSY_SECONDS: Final = 30.0
MAPPED_BYTES: Final = 2**31

_SCHEMA: Final = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE traits(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE generations(
    generation INTEGER PRIMARY KEY, identity TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE documents(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL,
    truncated INTEGER NOT NULL, changed INTEGER NOT NULL,
    title TEXT, metadata TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX documents_by_change ON documents(changed);
CREATE TABLE deletions(document INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
CREATE INDEX deletions_by_sequence ON deletions(sequence);
CREATE TABLE chunks(
    generation INTEGER NOT NULL, row INTEGER NOT NULL, document INTEGER NOT NULL,
    position INTEGER NOT NULL, "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY(generation, row)) WITHOUT ROWID;
CREATE INDEX chunks_of_document ON chunks(document, generation, row);
CREATE TABLE blocks(
    generation INTEGER NOT NULL, block INTEGER NOT NULL, sequence INTEGER NOT NULL,
    checksum INTEGER NOT NULL, owners BLOB NOT NULL,
    PRIMARY KEY(generation, block)) WITHOUT ROWID;
CREATE INDEX blocks_by_sequence ON blocks(generation, sequence);
CREATE TABLE drafts(
    document INTEGER PRIMARY KEY, hash BLOB NOT NULL, truncated INTEGER NOT NULL);
CREATE TABLE fields(field INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE facets(
    field INTEGER NOT NULL, kind INTEGER NOT NULL, value NOT NULL, document INTEGER NOT NULL,
    PRIMARY KEY(field, kind, value, document)) WITHOUT ROWID;
"""

_NO_TEXT: Final = "Could not decode to UTF-8"
"""How Python says that a text in the store is none."""

_DECODER: Final = json.JSONDecoder()
_COPY_PAGES: Final = 1_024
_KINDS: Final = {Kind.NULL: 1, Kind.BOOLEAN: 2, Kind.NUMBER: 3, Kind.STRING: 4}
_KIND_OF: Final = {number: kind for kind, number in _KINDS.items()}
_EMPTY_LIST: Final = 0
_ORDERS: Final = {
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
}

Owners = NDArray[np.int32]
"""(rows,) int32: the number of the document that a row belongs to, -1 for none."""


@dataclass(frozen=True, slots=True)
class Generation:
    """All vectors of one model."""

    number: int
    rows: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is."""

    documents: int
    chunks: int
    truncated: int


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What is known of a stored document before it is replaced."""

    number: int
    content_hash: bytes
    metadata: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A row's chunk and the number of the document it is of."""

    row: int
    document: int
    chunk: Chunk


_CHUNK: Final = struct.Struct("<6q")


def checksum_of(line: Sequence[int]) -> int:
    """The CRC-32 of a chunk: its generation, row, document, position, start and end."""
    return zlib.crc32(_CHUNK.pack(*line))


def _chunk(row: int, document: int, position: int, start: int, end: int) -> StoredChunk:
    fields = (row, document, position, start, end)
    if set(map(type, fields)) != {int}:
        raise Damaged(f"the chunk of row {row} is not what was stored: see `bearing verify`")
    return StoredChunk(row, document, Chunk(position, start, end))


def _line(generation: int, stored: StoredChunk) -> tuple[int, ...]:
    chunk = stored.chunk
    return generation, stored.row, stored.document, chunk.position, chunk.start, chunk.end


@dataclass(frozen=True, slots=True)
class Block:
    """BLOCK_ROWS rows, or fewer in the last: their owners and the CRC-32 of their vectors."""

    number: int
    checksum: int
    owners: Owners


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or _NO_TEXT in str(error):
            raise Damaged(f"{path} is damaged ({error}): restore it from a backup") from error
        raise StorageFailed(f"{path}: {error} ({name or 'SQLite'})") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it cannot parse, whatever it is
        raise Damaged(f"{path} is damaged ({error}): restore it from a backup") from error


class Snapshot:
    """One state of the store, read in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.sequence = self._fact("sequence")

    def _fact(self, name: str) -> int:
        return int(self._only("SELECT value FROM facts WHERE name = ?", name))

    def _only(self, query: str, parameter: str | int) -> Any:  # noqa: ANN401 - as SQLite has it
        """The one value that there always is."""
        row = self._connection.execute(query, (parameter,)).fetchone()
        if row is None:
            raise Damaged(f"{self._path} lacks its {parameter!r}: restore it from a backup")
        return row[0]

    @property
    def _path(self) -> str:
        return str(self._connection.execute("PRAGMA database_list").fetchone()[2])

    def select(self, query: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Lines of the tables as they are, one by one, for those who check them."""
        return self._connection.execute(query, parameters)

    def copy_to(self, path: Path, tell: Callable[[int, int], None]) -> None:
        """Write this state to a new file, however much is written meanwhile.

        ``tell`` hears of the pages done and of all pages. The copy is not made durable.
        """
        with _translated(path), closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            self._connection.backup(
                target,
                pages=_COPY_PAGES,
                progress=lambda _, left, total: tell(total - left, total),
            )

    def counts(self) -> Counts:
        """How many documents, chunks, and documents with a truncated text there are."""
        return Counts(self._fact("documents"), self._fact("chunks"), self._fact("truncated"))

    def generation(self) -> Generation:
        """The generation that is searched."""
        number = self._fact("generation")
        rows = self._only("SELECT rows FROM generations WHERE generation = ?", number)
        return Generation(number, int(rows))

    def identity(self, generation: int) -> Identity:
        """The model of a generation."""
        encoded = self._only("SELECT identity FROM generations WHERE generation = ?", generation)
        try:
            identity = Identity.decode(encoded)
            return replace(identity, essence=self._essence(identity.setup))
        except (ValueError, TypeError, KeyError) as error:
            raise Damaged(
                f"{self._path} says nothing readable of its model: restore it from a backup"
            ) from error

    def _essence(self, setup: str) -> str:
        """That of a model's set-up; "" where it was written before there was one."""
        known = "SELECT value FROM traits WHERE name = ?"
        row = self._connection.execute(known, (_essence_of(setup),)).fetchone()
        return str(row[0]) if row else ""

    @property
    def instance(self) -> str:
        """What tells this store from all others."""
        return str(self._only("SELECT value FROM traits WHERE name = ?", "instance"))

    @property
    def language(self) -> Language:
        """The language of its documents' words."""
        name = self._only("SELECT value FROM traits WHERE name = ?", "language")
        try:
            return Language(name)
        except ValueError as error:
            raise Damaged(
                f"{self._path} names a language {name!r} that is none: restore it from a backup"
            ) from error

    @property
    def forgotten(self) -> int:
        """The sequence up to which nothing is known any more of deleted documents."""
        return self._fact("forgotten")

    def changed_after(self, sequence: int) -> list[tuple[int, int]]:
        """Number and sequence of the documents whose content changed after a sequence."""
        return self._connection.execute(
            "SELECT number, changed FROM documents WHERE changed > ?", (sequence,)
        ).fetchall()

    def count_changed(self, sequence: int) -> int:
        """How many documents' content changed after a sequence."""
        counted = "SELECT count(*) FROM documents WHERE changed > ?"
        return int(self._connection.execute(counted, (sequence,)).fetchone()[0])

    def next_changed(
        self, sequence: int, number: int, limit: int
    ) -> list[tuple[int, int, Document]]:
        """The next changed documents in order of sequence and number, after such a pair."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text, changed FROM documents"
            " WHERE (changed, number) > (?, ?) ORDER BY changed, number LIMIT ?",
            (sequence, number, limit),
        )
        return [(row[5], row[0], _document(row[:5])) for row in rows]

    def deleted_after(self, sequence: int) -> list[int]:
        """The numbers of the documents that were deleted after a sequence."""
        rows = self._connection.execute(
            "SELECT document FROM deletions WHERE sequence > ?", (sequence,)
        )
        return [row[0] for row in rows]

    def count_late(self, sequence: int, most: int) -> int:
        """How many documents changed or were deleted after a sequence, counted up to a bound."""
        row = self._connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM documents WHERE changed > :sequence"
            " UNION ALL SELECT 1 FROM deletions WHERE sequence > :sequence LIMIT :most)",
            {"sequence": sequence, "most": most},
        ).fetchone()
        return int(row[0])

    def generations(self) -> list[int]:
        """The one that is searched, and one that is being filled."""
        return [row[0] for row in self._connection.execute("SELECT generation FROM generations")]

    def undrafted_after(self, number: int, limit: int) -> list[tuple[int, Document]]:
        """The next documents by number whose present content the draft generation lacks."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text FROM documents"
            " LEFT JOIN drafts ON drafts.document = number"
            " WHERE number > ? AND drafts.hash IS NOT documents.hash ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [(row[0], _document(row)) for row in rows]

    def owners(self, generation: int, rows: int) -> Owners:
        """(rows,) int32: the owner of every row, by the chunks that are recorded."""
        owners = np.full(rows, -1, dtype=np.int32)
        found = self._connection.execute(
            "SELECT row, document FROM chunks WHERE generation = ?", (generation,)
        )
        while part := found.fetchmany(65_536):
            pairs = np.array(part, dtype=np.int64)
            owners[pairs[:, 0]] = pairs[:, 1]
        return owners

    def last_number(self) -> int:
        """A bound on the numbers of documents: none is larger."""
        row = self._connection.execute("SELECT max(number) FROM documents").fetchone()
        return int(row[0] or 0)

    def count_after(self, number: int) -> int:
        """How many documents have a larger number."""
        row = self._connection.execute("SELECT count(*) FROM documents WHERE number > ?", (number,))
        return int(row.fetchone()[0])

    def count_of(self, numbers: Sequence[int]) -> int:
        """How many of these different numbers are of documents."""
        if not numbers:
            return 0
        row = self._connection.execute(
            "SELECT count(*) FROM documents WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(numbers),),
        )
        return int(row.fetchone()[0])

    def blocks(self, generation: int, since: int = -1) -> list[Block]:
        """The blocks of rows that changed after a sequence."""
        rows = self._connection.execute(
            "SELECT block, checksum, owners FROM blocks WHERE generation = ? AND sequence > ?",
            (generation, since),
        )
        return [Block(n, checksum, np.frombuffer(owners, "<i4")) for n, checksum, owners in rows]

    def stored(self, ids: Iterable[str]) -> dict[str, StoredDocument]:
        """What is stored under those of these ids that exist."""
        rows = self._connection.execute(
            "SELECT id, number, hash, metadata, truncated FROM documents"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return {id: StoredDocument(n, h, m, bool(t)) for id, n, h, m, t in rows}

    def documents(self, numbers: Iterable[int]) -> dict[int, Document]:
        """The documents of these numbers that exist."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text FROM documents"
            " WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return {row[0]: _document(row) for row in rows}

    def ids_of(self, numbers: Iterable[int]) -> dict[int, str]:
        """The ids of those of these documents that exist."""
        found = self._connection.execute(
            "SELECT number, id FROM documents WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return dict(found.fetchall())

    def ids(self) -> list[tuple[int, str]]:
        """Number and id of every document."""
        return self._connection.execute("SELECT number, id FROM documents").fetchall()

    def column(self, field: str) -> dict[int, Scalar]:
        """The value of a field in each document that has one; of a list its least."""
        found = self._connection.execute(
            "SELECT document, kind, value FROM facets WHERE kind != ? AND field ="
            " (SELECT field FROM fields WHERE name = ?) ORDER BY kind DESC, value DESC",
            (_EMPTY_LIST, field),
        )
        return {number: _scalar(kind, value) for number, kind, value in found}

    def documents_after(self, number: int, limit: int) -> list[tuple[int, Document]]:
        """The next documents by number."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text FROM documents"
            " WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [(row[0], _document(row)) for row in rows]

    def passages(
        self, generation: int, rows: Iterable[int]
    ) -> dict[int, tuple[StoredChunk, Document]]:
        """The chunks of those of these rows that exist, each with its document."""
        found = self._connection.execute(
            'SELECT row, document, position, "start", "end", number, id, title, metadata, text'
            " FROM chunks JOIN documents ON number = document"
            " WHERE generation = ? AND row IN (SELECT value FROM json_each(?))",
            (generation, json.dumps(list(rows))),
        )
        return {line[0]: (_chunk(*line[:5]), _document(line[5:])) for line in found}

    def chunks_of(self, generation: int, numbers: Iterable[int]) -> list[StoredChunk]:
        """The chunks of these documents, by document and row."""
        # the + keeps SQLite from reading the whole generation, which it would think cheaper
        found = self._connection.execute(
            'SELECT row, document, position, "start", "end" FROM chunks'
            " WHERE document IN (SELECT value FROM json_each(?)) AND +generation = ?"
            " ORDER BY document, row",
            (json.dumps(list(numbers)), generation),
        )
        return [_chunk(*line) for line in found]

    def rows_of(self, generation: int, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Document and row of each chunk of these documents."""
        found = self._connection.execute(
            "SELECT document, row FROM chunks"
            " WHERE document IN (SELECT value FROM json_each(?)) AND generation = ?",
            (json.dumps(list(numbers)), generation),
        )
        return found.fetchall()

    def matching(self, condition: Filter, size: int) -> NDArray[np.bool_]:
        """(size,) bool by document number: whether the document passes.

        Numbers that no document has are undefined. The meaning is that of filters.matches.
        """
        match condition:
            case Every(parts):
                passing = np.ones(size, dtype=np.bool_)
                for part in parts:
                    passing &= self.matching(part, size)
                return passing
            case Some(parts):
                passing = np.zeros(size, dtype=np.bool_)
                for part in parts:
                    passing |= self.matching(part, size)
                return passing
            case Not(part):
                return ~self.matching(part, size)
            case Condition(field, operator, values) if operator in COMPLEMENTS:
                return ~self.matching(Condition(field, COMPLEMENTS[operator], values), size)
            case Condition():
                return self._holding(condition, size)

    def _holding(self, condition: Condition, size: int) -> NDArray[np.bool_]:
        field = self._connection.execute(
            "SELECT field FROM fields WHERE name = ?", (condition.field,)
        ).fetchone()
        number = -1 if field is None else int(field[0])
        if condition.operator is Operator.EXISTS:
            present = self._mask("field = ?", (number,), size)
            return present if condition.values[0] else ~present
        if condition.operator in _ORDERS:
            value = condition.values[0]
            where = f"field = ? AND kind = ? AND value {_ORDERS[condition.operator]} ?"
            return self._mask(where, (number, _KINDS[kind_of(value)], value), size)
        return self._equal(number, condition.values, size)

    def _equal(self, field: int, values: Sequence[Scalar], size: int) -> NDArray[np.bool_]:
        found = np.zeros(size, dtype=np.bool_)
        if None in values:  # as in MongoDB, a missing field equals null
            found |= ~self._mask("field = ?", (field,), size)
        where = "field = ? AND kind = ? AND value = ?"
        for value in values:
            self._mark(found, where, (field, _KINDS[kind_of(value)], _held(value)))
        return found

    def _mask(self, where: str, parameters: Sequence[Scalar], size: int) -> NDArray[np.bool_]:
        mask = np.zeros(size, dtype=np.bool_)
        self._mark(mask, where, parameters)
        return mask

    def _mark(self, mask: NDArray[np.bool_], where: str, parameters: Sequence[Scalar]) -> None:
        # one long string is read several times faster than as many lines
        joined = self._connection.execute(
            f"SELECT group_concat(document, ' ') FROM facets WHERE {where}",  # noqa: S608 - the text is ours
            parameters,
        ).fetchone()[0]
        if joined is not None:
            numbers = np.fromstring(joined, dtype=np.int64, sep=" ")
            if numbers.max() >= len(mask):
                raise Damaged(f"{self._path} has metadata of no document: see `bearing verify`")
            mask[numbers] = True

    def fields(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name that a document has, with their common values."""
        found = self._connection.execute(
            "SELECT field, name FROM fields WHERE EXISTS"
            " (SELECT 1 FROM facets WHERE facets.field = fields.field) ORDER BY name LIMIT ?",
            (limit,),
        ).fetchall()
        return [self._field_summary(number, name, common) for number, name in found]

    def _field_summary(self, field: int, name: str, common: int) -> FieldSummary:
        # The key of facets is in this order, so that a field is read once, without sorting.
        kinds = self._connection.execute(
            "SELECT kind, count(*), min(value), max(value) FROM"
            " (SELECT DISTINCT kind, value FROM facets WHERE field = ? AND kind <> ?)"
            " GROUP BY kind ORDER BY kind",
            (field, _EMPTY_LIST),
        ).fetchall()
        numbers = [(low, high) for kind, _, low, high in kinds if kind == _KINDS[Kind.NUMBER]]
        smallest, largest = numbers[0] if numbers else (None, None)
        return FieldSummary(
            name,
            tuple(_KIND_OF[kind] for kind, *_ in kinds),
            sum(count for _, count, *_ in kinds),
            self._common_values(field, common),
            smallest,
            largest,
        )

    def _common_values(self, field: int, most: int) -> tuple[CountedValue, ...]:
        rows = self._connection.execute(
            "SELECT kind, value, count(*) AS documents FROM facets WHERE field = ? AND kind <> ?"
            " AND (kind <> ? OR length(value) <= ?)"
            " GROUP BY kind, value ORDER BY documents DESC, kind, value LIMIT ?",
            (field, _EMPTY_LIST, _KINDS[Kind.STRING], LONGEST_COMMON, most),
        )
        return tuple(CountedValue(_scalar(kind, value), count) for kind, value, count in rows)


class Transaction(Snapshot):
    """A write transaction: what it changes exists once the store has committed it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._fields: dict[str, int] = {}

    def advance(self, generation: int, rows: int) -> int:
        """Count a commit and the generation's rows; the new sequence."""
        self.sequence += 1
        self._connection.execute(
            "UPDATE facts SET value = ? WHERE name = 'sequence'", (self.sequence,)
        )
        self._connection.execute(
            "UPDATE generations SET rows = ? WHERE generation = ?", (rows, generation)
        )
        return self.sequence

    def draft(self, identity: Identity) -> Generation:
        """The generation that is being filled for a model, begun if there is none.

        One that was begun for another model is dropped.
        """
        row = self._connection.execute(
            "SELECT generation, rows FROM generations WHERE generation > ?",
            (self._fact("generation"),),
        ).fetchone()
        if row is not None and self.identity(row[0]).made(identity.mark):
            return Generation(row[0], row[1])
        if row is not None:
            self._drop_generation(row[0])
        self._connection.execute("DELETE FROM drafts")
        number = self._connection.execute("SELECT max(generation) FROM generations").fetchone()[0]
        number = max(number, row[0] if row else 0) + 1
        _write_generation(self._connection, number, identity)
        return Generation(number, 0)

    def undraft(self, generation: int, numbers: Iterable[int]) -> None:
        """Forget what was drafted of documents, so that they can be drafted again."""
        gone = [(number, generation) for number in numbers]
        self._connection.executemany(
            "DELETE FROM chunks WHERE document = ? AND generation = ?", gone
        )

    def extend_draft(
        self,
        generation: Generation,
        chunks: Sequence[StoredChunk],
        drafted: Iterable[tuple[int, bytes, bool]],
    ) -> None:
        """Record chunks behind a draft's rows, and which content (number, hash) they are of."""
        self.add_chunks(generation.number, chunks)
        self._connection.execute(
            "UPDATE generations SET rows = ? WHERE generation = ?",
            (generation.rows + len(chunks), generation.number),
        )
        self._connection.executemany("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?)", drafted)

    def adopt(self, generation: int) -> None:
        """Let a draft be the generation that is searched, and drop the one before it."""
        before = self._fact("generation")
        self._connection.execute(
            "UPDATE facts SET value = ? WHERE name = 'generation'", (generation,)
        )
        self._connection.execute(
            "UPDATE documents SET truncated = drafts.truncated FROM drafts"
            " WHERE drafts.document = number AND documents.truncated != drafts.truncated"
        )
        for name, counted in (
            ("chunks", "SELECT count(*) FROM chunks WHERE generation = :generation"),
            ("truncated", "SELECT count(*) FROM documents WHERE truncated"),
        ):
            self._connection.execute(
                f"UPDATE facts SET value = ({counted}) WHERE name = :name",  # noqa: S608 - ours
                {"generation": generation, "name": name},
            )
        self._drop_generation(before)
        self._connection.execute("DELETE FROM drafts")

    def _drop_generation(self, generation: int) -> None:
        for table in ("chunks", "blocks", "generations"):
            self._connection.execute(f"DELETE FROM {table} WHERE generation = ?", (generation,))  # noqa: S608

    def count(self, documents: int = 0, chunks: int = 0, truncated: int = 0) -> None:
        """Add to the counters."""
        self._connection.executemany(
            "UPDATE facts SET value = value + ? WHERE name = ?",
            [(documents, "documents"), (chunks, "chunks"), (truncated, "truncated")],
        )

    def insert(self, documents: Sequence[tuple[Document, bool]]) -> list[int]:
        """The numbers of new documents, each given with whether its text was truncated."""
        first = 1 + max(self._last_given(), self.last_number())
        numbers = list(range(first, first + len(documents)))
        self._connection.executemany(
            "INSERT INTO documents(hash, truncated, title, metadata, text, changed, number, id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*_columns(document, truncated), self.sequence, number, document.id)
                for number, (document, truncated) in zip(numbers, documents, strict=True)
            ],
        )
        self._add_facets(zip(numbers, (one.metadata for one, _ in documents), strict=True))
        return numbers

    def _last_given(self) -> int:
        """The largest number that a document ever had."""
        row = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'documents'"
        ).fetchone()
        return int(row[0]) if row else 0

    def replace(self, documents: Sequence[tuple[StoredDocument, Document, bool]]) -> None:
        """Put documents in place of those that have their ids."""
        self._connection.executemany(
            "UPDATE documents SET hash = ?, truncated = ?, title = ?, metadata = ?, text = ?,"
            " changed = ? WHERE number = ?",
            [
                (*_columns(document, truncated), self.sequence, old.number)
                for old, document, truncated in documents
            ],
        )
        self._replace_facets((old, document.metadata) for old, document, _ in documents)

    def amend(self, documents: Sequence[tuple[StoredDocument, Metadata]]) -> None:
        """Put metadata in place of documents' metadata."""
        self._connection.executemany(
            "UPDATE documents SET metadata = ? WHERE number = ?",
            [(encode_metadata(metadata), old.number) for old, metadata in documents],
        )
        self._replace_facets(documents)

    def remove(self, documents: Sequence[StoredDocument]) -> None:
        """Delete documents, without their chunks."""
        self._connection.executemany(
            "DELETE FROM documents WHERE number = ?", [(old.number,) for old in documents]
        )
        self._connection.executemany(
            "INSERT INTO deletions VALUES (?, ?)",
            [(old.number, self.sequence) for old in documents],
        )
        self._drop_facets(documents)

    def forget_deletions(self, sequence: int) -> None:
        """Keep no number of a document that was deleted up to a sequence."""
        self._connection.execute("DELETE FROM deletions WHERE sequence <= ?", (sequence,))
        self._connection.execute(
            "UPDATE facts SET value = max(value, ?) WHERE name = 'forgotten'", (sequence,)
        )

    def add_chunks(self, generation: int, chunks: Iterable[StoredChunk]) -> None:
        """Record the chunks of rows."""
        self._connection.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*line, checksum_of(line)) for line in map(partial(_line, generation), chunks)],
        )

    def drop_chunks(self, numbers: Iterable[int]) -> None:
        """Forget the chunks of documents, in every generation, and that they were drafted."""
        gone = [(number,) for number in numbers]
        self._connection.executemany("DELETE FROM chunks WHERE document = ?", gone)
        self._connection.executemany("DELETE FROM drafts WHERE document = ?", gone)

    def block(self, generation: int, number: int) -> Block | None:
        """One block of rows, if it exists."""
        row = self._connection.execute(
            "SELECT checksum, owners FROM blocks WHERE generation = ? AND block = ?",
            (generation, number),
        ).fetchone()
        return row and Block(number, row[0], np.frombuffer(row[1], "<i4"))

    def write_block(self, generation: int, block: Block) -> None:
        """Put a block of rows; it carries the sequence of this transaction."""
        self._connection.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)",
            (
                generation,
                block.number,
                self.sequence,
                block.checksum,
                block.owners.astype("<i4").tobytes(),
            ),
        )

    def _field(self, name: str) -> int:
        if name not in self._fields:
            self._connection.execute("INSERT OR IGNORE INTO fields(name) VALUES (?)", (name,))
            row = self._connection.execute(
                "SELECT field FROM fields WHERE name = ?", (name,)
            ).fetchone()
            self._fields[name] = row[0]
        return self._fields[name]

    def _add_facets(self, documents: Iterable[tuple[int, Metadata]]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO facets VALUES (?, ?, ?, ?)",
            [
                (self._field(name), kind, value, number)
                for number, metadata in documents
                for name, held in metadata.items()
                for kind, value in _facets(held)
            ],
        )

    def _drop_facets(self, documents: Iterable[StoredDocument]) -> None:
        self._connection.executemany(
            "DELETE FROM facets WHERE field = ? AND kind = ? AND value = ? AND document = ?",
            [
                (self._field(name), kind, value, old.number)
                for old in documents
                for name, held in json.loads(old.metadata).items()
                for kind, value in _facets(held)
            ],
        )

    def _replace_facets(self, documents: Iterable[tuple[StoredDocument, Metadata]]) -> None:
        changed = [
            (old, metadata)
            for old, metadata in documents
            if old.metadata != encode_metadata(metadata)
        ]
        self._drop_facets(old for old, _ in changed)
        self._add_facets((old.number, metadata) for old, metadata in changed)


class Store:
    """The SQLite file of a collection; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(f"{path} does not exist")
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closed = False
        with _translated(path):
            version = self._version()
        if version != FORMAT:
            raise Damaged(f"{path} has format {version}; this version of Bearing reads {FORMAT}")

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @classmethod
    def create(cls, path: Path, identity: Identity, language: Language) -> None:
        """Make a store without documents, durably."""
        with _translated(path):
            connection = _connect(path)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT")
                connection.execute("BEGIN")
                counters = ("sequence", "documents", "chunks", "truncated", "forgotten")
                facts = [("generation", 1), *((name, 0) for name in counters)]
                connection.executemany("INSERT INTO facts VALUES (?, ?)", facts)
                traits = [("instance", uuid.uuid4().hex), ("language", str(language))]
                connection.executemany("INSERT INTO traits VALUES (?, ?)", traits)
                _write_generation(connection, 1, identity)
                connection.execute("COMMIT")
            finally:
                connection.close()

    def close(self) -> None:
        """Close idle connections; those in use are closed when they are done."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """One state of the store."""
        with _translated(self._path), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield Snapshot(connection)
            finally:
                if connection.in_transaction:  # some errors have ended it already
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A write transaction, committed durably at its end or not at all."""
        with _translated(self._path), self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def vacuum(self) -> bool:
        """Write the store anew without what was deleted; whether nothing of it is left in the log.

        It is left there while a reader is in the middle of a search: call again later.
        """
        with _translated(self._path), self._connection() as connection:
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise NotFound(f"collection {self._path.parent.name!r} was closed or deleted")
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = _connect(self._path)
        try:
            yield connection
        except BearingError:
            self._give_back(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or isinstance(connection, _Immutable):
            connection.close()
        else:
            self._idle.put(connection)

    def _version(self) -> int:
        with self._connection() as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])


class _Immutable(sqlite3.Connection):
    """A connection that takes no note of what others write: for one transaction only."""


def _connect(path: Path) -> sqlite3.Connection:
    uri, kind = path.absolute().as_uri(), sqlite3.Connection
    if not os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        uri, kind = _read_only(path, uri)
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
    )
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: fsync at every commit
    connection.execute("PRAGMA temp_store = MEMORY")
    # pages come from the system's cache without a copy: a hit's texts cost a third as much
    connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    return connection


def _read_only(path: Path, uri: str) -> tuple[str, type[sqlite3.Connection]]:
    """How to open a store in a folder where SQLite cannot put the memory that processes share."""
    if not path.with_name(f"{path.name}-wal").exists():
        return f"{uri}?immutable=1", _Immutable
    if not path.with_name(f"{path.name}-shm").exists():
        raise StorageFailed(
            f"{path} was not closed, and its folder cannot be written to: "
            "open it once where it can be"
        )
    return f"{uri}?mode=ro", sqlite3.Connection


def _write_generation(connection: sqlite3.Connection, number: int, identity: Identity) -> None:
    """Begin a generation of a model, without rows."""
    connection.execute("INSERT INTO generations VALUES (?, ?, 0)", (number, identity.encode()))
    if identity.essence:
        # Beside the identity, and by its set-up alone: what knows no essences opens it as well.
        known = "INSERT OR REPLACE INTO traits VALUES (?, ?)"
        connection.execute(known, (_essence_of(identity.setup), identity.essence))


def _essence_of(setup: str) -> str:
    return f"essence of {setup}"


def _columns(document: Document, truncated: bool) -> tuple[object, ...]:
    """What a line of ``documents`` holds beside number and id."""
    metadata = encode_metadata(document.metadata)
    return document.content_hash, truncated, document.title, metadata, document.text


def _decoded(metadata: str) -> Any:  # noqa: ANN401 - what JSON holds
    """What ``encode_metadata`` gave; json.loads takes five times as long for a short one."""
    held, end = _DECODER.raw_decode(metadata)
    if end != len(metadata):
        raise ValueError(f"it goes on after {end} characters")
    return held


def _document(row: tuple[int, str, str | None, str, str]) -> Document:
    number, id, title, metadata, text = row
    if not isinstance(id, str) or not isinstance(text, str):
        raise Damaged(f"document number {number} is not what was stored: see `bearing verify`")
    try:
        return Document.stored(id, text, title, _decoded(metadata))
    except (ValueError, TypeError) as error:
        raise Damaged(f"the metadata of document {id!r} is not what was stored: see verify") from (
            error
        )


def _held(value: Scalar) -> str | int | float:
    """A scalar as a facet holds it; its kind is beside it."""
    if value is None:
        return 0
    return int(value) if isinstance(value, bool) else value


def _scalar(kind: int, held: str | float) -> Scalar:
    """The scalar that a facet holds."""
    if kind == _KINDS[Kind.NULL]:
        return None
    return bool(held) if kind == _KINDS[Kind.BOOLEAN] else held


def facets_of(metadata: Metadata) -> list[tuple[str, int, str | int | float]]:
    """The name, kind and value of each line that metadata takes among the facets."""
    return [
        (name, kind, value)
        for name, held in metadata.items()
        for kind, value in dict.fromkeys(_facets(held))
    ]


def _facets(held: Scalar | Sequence[Scalar]) -> list[tuple[int, str | int | float]]:
    """The kinds and values of a metadata field, one for each element of a list."""
    if isinstance(held, Sequence) and not isinstance(held, str):
        elements = [(_KINDS[kind_of(element)], _held(element)) for element in held]
        return elements or [(_EMPTY_LIST, 0)]
    return [(_KINDS[kind_of(held)], _held(held))]
