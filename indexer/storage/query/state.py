"""One state of a local collection: a snapshot of its store, with the rows and words of then."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.ann.faiss_index import Cosines, RowIds, cosines
from indexer.ann.recall import K
from indexer.documents import Chunk, Document, StoredVectors, Vector, Vectors
from indexer.engine import (
    Bag,
    Candidate,
    ChunkCosines,
    ChunkKey,
    Key,
    LexicalState,
    Sample,
    Scope,
)
from indexer.errors import Damaged, InvalidQuery
from indexer.facets import FieldCounts
from indexer.filters import Filter, Scalar
from indexer.lexical.inverted_index import Matches
from indexer.lexical.snapshot import LexicalSnapshot
from indexer.ordering import Order, Place
from indexer.parts import WHOLE, Parts
from indexer.passages import ReadPassage
from indexer.reports import FieldSummary
from indexer.storage.generation.document_rows import rows_of
from indexer.storage.generation.recall_monitor import Observation, RecallWatch
from indexer.storage.generation.row_table import RowTable
from indexer.storage.query.filter_cache import FilterCache, Selection
from indexer.storage.query.passage_cache import PassageCache, State
from indexer.storage.sqlite.records import NOBODY, StoredChunk
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.ties import first_of

FETCH_MORE: Final = 4
"""The factor by which more rows are fetched if k rows were of fewer than k documents."""

_TOKEN: Final = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shared:
    """The parts that the states of a collection share: two caches, and the watch."""

    filter_cache: FilterCache
    watch: RecallWatch
    passages: PassageCache


class LocalState:
    """See indexer.engine.EngineState."""

    def __init__(self, snapshot: Snapshot, rows: RowTable, shared: Shared) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self.words: LexicalSnapshot | None = None
        self._shared = shared
        totals = shared.filter_cache.totals(snapshot)
        self.token = str(totals.newest)
        self.counts = totals.counts
        self.has_pictures = totals.has_pictures
        self._unknown = totals.unknown
        self.identity = rows.identity
        self.is_exact = rows.compares_all
        self.is_behind = False

    @cached_property
    def lexical(self) -> LexicalState:
        """Its words, if the state was opened with them."""
        assert self.words is not None
        return LocalLexical(self.words, self.rows)

    # Documents

    def keys(self, ids: Iterable[str]) -> dict[str, Key]:
        """The keys of those of these documents that exist."""
        return {id: Key(number) for id, number in self.snapshot.numbers(ids).items()}

    def ids(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The ids of those of these documents that exist."""
        return {Key(number): id for number, id in self.snapshot.ids_of(keys).items()}

    def documents(self, keys: Iterable[Key]) -> dict[Key, Document]:
        """Those of these documents that exist."""
        found = self.snapshot.documents(keys)
        return {Key(number): document for number, document in found.items()}

    def thumbnails(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The small JPEGs of the pictures of those of these documents that have one."""
        found = self.snapshot.picture_files(keys, "thumbnail")
        return {Key(number): content for number, content in found.items()}

    def originals(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The pictures of those of these documents whose picture is kept here."""
        found = self.snapshot.picture_files(keys, "original")
        return {Key(number): content for number, content in found.items()}

    def vectors(self, keys: Iterable[Key]) -> dict[Key, StoredVectors]:
        """The chunks and vectors of those of these documents that exist."""
        chunks = self.snapshot.chunks_of(self.rows.generation, keys)
        return {
            Key(number): self._gather(list(run))
            for number, run in groupby(chunks, key=lambda chunk: chunk.document)
        }

    def _gather(self, chunks: list[StoredChunk]) -> StoredVectors:
        vectors = np.array(self.rows.vectors[self._existing([one.row for one in chunks])])
        return StoredVectors(tuple(one.chunk for one in chunks), vectors)

    def _existing(self, rows: list[int]) -> list[int]:
        """These rows; raises Damaged if one does not exist."""
        if rows and (min(rows) < 0 or max(rows) >= len(self.rows.vectors)):
            raise Damaged(
                f"a chunk is of a row among {rows[:9]} that is none: see `bearing verify`"
            )
        return rows

    def truncated(self, keys: Iterable[Key]) -> set[Key]:
        """Those of these documents whose text was truncated."""
        stored = self.snapshot.stored(self.snapshot.ids_of(keys).values())
        return {Key(one.number) for one in stored.values() if one.truncated}

    def chunks(self, keys: Iterable[Key]) -> dict[Key, list[tuple[ChunkKey, Chunk]]]:
        """The chunks, in order, of those of these documents that exist."""
        chunks = self.snapshot.chunks_of(self.rows.generation, keys)
        return {
            Key(number): [(ChunkKey(one.row), one.chunk) for one in run]
            for number, run in groupby(chunks, key=lambda chunk: chunk.document)
        }

    def unknown_chunks(self, keys: Iterable[Key]) -> set[ChunkKey]:
        """The chunks of these documents of which the model knows no word."""
        known = self._unknown
        if known is None:
            return set(map(ChunkKey, self.snapshot.unknown_rows(self.rows.generation, keys)))
        return {ChunkKey(row) for number in known.keys() & keys for row in known[number]}

    def passages(
        self, chunks: Iterable[ChunkKey], parts: Parts = WHOLE
    ) -> Mapping[ChunkKey, ReadPassage]:
        """These parts of chunks and their documents; raises Damaged if one is of none."""
        wanted, cache = set(chunks), self._shared.passages
        state = State(self.snapshot.sequence, self.rows.generation)
        found = cache.known(state, wanted, parts)
        if len(found) < len(wanted):
            read = self.snapshot.passages(state.generation, wanted - found.keys(), parts)
            cache.keep(state, read, parts)
            found |= read
        if len(found) < len(wanted):
            row = min(wanted - found.keys())
            raise Damaged(f"row {row} has no chunk or document: see `bearing verify`")
        return found  # type: ignore[return-value] # a row's number is its chunk's key

    def page(self, condition: Filter | None, after: Key, limit: int) -> list[tuple[Key, Document]]:
        """The next documents by key that pass a filter."""
        if condition is None:
            found = self.snapshot.documents_after(after, limit)
        else:
            found = list(_filtered_after(self.snapshot, condition, after, limit))
        return [(Key(number), document) for number, document in found]

    def ordered(
        self, condition: Filter | None, order: Order, after: Place | None, limit: int
    ) -> list[tuple[Key, Document]]:
        """The next documents after a place in an order that pass a filter."""
        found = self.snapshot.ordered(condition, order, after, limit)
        return [(Key(number), document) for number, document in found]

    def facets(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name, each with its most common values."""
        return self.snapshot.fields(limit, common)

    def count_values(
        self, fields: Sequence[str], scope: Scope, most: int, keys: Sequence[Key] | None = None
    ) -> tuple[FieldCounts, ...]:
        """Each of these fields with its most common values, in scope or in these documents."""
        among, rows = keys, allowed_rows(scope)
        if keys is None and rows is not None and rows is not self.rows.live:
            owners = self.rows.owners[rows]
            among = np.unique(owners[owners != NOBODY]).tolist()
        return self.snapshot.count_values(fields, among, most)

    def known_fields(self, names: Collection[str]) -> set[str]:
        """Those of these metadata fields that a document has."""
        return self.snapshot.known_fields(names)

    def column(self, field: str) -> dict[str, Scalar]:
        """The value of a metadata field by document id; of a list, its smallest."""
        values = self.snapshot.column(field)
        return {id: values[number] for number, id in self.snapshot.ids() if number in values}

    def copies(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """The number of documents that repeat an earlier title and text, and some pairs of ids."""
        return self.snapshot.copies(limit)

    # Vectors

    def sample(self, count: int, seed: int) -> Sample:
        """At most ``count`` stored vectors in random order, the same for the same rows."""
        drawn = _drawn(self.rows, count, np.random.default_rng(seed))
        place = np.sort(drawn)  # read in order, which is faster on a disk
        vectors = np.array(self.rows.vectors[place])[np.searchsorted(place, drawn)]
        return Sample(vectors, self.rows.owners[drawn].astype(np.int64))

    def scan(self, rows: int) -> Iterator[Sample]:
        """All stored vectors, at most this many at a time."""
        for start in range(0, len(self.rows.owners), rows):
            part = slice(start, start + rows)
            owners, vectors = self.rows.owners[part], self.rows.vectors[part]
            owned = owners != NOBODY
            if not owned.all():
                owners, vectors = owners[owned], vectors[owned]
            yield Sample(vectors, owners.astype(np.int64))

    def scope(
        self, condition: Filter | None = None, without: Sequence[Key] = (), token: str | None = None
    ) -> Scope:
        """The documents that pass a filter, without some, and without those after a token."""
        if token is not None and not _TOKEN.fullmatch(token):
            raise InvalidQuery("the cursor is not one that an answer gave: search without one")
        last = None if token is None else int(token)
        return self._shared.filter_cache.select(self.snapshot, self.rows, condition, without, last)

    def nearest(
        self, directions: Vectors, k: int, scope: Scope, *, exact: bool
    ) -> list[list[Candidate]]:
        """The k nearest documents to each direction, with the score and row of their best chunk.

        More rows are fetched until k documents are found, since several of the best rows may be of
        one document. An approximate answer is offered to the watch, if that is free.
        """
        rows, allowed = self.rows, allowed_rows(scope)
        found: list[list[Candidate]] = [[] for _ in directions]
        seen: list[Observation] = []
        shown = None  # the query whose answer is offered
        if len(directions) and not exact and self._shared.watch.is_free:
            shown = secrets.randbelow(len(directions))
        waiting = list(range(len(directions)))
        fetch = k
        while waiting:
            nearest = rows.nearest(directions[waiting], fetch, allowed, exact=exact)
            short = []
            for index, (scores, own) in zip(waiting, nearest, strict=True):
                found[index] = self._best_documents(scores, own, k)
                if len(found[index]) < k and len(own) >= fetch:
                    short.append(index)  # otherwise these are all rows
                if index == shown and fetch >= K:
                    seen.append(Observation(rows, directions[index], allowed, scores, own, fetch))
            waiting = short
            fetch *= FETCH_MORE
        if seen:
            self._shared.watch.offer(seen)
        return found

    def _best_documents(self, scores: Cosines, nearest: RowIds, k: int) -> list[Candidate]:
        """The k best documents of these rows, (m,), best first, each by its first; ties by id.

        The rows must include every row that ties with the last.
        """
        owners = self.rows.owners[nearest].tolist()
        found = list(map(Candidate, owners, scores.tolist(), nearest.tolist()))
        if not (scores[1 : k + 1] == scores[:-1][:k]).any() and len(set(owners)) == len(owners):
            return found[:k]
        first: dict[Key, Candidate] = {}
        for one in found:
            first.setdefault(one.key, one)
        found = list(first.values())
        best = np.array([one.score for one in found])
        return [found[place] for place in first_of(list(first), best, k, self.ids)]

    def chunk_cosines(self, keys: Sequence[Key], directions: Vectors) -> ChunkCosines:
        """The cosines of all chunks of these documents."""
        owners, rows = rows_of(self.rows.spans, keys)
        own = np.tile(rows, (len(directions), 1))
        return ChunkCosines(owners, rows, cosines(directions, self.rows.vectors, own).T)

    def own_cosines(self, keys: Sequence[Sequence[Key]], directions: Vectors) -> list[ChunkCosines]:
        """Of each direction the cosines of all chunks of its own documents."""
        found = [rows_of(self.rows.spans, own) for own in keys]
        rows = np.full((len(found), max((len(own) for _, own in found), default=0)), -1)
        for line, (_, own) in zip(rows, found, strict=True):
            line[: len(own)] = own
        scores = cosines(directions, self.rows.vectors, rows)
        return [
            ChunkCosines(owners, own, line[: len(own), None])
            for (owners, own), line in zip(found, scores, strict=True)
        ]

    def chunk_vectors(self, keys: Sequence[Key]) -> Sample:
        """The vectors of all chunks of these documents."""
        owners, rows = rows_of(self.rows.spans, keys)
        return Sample(self.rows.vectors[rows], owners)

    def count_near(self, direction: Vector, least: float, scope: Scope) -> int:
        """The number of documents in scope with a chunk whose cosine is at least ``least``."""
        return self.rows.count_near(direction, least, allowed_rows(scope))


class LocalLexical:
    """See indexer.engine.LexicalState."""

    def __init__(self, words: LexicalSnapshot, rows: RowTable) -> None:
        self._words = words
        self._rows = rows

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document."""
        return self._words.index.mean_length

    def words(self, text: str) -> list[str]:
        """The words of a text in the form in which they are compared, in order."""
        return self._words.analyzer.words(text)

    def asked(self, text: str) -> Bag:
        """The words of a query; of very many, only the rarest."""
        return self._words.asked(text)

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        return self._words.worth(bag)

    def matches(self, bag: Bag) -> LocalMatches:
        """The documents that contain a word of a query."""
        return LocalMatches(self._words.matches(bag), self._rows)


class LocalMatches:
    """See indexer.engine.Matches."""

    def __init__(self, found: Matches, rows: RowTable) -> None:
        self._found = found
        self._rows = rows

    def best(self, k: int, scope: Scope) -> list[tuple[Key, float]]:
        """The k of highest score in scope, best first, ties by id."""
        numbers, scores = self._found.best(k, self._documents_of(allowed_rows(scope)))
        return list(zip(map(Key, numbers.tolist()), scores.tolist(), strict=True))

    def scores(self, keys: Sequence[Key]) -> NDArray[np.float64]:
        """(n,) the score of each of these documents; 0 for one without any of the words."""
        return self._found.scores(np.array(keys, np.int64))

    def _documents_of(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """(numbers,) bool: the documents of allowed rows; None for all documents."""
        if allowed is None or allowed is self._rows.live:
            return None
        owners = self._rows.owners[allowed]
        documents = np.zeros(int(owners.max(initial=0)) + 1, dtype=np.bool_)
        documents[owners] = True
        return documents


def allowed_rows(scope: Scope) -> NDArray[np.bool_] | None:
    """(rows,) bool: the rows of a scope made by a local state; None for all."""
    assert isinstance(scope, Selection)
    return scope.rows


def _drawn(rows: RowTable, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most ``count`` rows owned by documents, in random order."""
    total = len(rows.owners)
    if total > 4 * count:  # a permutation of all would take longer than all the rest
        drawn = rng.choice(total, size=2 * count, replace=False, shuffle=True)
        drawn = drawn[rows.owners[drawn] != NOBODY]
        if len(drawn) >= count:
            enough: NDArray[np.int64] = drawn[:count]
            return enough
    members = np.flatnonzero(rows.owners != NOBODY)
    chosen: NDArray[np.int64] = rng.permutation(members)[:count]
    return chosen


def _filtered_after(
    snapshot: Snapshot, condition: Filter, after: int, limit: int
) -> Iterator[tuple[int, Document]]:
    mask = snapshot.matching(condition, snapshot.last_number() + 1)
    numbers = np.flatnonzero(mask[after + 1 :]) + after + 1
    left = limit
    for start in range(0, len(numbers), max(limit, 100)):
        documents = snapshot.documents(numbers[start : start + max(limit, 100)].tolist())
        for number in sorted(documents)[:left]:
            yield number, documents[number]
        left -= len(documents)
        if left <= 0:
            return
