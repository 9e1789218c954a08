"""One state of the store, read in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from indexer.documents import Document
from indexer.embedding.embedder import Identity
from indexer.engine import Counts
from indexer.errors import Damaged
from indexer.facets import FieldCounts
from indexer.filters import Filter
from indexer.index_choice import Language
from indexer.ordering import Order, Place
from indexer.outline import PAGE
from indexer.parts import Parts
from indexer.passages import HEADINGS_KEY, ReadPassage
from indexer.pictures import Picture
from indexer.storage.sqlite.counting import count_values
from indexer.storage.sqlite.filtering import FacetQueries
from indexer.storage.sqlite.identities import essence_of
from indexer.storage.sqlite.ordering import OrderedDocuments
from indexer.storage.sqlite.origins import OriginTables
from indexer.storage.sqlite.records import (
    Block,
    Generation,
    Owners,
    StoredChunk,
    StoredDocument,
    chunk_of,
    stored_chunk,
)
from indexer.storage.sqlite.translation import translated_errors

COUNT_UNKNOWN: Final = (
    "SELECT count(DISTINCT document) FROM chunks INDEXED BY unknown_chunks"
    " WHERE generation = ? AND unknown"
)
"""By its index, which SQLite estimates as dearer than to read every chunk of the generation: that
took 0.2 s for a million, at the first search after each write.
"""

PictureKind: TypeAlias = Literal["thumbnail", "original"]

_DECODER: Final = json.JSONDecoder()
_COPY_PAGES: Final = 1_024


class Snapshot(FacetQueries):
    """One state of the store, read in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.sequence = self._fact("sequence")  # the first read, which fixes the state

    def _fact(self, name: str) -> int:
        return int(self._only("SELECT value FROM facts WHERE name = ?", name))

    def _only(self, query: str, parameter: str | int) -> Any:  # noqa: ANN401 - as SQLite has it
        """The single value of a query that always has one."""
        row = self._connection.execute(query, (parameter,)).fetchone()
        if row is None:
            raise Damaged(f"{self._path} lacks its {parameter!r}: restore it from a backup")
        return row[0]

    def select(self, query: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Lines of the tables unchanged, one by one, for checks."""
        return self._connection.execute(query, parameters)

    @property
    def origins(self) -> OriginTables:
        """The origins of its documents."""
        return OriginTables(self._connection)

    def copy_to(self, path: Path, tell: Callable[[int, int], None]) -> None:
        """Write this state to a new file, however much is written meanwhile.

        ``tell`` is called with the pages done and their total. The copy is not made durable.
        """
        with (
            translated_errors(path),
            closing(sqlite3.connect(path, isolation_level=None)) as target,
        ):
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            self._connection.backup(
                target,
                pages=_COPY_PAGES,
                progress=lambda _, left, total: tell(total - left, total),
            )

    def counts(self) -> Counts:
        """The numbers of documents, chunks, and documents with a truncated or an unknown text."""
        unknown = self._only(COUNT_UNKNOWN, self._fact("generation"))
        return Counts(
            self._fact("documents"), self._fact("chunks"), self._fact("truncated"), unknown
        )

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
        """The essence of a model's set-up; "" if it was written before there were any."""
        known = "SELECT value FROM traits WHERE name = ?"
        row = self._connection.execute(known, (essence_of(setup),)).fetchone()
        return str(row[0]) if row else ""

    @property
    def instance(self) -> str:
        """The unique id of this store."""
        return str(self._only("SELECT value FROM traits WHERE name = ?", "instance"))

    @property
    def language(self) -> Language:
        """The language of its documents' words."""
        name = self._only("SELECT value FROM traits WHERE name = ?", "language")
        try:
            return Language(name)
        except ValueError as error:
            raise Damaged(
                f"{self._path} names an unknown language {name!r}: restore it from a backup"
            ) from error

    @property
    def forgotten(self) -> int:
        """The sequence up to which deletions have been forgotten."""
        return self._fact("forgotten")

    def changed_after(self, sequence: int) -> list[tuple[int, int]]:
        """Number and sequence of the documents whose content changed after a sequence."""
        return self._connection.execute(
            "SELECT number, changed FROM documents WHERE changed > ?", (sequence,)
        ).fetchall()

    def count_changed(self, sequence: int) -> int:
        """The number of documents whose content changed after a sequence."""
        counted = "SELECT count(*) FROM documents WHERE changed > ?"
        return int(self._connection.execute(counted, (sequence,)).fetchone()[0])

    def next_changed(
        self, sequence: int, number: int, limit: int
    ) -> list[tuple[int, int, Document]]:
        """The next changed documents in the order of sequence and number, after such a pair."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text, picture, changed FROM documents"
            " WHERE (changed, number) > (?, ?) ORDER BY changed, number LIMIT ?",
            (sequence, number, limit),
        )
        return [(row[6], row[0], _document(row[:6])) for row in rows]

    def deleted_after(self, sequence: int) -> list[int]:
        """The numbers of the documents that were deleted after a sequence."""
        rows = self._connection.execute(
            "SELECT document FROM deletions WHERE sequence > ?", (sequence,)
        )
        return [row[0] for row in rows]

    def count_unindexed(self, sequence: int, most: int) -> int:
        """The number of documents changed or deleted after a sequence, counted up to a bound."""
        row = self._connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM documents WHERE changed > :sequence"
            " UNION ALL SELECT 1 FROM deletions WHERE sequence > :sequence LIMIT :most)",
            {"sequence": sequence, "most": most},
        ).fetchone()
        return int(row[0])

    def generations(self) -> list[int]:
        """The generation that is searched, and one that is being filled, if any."""
        return [row[0] for row in self._connection.execute("SELECT generation FROM generations")]

    def undrafted_after(self, number: int, limit: int) -> list[tuple[int, Document]]:
        """The next documents by number whose current content the draft generation lacks."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text, picture FROM documents"
            " LEFT JOIN drafts ON drafts.document = number"
            " WHERE number > ? AND drafts.hash IS NOT documents.hash ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [(row[0], _document(row)) for row in rows]

    def count_drafted(self) -> int:
        """The number of documents that have vectors beside those searched."""
        return int(self._connection.execute("SELECT count(*) FROM drafts").fetchone()[0])

    def owners(self, generation: int, rows: int) -> Owners:
        """(rows,) int32: the owner of every row, according to the recorded chunks."""
        owners = np.full(rows, -1, dtype=np.int32)
        found = self._connection.execute(
            "SELECT row, document FROM chunks WHERE generation = ?", (generation,)
        )
        while part := found.fetchmany(65_536):
            pairs = np.array(part, dtype=np.int64)
            owners[pairs[:, 0]] = pairs[:, 1]
        return owners

    def last_number(self) -> int:
        """An upper bound on document numbers."""
        row = self._connection.execute("SELECT max(number) FROM documents").fetchone()
        return int(row[0] or 0)

    def count_after(self, number: int) -> int:
        """The number of documents with a larger number."""
        row = self._connection.execute("SELECT count(*) FROM documents WHERE number > ?", (number,))
        return int(row.fetchone()[0])

    def count_of(self, numbers: Sequence[int]) -> int:
        """The number of these different numbers that documents have."""
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
        """The stored properties of those of these documents that exist, by id."""
        rows = self._connection.execute(
            "SELECT id, number, hash, metadata, truncated, picture FROM documents"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return {id: StoredDocument(n, h, m, bool(t), p) for id, n, h, m, t, p in rows}

    def numbers(self, ids: Iterable[str]) -> dict[str, int]:
        """The numbers of those of these documents that exist."""
        rows = self._connection.execute(
            "SELECT id, number FROM documents WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return dict(rows.fetchall())

    def ids_of(self, numbers: Iterable[int]) -> dict[int, str]:
        """The ids of those of these documents that exist, by number."""
        rows = self._connection.execute(
            "SELECT number, id FROM documents WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return dict(rows.fetchall())

    def copies(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """The number of documents that repeat an earlier content, and some pairs of ids."""
        groups = "SELECT min(id), max(id), count(*) AS n FROM documents GROUP BY hash HAVING n > 1"
        (copies,) = self._connection.execute(f"SELECT total(n - 1) FROM ({groups})").fetchone()  # noqa: S608
        shown = self._connection.execute(f"{groups} ORDER BY n DESC, 1 LIMIT ?", (limit,))
        return int(copies), [(first, last) for first, last, _ in shown]

    def documents(self, numbers: Iterable[int]) -> dict[int, Document]:
        """The documents with these numbers that exist."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text, picture FROM documents"
            " WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return {row[0]: _document(row) for row in rows}

    def has_pictures(self) -> bool:
        """Return whether a document has a picture."""
        pictured = "SELECT EXISTS (SELECT 1 FROM documents WHERE picture IS NOT NULL)"
        return bool(self._connection.execute(pictured).fetchone()[0])

    def picture_files(self, numbers: Iterable[int], kind: PictureKind) -> dict[int, bytes]:
        """The kept files of one kind of the pictures of these documents."""
        rows = self._connection.execute(
            f"SELECT document, {kind} FROM pictures"  # noqa: S608 - the kinds are ours
            f" WHERE {kind} IS NOT NULL AND document IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return dict(rows.fetchall())

    def ids(self) -> list[tuple[int, str]]:
        """Number and id of every document."""
        return self._connection.execute("SELECT number, id FROM documents").fetchall()

    def documents_after(self, number: int, limit: int) -> list[tuple[int, Document]]:
        """The next documents by number."""
        rows = self._connection.execute(
            "SELECT number, id, title, metadata, text, picture FROM documents"
            " WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [(row[0], _document(row)) for row in rows]

    def count_values(
        self, fields: Sequence[str], among: Sequence[int] | None, most: int
    ) -> tuple[FieldCounts, ...]:
        """Each of these fields with its most common values, in these documents or in all."""
        return tuple(count_values(self._connection, field, among, most) for field in fields)

    def ordered(
        self, condition: Filter | None, order: Order, after: Place | None, limit: int
    ) -> list[tuple[int, Document]]:
        """The next documents after a place in an order that pass a filter, each with its number."""
        among = None
        if condition is not None:
            among = np.flatnonzero(self.matching(condition, self.last_number() + 1)).tolist()
        documents = OrderedDocuments(self._connection, self.documents, order, among)
        return documents.after(after, limit)

    def passages(
        self, generation: int, rows: Iterable[int], parts: Parts
    ) -> dict[int, ReadPassage]:
        """These parts of the chunks of those of these rows that exist, and of their documents."""
        found = self._connection.execute(
            _passages_query(parts), (generation, json.dumps(list(rows)))
        )
        return {line[0]: self._read_passage(line, parts) for line in found}

    def _read_passage(self, line: tuple[Any, ...], parts: Parts) -> ReadPassage:
        chunk, document = chunk_of(*line[:6]), _document(line[6:])
        if parts.text or not parts.passage:
            return ReadPassage.of(chunk, document, parts)
        held, length = len(document.text), chunk.end - chunk.start
        if held == length:
            return ReadPassage.cut(chunk, document, parts)
        if held < length:  # SQLite's substr ends at a NUL
            document = self.documents([line[1]])[line[1]]
        return ReadPassage.of(chunk, document, parts)

    def chunks_of(self, generation: int, numbers: Iterable[int]) -> list[StoredChunk]:
        """The chunks of these documents, by document and row."""
        # the + keeps SQLite from reading the whole generation, which it estimates as cheaper
        found = self._connection.execute(
            'SELECT row, document, position, "start", "end", unknown FROM chunks'
            " WHERE document IN (SELECT value FROM json_each(?)) AND +generation = ?"
            " ORDER BY document, row",
            (json.dumps(list(numbers)), generation),
        )
        return [stored_chunk(*line) for line in found]

    def every_unknown(self) -> dict[int, list[int]]:
        """The rows of which the model knows no word, by their documents."""
        found: dict[int, list[int]] = {}
        for document, row in self._connection.execute(
            "SELECT document, row FROM chunks INDEXED BY unknown_chunks"
            " WHERE generation = ? AND unknown",
            (self._fact("generation"),),
        ):
            found.setdefault(document, []).append(row)
        return found

    def unknown_rows(self, generation: int, numbers: Iterable[int]) -> list[int]:
        """The rows of these documents' chunks of which the model knows no word."""
        found = self._connection.execute(
            "SELECT row FROM chunks INDEXED BY unknown_chunks WHERE generation = ? AND unknown"
            " AND document IN (SELECT value FROM json_each(?))",
            (generation, json.dumps(list(numbers))),
        )
        return [row for (row,) in found]


@lru_cache(maxsize=16)
def _passages_query(parts: Parts) -> str:
    """The query of chunks and of the columns that hold these parts of their documents.

    Metadata is one column, and tells a passage's place. Of a text that is not asked for itself, no
    more than the passage leaves the store, unless all of it tells that place.
    """
    passage = (
        f"CASE WHEN instr(text, char({ord(PAGE)})) OR instr(metadata, '{HEADINGS_KEY}') THEN text"
        ' ELSE substr(text, "start" + 1, "end" - "start") END'
    )
    columns = (
        "title" if parts.title else "NULL",
        "metadata" if parts.passage or parts.keys is None or parts.keys else "'{}'",
        "text" if parts.text else passage if parts.passage else "''",
    )
    return (
        'SELECT row, document, position, "start", "end", unknown,'  # noqa: S608 - constants
        f" number, id, {', '.join(columns)}, picture"
        " FROM chunks JOIN documents ON number = document"
        " WHERE generation = ? AND row IN (SELECT value FROM json_each(?))"
    )


def _decoded(metadata: str) -> Any:  # noqa: ANN401 - what JSON holds
    """The inverse of ``encode_metadata``; json.loads takes five times as long for a short one."""
    held, end = _DECODER.raw_decode(metadata)
    if end != len(metadata):
        raise ValueError(f"it continues after {end} characters")
    return held


def _document(row: tuple[int, str, str | None, str, str, str | None]) -> Document:
    number, id, title, metadata, text, picture = row
    if not isinstance(id, str) or not isinstance(text, str):
        raise Damaged(f"document number {number} is not what was stored: see `bearing verify`")
    try:
        seen = None if picture is None else Picture.decode(picture)
        return Document.stored(id, text, title, _decoded(metadata), seen)
    except (ValueError, TypeError) as error:
        raise Damaged(f"the metadata of document {id!r} is not what was stored: see verify") from (
            error
        )
