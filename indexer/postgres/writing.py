"""Writes of documents, each within one transaction.

Many processes write at once. What a write changes it locks in the order of ids, so that few wait
for each other in a circle; the rare ones that do are tried again. All of them hold the list of
generations, which a migration locks to begin and to end: so none misses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from indexer.admission import (
    change_of,
    is_within,
    joined_vectors,
    require_stored,
    require_within,
)
from indexer.documents import Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.filters import Filter
from indexer.postgres.connection import Connection
from indexer.postgres.facts import Fact, facts_of
from indexer.postgres.filtering import Translation
from indexer.postgres.schema import SLOTS, Tables
from indexer.postgres.texts import storable_text

_OLD: Final = """
SELECT number, id, hash, metadata::text, picture FROM @document d WHERE {which}
ORDER BY id FOR UPDATE
"""
_INSERT: Final = """
INSERT INTO @document(number, id, hash, metadata, picture, title, text, slot, write)
SELECT number, id, hash, metadata::json, picture, title, text, %b::integer, %b::bigint
FROM unnest(%b::bigint[], %b::text[], %b::bytea[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS t(number, id, hash, metadata, picture, title, text)
ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id
"""
_REPLACE: Final = """
UPDATE @document d SET hash = t.hash, metadata = t.metadata::json, picture = t.picture,
    title = t.title, text = t.text, slot = %b::integer, write = %b::bigint
FROM unnest(%b::bigint[], %b::text[], %b::bytea[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS t(number, id, hash, metadata, picture, title, text)
WHERE d.number = t.number
"""
_GONE: Final = "INSERT INTO @gone SELECT %s, %s, unnest(%s::bigint[])"
_DELETE_FACTS: Final = """
DELETE FROM @fact f
USING unnest(%b::integer[], %b::bytea[], %b::bigint[]) AS o(field, value, document)
WHERE f.field = o.field AND f.value = o.value AND f.document = o.document
"""
_FREE: Final = f"""
SELECT slot, writes + 1 FROM @counter ORDER BY (slot + pg_backend_pid()) % {SLOTS}
LIMIT 1 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a constant
_OWN: Final = f"""
SELECT slot, writes + 1 FROM @counter WHERE slot = pg_backend_pid() % {SLOTS} FOR UPDATE
"""  # noqa: S608 - a constant
_COUNT: Final = """
UPDATE @counter SET writes = %s, documents = documents + %s, chunks = chunks + %s,
    truncated = truncated + %s, unknown = unknown + %s
WHERE slot = %s
"""


@dataclass(slots=True)
class _Counts:
    """The change that a write makes to the counts of a collection."""

    documents: int = 0
    chunks: int = 0
    truncated: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class _Old:
    number: int
    id: str
    hash: bytes
    metadata: str
    picture: str | None

    @property
    def facts(self) -> tuple[str, str | None]:
        return self.metadata, self.picture


class Stamp(NamedTuple):
    """The number of a write within a slot, which it holds: no later one ends before it."""

    slot: int
    write: int


def take_slot(connection: Connection, tables: Tables) -> Stamp:
    """A slot that no other write holds, or the own one once that is free."""
    for statement in (_FREE, _OWN):
        row = connection.execute(tables.sql(statement)).fetchone()
        if row is not None:
            return Stamp(*row)
    raise AssertionError("there are no slots")


class Writing:
    """One transaction that writes to a collection; ``identity`` is that of its live generation."""

    def __init__(
        self, connection: Connection, tables: Tables, live: int, draft: int | None, stamp: Stamp
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._live = live
        self._draft = draft
        self._stamp = stamp
        self._counts = _Counts()

    def put(
        self, documents: Sequence[EmbeddedDocument], identity: Identity, within: Filter | None
    ) -> None:
        """Add or replace documents with different ids; new ones are numbered in this order.

        Raises Conflict if one would replace a document that fails the filter ``within``.
        """
        joined_vectors(documents, identity)
        given = [one.document for one in documents]
        old: dict[str, _Old] = {}
        numbers: dict[str, int] = {}
        missing = given
        while missing:  # again if another process stores or deletes some of them meanwhile
            old |= self._old("id = ANY(%s)", [[one.id for one in missing]])
            numbers |= self._inserted([one for one in missing if one.id not in old])
            missing = [one for one in missing if one.id not in old and one.id not in numbers]
        _require_within(within, old)
        self._forget(list(old.values()))
        numbers |= {id: one.number for id, one in old.items()}
        self._replace([one for one in given if one.id in old], numbers)
        self._add_chunks(documents, numbers)
        self._keep_pictures(documents, numbers, old)
        self._add_facts(given, numbers)
        self._counts.documents += len(given)
        self._finish()

    def amend(self, documents: Sequence[Document], within: Filter | None) -> None:
        """Replace the metadata of documents with different ids; raises Conflict as ``put`` does."""
        old = self._old("id = ANY(%s)", [[one.id for one in documents]])
        _require_within(within, old)
        for one in documents:
            known = old.get(one.id)
            old_facts = (known.hash, (known.metadata, known.picture)) if known else None
            change = change_of(one, old_facts)
            require_stored(one, change)
        numbers = {id: one.number for id, one in old.items()}
        self._delete_facts(list(old.values()))
        self._execute(
            "UPDATE @document d SET metadata = t.metadata::json, picture = t.picture "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS t(number, metadata, picture) "
            "WHERE d.number = t.number",
            [[numbers[one.id] for one in documents], *_facts(documents)],
        )
        self._add_facts(documents, numbers)
        self._finish()

    def delete(self, ids: Sequence[str], within: Filter | None) -> int:
        """Delete those of these documents that exist and pass, and return their number."""
        old = self._old("id = ANY(%s)", [list(ids)])
        return self._delete({id: one for id, one in old.items() if is_within(within, one.facts)})

    def delete_matching(self, passing: Translation) -> int:
        """Delete the documents that pass a filter, and return their number."""
        return self._delete(self._old(passing.sql, passing.arguments))

    def _delete(self, old: dict[str, _Old]) -> int:
        if old:
            self._forget(list(old.values()))
            numbers = [one.number for one in old.values()]
            self._execute("DELETE FROM @document WHERE number = ANY(%s)", [numbers])
            self._drop_pictures(list(old.values()))
            self._execute(_GONE, [*self._stamp, numbers])
            self._finish()
        return len(old)

    def rows(self, statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        found: list[tuple[Any, ...]] = self._execute(statement, arguments).fetchall()
        return found

    # What a document has

    def _old(self, which: str, arguments: Sequence[Any]) -> dict[str, _Old]:
        """The documents that there are, locked."""
        rows = self._execute(_OLD.format(which=which), arguments).fetchall()
        return {row[1]: _Old(*row) for row in rows}

    def _inserted(self, documents: Sequence[Document]) -> dict[str, int]:
        """The numbers of those of these documents that nobody else has stored meanwhile."""
        if not documents:
            return {}
        rows = self._execute(
            "SELECT nextval('@document_number') FROM generate_series(1, %s)", [len(documents)]
        )
        numbers = {
            one.id: number
            for one, (number,) in zip(documents, sorted(rows.fetchall()), strict=True)
        }
        done = self._execute(_INSERT, [*self._stamp, *_columns(documents, numbers)]).fetchall()
        return {id: numbers[id] for (id,) in done}

    def _replace(self, documents: Sequence[Document], numbers: dict[str, int]) -> None:
        if documents:
            self._execute(_REPLACE, [*self._stamp, *_columns(documents, numbers)])

    def _forget(self, old: Sequence[_Old]) -> None:
        """Delete the chunks and facts of documents, also those drafted for another model."""
        if not old:
            return
        numbers = [one.number for one in old]
        rows = self._execute(
            f"DELETE FROM @chunk_{self._live} WHERE document = ANY(%s) "  # noqa: S608 - a number
            "RETURNING document, truncated, unknown",
            [numbers],
        ).fetchall()
        self._counts.chunks -= len(rows)
        self._counts.truncated -= len({document for document, cut, _ in rows if cut})
        self._counts.unknown -= len({document for document, _, unknown in rows if unknown})
        if self._draft is not None:
            self._execute(
                f"DELETE FROM @chunk_{self._draft} WHERE document = ANY(%s)",  # noqa: S608
                [numbers],
            )
        self._delete_facts(old)
        self._counts.documents -= len(old)

    def _add_chunks(self, documents: Sequence[EmbeddedDocument], numbers: dict[str, int]) -> None:
        write_chunks(self._connection, self._tables, self._live, documents, numbers)
        self._counts.chunks += sum(len(one.chunks) for one in documents)
        self._counts.truncated += sum(one.truncated for one in documents)
        self._counts.unknown += sum(one.unknown for one in documents)

    def _keep_pictures(
        self,
        documents: Sequence[EmbeddedDocument],
        numbers: dict[str, int],
        old: Mapping[str, _Old],
    ) -> None:
        """Keep the files of pictures; of a document without a picture none is left."""
        bare = [one.document.id for one in documents if one.document.picture is None]
        self._drop_pictures([old[id] for id in bare if id in old])
        for one in documents:
            if one.files is not None:
                self._execute(
                    "INSERT INTO @picture VALUES (%s, %s, %s) ON CONFLICT (document) DO UPDATE "
                    "SET thumbnail = excluded.thumbnail, original = excluded.original",
                    [numbers[one.document.id], one.files.thumbnail, one.files.original],
                )

    def _drop_pictures(self, old: Sequence[_Old]) -> None:
        numbers = [one.number for one in old if one.picture is not None]
        if numbers:
            self._execute("DELETE FROM @picture WHERE document = ANY(%s)", [numbers])

    # Facts

    def _add_facts(self, documents: Iterable[Document], numbers: dict[str, int]) -> None:
        facts = [(numbers[one.id], fact) for one in documents for fact in facts_of(one.metadata)]
        fields = self._fields({fact.name for _, fact in facts})
        statement = "COPY @fact FROM STDIN (FORMAT BINARY)"
        with self._connection.cursor().copy(self._tables.sql(statement)) as copy:
            copy.set_types(["int4", "bytea", "int8", "text[]", "bytea"])
            for number, fact in facts:
                line = (fields[fact.name], fact.value, number, fact.given, fact.whole)
                copy.write_row(line)

    def _delete_facts(self, old: Iterable[_Old]) -> None:
        facts = [(one.number, fact) for one in old for fact in _stored_facts(one.metadata)]
        if not facts:
            return
        fields = self._fields({fact.name for _, fact in facts})
        self._execute(
            _DELETE_FACTS,
            [
                [fields[fact.name] for _, fact in facts],
                [fact.value for _, fact in facts],
                [number for number, _ in facts],
            ],
        )

    def _fields(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of fields, which are given to those that are new."""
        stored = {storable_text(name): name for name in sorted(names)}
        found = self._numbers(stored)
        new = [one for one in stored if one not in found]
        if new:
            self._execute(
                "INSERT INTO @field(name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", [new]
            )
            found |= self._numbers(new)
        return {name: found[one] for one, name in stored.items()}

    def _numbers(self, stored: Iterable[str]) -> dict[str, int]:
        names = list(stored)
        if not names:
            return {}
        rows = self._execute("SELECT name, number FROM @field WHERE name = ANY(%s)", [names])
        return dict(rows.fetchall())

    def _finish(self) -> None:
        counts, (slot, write) = self._counts, self._stamp
        changes = [counts.documents, counts.chunks, counts.truncated, counts.unknown]
        self._execute(_COUNT, [write, *changes, slot])

    def _execute(self, statement: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401 - a cursor
        cursor = self._connection.cursor(binary=True)
        return cursor.execute(self._tables.sql(statement), arguments)


def write_chunks(
    connection: Connection,
    tables: Tables,
    generation: int,
    documents: Iterable[EmbeddedDocument],
    numbers: dict[str, int],
) -> None:
    """Add the chunks of documents to a generation."""
    statement = tables.sql(
        f"COPY @chunk_{generation}(document, position, start, stop, unknown, truncated, hash, v) "
        "FROM STDIN (FORMAT BINARY)"
    )
    with connection.cursor().copy(statement) as copy:
        kinds = ["int8", "int4", "int4", "int4", "bool", "bool", "bytea", "vector"]
        copy.set_types(kinds)
        for one in documents:
            number, digest = numbers[one.document.id], one.document.content_hash
            for chunk, vector in zip(one.chunks, one.vectors, strict=True):
                place = (chunk.position, chunk.start, chunk.end, chunk.unknown)
                first = chunk.position == 0
                copy.write_row((number, *place, one.truncated, digest if first else None, vector))


def _require_within(within: Filter | None, old: Mapping[str, _Old]) -> None:
    require_within(within, {id: one.facts for id, one in old.items()})


def _columns(documents: Sequence[Document], numbers: dict[str, int]) -> list[list[Any]]:
    return [
        [numbers[one.id] for one in documents],
        [one.id for one in documents],
        [one.content_hash for one in documents],
        *_facts(documents),
        [None if one.title is None else storable_text(one.title) for one in documents],
        [storable_text(one.text) for one in documents],
    ]


def _facts(documents: Sequence[Document]) -> list[list[Any]]:
    """The metadata of documents, and the facts of their pictures."""
    facts = [one.facts for one in documents]
    return [[metadata for metadata, _ in facts], [picture for _, picture in facts]]


def _stored_facts(metadata: str) -> list[Fact]:
    return facts_of(json.loads(metadata))
