"""One state of a collection in the database; see indexer.engine.EngineState."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from indexer.documents import (
    Chunk,
    Document,
    StoredVectors,
    Vector,
    Vectors,
)
from indexer.embedding.embedder import Identity
from indexer.engine import Candidate, ChunkCosines, ChunkKey, Counts, Key, Sample, Scope
from indexer.errors import Damaged, InvalidQuery
from indexer.facets import FieldCounts
from indexer.filters import Filter, Scalar
from indexer.lexical.snapshot import LexicalSnapshot
from indexer.ordering import Order, Place
from indexer.parts import WHOLE, Parts
from indexer.passages import ReadPassage
from indexer.postgres import field_values, nearest
from indexer.postgres.counting import count_values
from indexer.postgres.filtering import Translation
from indexer.postgres.header import Header
from indexer.postgres.lexical import PostgresLexical
from indexer.postgres.ordering import ordered_numbers
from indexer.postgres.reading import Reading
from indexer.postgres.rows import document_of, passage_columns, read_passage
from indexer.postgres.scope import KnownScopes, PostgresScope, scope_of
from indexer.reports import FieldSummary

FEW: Final = 20_000
"""So many documents in scope are named one by one, and all compared with."""

_COLUMNS: Final = "number, id, title, text, metadata::text, picture"
_CHUNKS: Final = "document, number, position, start, stop, unknown"


class PostgresState:
    """See indexer.engine.EngineState."""

    def __init__(
        self,
        reading: Reading,
        header: Header,
        identity: Identity,
        words: Callable[[Reading, Header], LexicalSnapshot],
        offer: nearest.Offer,
        scopes: KnownScopes,
    ) -> None:
        self.identity = identity
        self._reading = reading
        self._header = header
        self._words = words
        self._offer = offer
        self._scopes = scopes

    @property
    def generation(self) -> int:
        """The number of its generation."""
        return self._header.generation

    @property
    def header(self) -> Header:
        """Its generation and its counts."""
        return self._header

    @property
    def reading(self) -> Reading:
        """Questions to it."""
        return self._reading

    def rows(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return self._reading.rows(statement, arguments)

    def named(self, statement: str) -> str:
        """A statement with the names of tables in their schema."""
        return self._reading.sql(statement).strip()

    @property
    def token(self) -> str:
        """The newest key, in this state."""
        return str(self._header.newest)

    @property
    def counts(self) -> Counts:
        """The numbers of documents, chunks and truncated documents."""
        return self._header.counts

    @property
    def has_pictures(self) -> bool:
        """Return whether a document has a picture."""
        return self._header.has_pictures

    @property
    def is_exact(self) -> bool:
        """True while there is no graph."""
        return not self._header.sealed

    @property
    def is_behind(self) -> bool:
        """Return whether a standby answers, which may lack the newest writes."""
        return self._reading.connection.is_fallback

    @cached_property
    def lexical(self) -> PostgresLexical:
        """The words of this state."""
        header = self._header
        words = self._words(self._reading, header)
        return PostgresLexical(self._reading, words, header.counts.documents, header.newest)

    # Documents

    def keys(self, ids: Iterable[str]) -> dict[str, Key]:
        """The keys of those of these documents that exist."""
        asked = list(ids)
        if not asked:
            return {}
        rows = self._reading.rows("SELECT id, number FROM @document WHERE id = ANY(%s)", [asked])
        return {id: Key(number) for id, number in rows}

    def ids(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The ids of those of these documents that exist."""
        asked = list(keys)
        if not asked:
            return {}
        rows = self._reading.rows(
            "SELECT number, id FROM @document WHERE number = ANY(%s)", [asked]
        )
        return {Key(number): id for number, id in rows}

    def documents(self, keys: Iterable[Key]) -> dict[Key, Document]:
        """Those of these documents that exist."""
        asked = list(keys)
        if not asked:
            return {}
        statement = f"SELECT {_COLUMNS} FROM @document WHERE number = ANY(%s)"  # noqa: S608
        return {Key(row[0]): document_of(row[1:]) for row in self._reading.rows(statement, [asked])}

    def thumbnails(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The small JPEGs of the pictures of those of these documents that have one."""
        return self._files("thumbnail", keys)

    def originals(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The pictures of those of these documents whose picture is kept here."""
        return self._files("original", keys)

    def _files(self, kind: str, keys: Iterable[Key]) -> dict[Key, bytes]:
        rows = self._reading.rows(
            f"SELECT document, {kind} FROM @picture "  # noqa: S608 - the kinds above
            f"WHERE {kind} IS NOT NULL AND document = ANY(%s)",
            [list(keys)],
        )
        return {Key(number): bytes(content) for number, content in rows}

    def vectors(self, keys: Iterable[Key]) -> dict[Key, StoredVectors]:
        """The chunks and vectors of those of these documents that exist."""
        found: dict[Key, list[tuple[Chunk, Vector]]] = {}
        for document, _, *place, vector in self._chunks_of(keys, f"{_CHUNKS}, v"):
            found.setdefault(Key(document), []).append((Chunk(*place), vector))
        return {
            key: StoredVectors(tuple(chunk for chunk, _ in own), np.stack([one for _, one in own]))
            for key, own in found.items()
        }

    def truncated(self, keys: Iterable[Key]) -> set[Key]:
        """Those of these documents whose text was truncated."""
        statement = "SELECT DISTINCT document FROM @chunk WHERE truncated AND document = ANY(%s)"
        return {Key(number) for (number,) in self._reading.rows(statement, [list(keys)])}

    def chunks(self, keys: Iterable[Key]) -> dict[Key, list[tuple[ChunkKey, Chunk]]]:
        """The chunks, in order, of those of these documents that exist."""
        found: dict[Key, list[tuple[ChunkKey, Chunk]]] = {}
        for document, number, *place in self._chunks_of(keys, _CHUNKS):
            found.setdefault(Key(document), []).append((ChunkKey(number), Chunk(*place)))
        return found

    def unknown_chunks(self, keys: Iterable[Key]) -> set[ChunkKey]:
        """The chunks of these documents of which the model knows no word."""
        statement = "SELECT number FROM @chunk WHERE document = ANY(%s) AND unknown"
        return {ChunkKey(number) for (number,) in self._reading.rows(statement, [list(keys)])}

    def _chunks_of(self, keys: Iterable[Key], columns: str) -> list[tuple[Any, ...]]:
        asked = list(keys)
        if not asked:
            return []
        return self._reading.rows(
            f"SELECT {columns} FROM @chunk WHERE document = ANY(%s) "  # noqa: S608 - columns above
            "ORDER BY document, position",
            [asked],
        )

    def passages(
        self, chunks: Iterable[ChunkKey], parts: Parts = WHOLE
    ) -> dict[ChunkKey, ReadPassage]:
        """These parts of chunks and their documents; raises Damaged if one is of none."""
        asked = list(dict.fromkeys(chunks))
        if not asked:
            return {}
        rows = self._reading.rows(
            f"SELECT c.number, {passage_columns(parts)} "  # noqa: S608 - constants
            "FROM @chunk c JOIN @document d ON d.number = c.document WHERE c.number = ANY(%s)",
            [asked],
        )
        found = {ChunkKey(row[0]): read_passage(row[1:], parts) for row in rows}
        for chunk in asked:
            if chunk not in found:
                raise Damaged(f"chunk {chunk} belongs to no document")
        return found

    def page(self, condition: Filter | None, after: Key, limit: int) -> list[tuple[Key, Document]]:
        """The next documents by key that pass a filter."""
        passing, arguments = self._translated(condition, "number")
        rows = self._reading.rows(
            f"SELECT {_COLUMNS} FROM @document WHERE number > %s AND {passing} "  # noqa: S608
            "ORDER BY number LIMIT %s",
            [after, *arguments, limit],
        )
        return [(Key(row[0]), document_of(row[1:])) for row in rows]

    def ordered(
        self, condition: Filter | None, order: Order, after: Place | None, limit: int
    ) -> list[tuple[Key, Document]]:
        """The next documents after a place in an order that pass a filter."""
        passing = self._translated(condition, "f.document")
        numbers = ordered_numbers(self._reading, passing, order, after, limit)
        documents = self.documents(map(Key, numbers))
        return [(key, documents[key]) for key in map(Key, numbers)]

    def facets(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name, each with its most common values."""
        return field_values.summaries(self._reading, limit, common)

    def count_values(
        self, fields: Sequence[str], scope: Scope, most: int, keys: Sequence[Key] | None = None
    ) -> tuple[FieldCounts, ...]:
        """Each of these fields with its most common values, in scope or in these documents."""
        among: tuple[str, list[Any]] = scope_of(scope).sql("f.document")
        if keys is not None:
            among = "f.document = ANY(%s)", [list(keys)]
        return tuple(count_values(self._reading, field, among, most) for field in fields)

    def known_fields(self, names: Collection[str]) -> set[str]:
        """Those of these metadata fields that a document has."""
        return field_values.known(self._reading, names)

    def column(self, field: str) -> dict[str, Scalar]:
        """The value of a metadata field by document id; of a list, its smallest."""
        return field_values.column(self._reading, field)

    def copies(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """The number of documents that repeat an earlier title and text, and some pairs of ids."""
        several = (
            "SELECT count(*) AS own, min(id) AS first, max(id) AS last "
            "FROM @document GROUP BY hash HAVING count(*) > 1"
        )
        total = f"SELECT coalesce(sum(own - 1), 0)::bigint FROM ({several}) s"  # noqa: S608
        (repeated,) = self._reading.row(total)
        rows = self._reading.rows(
            f"SELECT first, last FROM ({several}) s ORDER BY own DESC, first LIMIT %s",  # noqa: S608
            [limit],
        )
        return repeated, [(first, last) for first, last in rows]

    # Vectors

    def sample(self, count: int, seed: int) -> Sample:
        """At most ``count`` stored vectors in random order."""
        rows = self._reading.rows(
            "SELECT document, v FROM @chunk c "
            "ORDER BY hashint8extended(number, %s), number LIMIT %s",
            [seed, count],
        )
        return self._sampled(rows)

    def scan(self, rows: int) -> Iterator[Sample]:
        """All stored vectors, at most this many at a time."""
        statement = "SELECT document, v FROM @chunk c ORDER BY document, position"
        for part in self._reading.stream(statement, (), rows):
            yield self._sampled(part)

    def _sampled(self, rows: Sequence[tuple[Any, ...]]) -> Sample:
        vectors = np.empty((len(rows), self.identity.dimension), np.float32)
        for place, (_, vector) in enumerate(rows):
            vectors[place] = vector
        return Sample(vectors, np.array([document for document, _ in rows], dtype=np.int64))

    def scope(
        self, condition: Filter | None = None, without: Sequence[Key] = (), token: str | None = None
    ) -> PostgresScope:
        """The documents that pass a filter, without some, and without those after a token."""
        last = self._header.newest if token is None else _parse_token(token)
        parts: list[str] = []
        arguments: list[Any] = []
        if last < self._header.newest:
            parts.append("({number} <= %s)")
            arguments.append(last)
        if without:
            parts.append("({number} <> ALL(%s))")
            arguments.append(list(without))
        holding = None
        if condition is not None:
            translation = self._translation(condition, "{number}")
            holding = None if parts else translation.holding
            parts.append(translation.sql)
            arguments += translation.arguments
        if not parts:
            return PostgresScope(self.counts.documents)
        sql, given = " AND ".join(parts), tuple(arguments)

        def count() -> PostgresScope:
            return self._counted(sql, given, condition is not None, holding)

        if len(parts) > 1 or condition is None:  # they hardly come again
            return count()
        key = sql, *(tuple(one) if isinstance(one, list) else one for one in given)
        return self._scopes.get(self._header.clock, key, count)

    def _counted(
        self, condition: str, arguments: tuple[Any, ...], filtered: bool, holding: str | None
    ) -> PostgresScope:
        passing = f"SELECT number FROM @document WHERE {condition.format(number='number')}"  # noqa: S608
        if holding is not None:  # the documents need not be looked at
            passing = f"SELECT DISTINCT document AS number FROM ({holding}) h"  # noqa: S608
        total, keys = self._reading.row(
            f"WITH p AS MATERIALIZED ({passing}) "  # noqa: S608 - conditions of ours
            "SELECT (SELECT count(*) FROM p), (SELECT string_agg(int8send(number), '') "
            f"FROM (SELECT number FROM p LIMIT {FEW + 1}) f)",
            arguments,
        )
        hidden = 0 if filtered else self.counts.documents - total
        few = None
        if total <= FEW and (filtered or hidden > total):
            few = np.frombuffer(keys or b"", ">i8").astype(np.int64)
        return PostgresScope(total, condition, arguments, few, filtered, hidden)

    def _translated(self, condition: Filter | None, number: str) -> tuple[str, list[Any]]:
        if condition is None:
            return "true", []
        translation = self._translation(condition, number)
        return translation.sql, translation.arguments

    def _translation(self, condition: Filter, number: str) -> Translation:
        fields = field_values.field_numbers(self._reading.rows, condition)
        return Translation(condition, number, fields)

    def nearest(
        self, directions: Vectors, k: int, scope: Scope, *, exact: bool
    ) -> list[list[Candidate]]:
        """The k nearest documents to each direction; their scores are exact."""
        within = scope_of(scope)
        search = nearest.Search(self._reading, self._header, within, exact=exact, offer=self._offer)
        return [
            search.nearest(direction, min(k, within.total), self.ids) for direction in directions
        ]

    def chunk_cosines(self, keys: Sequence[Key], directions: Vectors) -> ChunkCosines:
        """The cosines of all chunks of these documents."""
        columns = ", ".join([nearest.COSINE] * len(directions))
        rows = self._reading.rows(
            f"SELECT document, number, {columns} FROM @chunk c "  # noqa: S608 - constants
            "WHERE document = ANY(%s) ORDER BY document, position",
            [*directions, list(keys)],
        )
        cosines = np.array([row[2:] for row in rows], dtype=np.float32)
        return ChunkCosines(
            np.array([row[0] for row in rows], dtype=np.int64),
            np.array([row[1] for row in rows], dtype=np.int64),
            cosines.reshape(len(rows), len(directions)),
        )

    def own_cosines(self, keys: Sequence[Sequence[Key]], directions: Vectors) -> list[ChunkCosines]:
        """Of each direction the cosines of all chunks of its own documents."""
        pairs = zip(keys, directions, strict=True)
        return [self.chunk_cosines(own, direction[None]) for own, direction in pairs]

    def chunk_vectors(self, keys: Sequence[Key]) -> Sample:
        """The vectors of all chunks of these documents."""
        rows = self._chunks_of(keys, "document, v")
        none = np.empty((0, self.identity.dimension), np.float32)
        vectors = np.concatenate([none, *(vector[None] for _, vector in rows)])
        return Sample(vectors, np.array([document for document, _ in rows], dtype=np.int64))

    def count_near(self, direction: Vector, least: float, scope: Scope) -> int:
        """The number of documents in scope with a chunk whose cosine is at least ``least``."""
        condition, arguments = scope_of(scope).sql("c.document")
        (count,) = self._reading.row(
            f"SELECT count(DISTINCT document) FROM @chunk c "  # noqa: S608 - conditions of ours
            f"WHERE {condition} AND {nearest.COSINE} >= %s",
            [*arguments, direction, least],
        )
        return int(count)


def _parse_token(token: str) -> Key:
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise InvalidQuery("the cursor is not one that an answer gave: search without one")
    return Key(int(token))
