"""One state of a collection in memory: never changed once it is made."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from operator import gt, lt

import numpy as np
from numpy.typing import NDArray

from indexer.analysis.field_summaries import least_of, summarise
from indexer.documents import (
    Chunk,
    Document,
    StoredVectors,
    Vector,
    Vectors,
)
from indexer.embedding.embedder import Identity
from indexer.engine import (
    Candidate,
    ChunkCosines,
    ChunkKey,
    Counts,
    Key,
    Sample,
    Scope,
)
from indexer.errors import Damaged, InvalidQuery
from indexer.facets import FieldCounts, count_fields
from indexer.filters import Filter, Scalar, matches
from indexer.lexical.analyzer import Analyzer
from indexer.memory.lexical import MemoryLexical, Postings, Words
from indexer.memory.scope import MemoryScope, scope_of
from indexer.ordering import Order, Place
from indexer.parts import WHOLE, Parts
from indexer.passages import ReadPassage
from indexer.pictures import PictureFiles
from indexer.reports import FieldSummary

_POSITIONS = 1 << 24
"""More chunks than any document has. The key of a chunk is its document's key times this, plus
its position.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored document."""

    key: Key
    document: Document
    chunks: tuple[Chunk, ...]
    vectors: Vectors
    truncated: bool
    words: Words
    files: PictureFiles | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """All chunks, (m,), by document: vectors (m, d), and the index of each document's first."""

    keys: NDArray[np.int64]
    firsts: NDArray[np.int64]
    vectors: Vectors
    ranks: NDArray[np.int64]
    """(n,) the rank of each document's id among all ids."""


class MemoryState:
    """See indexer.engine.EngineState."""

    is_exact = True
    is_behind = False

    def __init__(
        self,
        identity: Identity,
        analyzer: Analyzer,
        records: Mapping[Key, Record],
        postings: Postings,
        newest: Key,
    ) -> None:
        """``records`` are in the order of their keys, which are at most ``newest``."""
        self.identity = identity
        self.analyzer = analyzer
        self.records = records
        self.postings = postings
        self.newest = newest

    @property
    def token(self) -> str:
        """The newest key that was assigned."""
        return str(self.newest)

    @cached_property
    def by_id(self) -> Mapping[str, Record]:
        """The documents by id."""
        return {one.document.id: one for one in self.records.values()}

    @cached_property
    def counts(self) -> Counts:
        """The numbers of documents, chunks and truncated documents."""
        records = self.records.values()
        return Counts(
            len(records),
            sum(len(one.chunks) for one in records),
            sum(one.truncated for one in records),
            sum(any(chunk.unknown for chunk in one.chunks) for one in records),
        )

    @cached_property
    def has_pictures(self) -> bool:
        """Return whether a document has a picture."""
        return any(one.document.picture is not None for one in self.records.values())

    @cached_property
    def lexical(self) -> MemoryLexical:
        """The words of this state."""
        ids = {key: one.document.id for key, one in self.records.items()}
        return MemoryLexical(self.analyzer, self.postings, ids)

    @cached_property
    def _table(self) -> _Table:
        records = list(self.records.values())
        counts = np.array([len(one.chunks) for one in records], dtype=np.int64)
        ids = sorted(range(len(records)), key=lambda place: records[place].document.id)
        ranks = np.empty(len(records), dtype=np.int64)
        ranks[ids] = np.arange(len(records))
        none = np.empty((0, self.identity.dimension), np.float32)
        return _Table(
            np.array([one.key for one in records], dtype=np.int64),
            np.cumsum(counts) - counts,
            np.concatenate([none, *(one.vectors for one in records)]),
            ranks,
        )

    # Documents

    def keys(self, ids: Iterable[str]) -> dict[str, Key]:
        """The keys of those of these documents that exist."""
        return {id: self.by_id[id].key for id in ids if id in self.by_id}

    def ids(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The ids of those of these documents that exist."""
        return {one.key: one.document.id for one in self._some(keys)}

    def documents(self, keys: Iterable[Key]) -> dict[Key, Document]:
        """Those of these documents that exist."""
        return {one.key: one.document for one in self._some(keys)}

    def thumbnails(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The small JPEGs of the pictures of those of these documents that have one."""
        return {one.key: one.files.thumbnail for one in self._some(keys) if one.files}

    def originals(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The pictures of those of these documents whose picture is kept here."""
        pictured = ((one.key, one.files) for one in self._some(keys) if one.files)
        return {key: one.original for key, one in pictured if one.original is not None}

    def vectors(self, keys: Iterable[Key]) -> dict[Key, StoredVectors]:
        """The chunks and vectors of those of these documents that exist."""
        return {one.key: StoredVectors(one.chunks, one.vectors.copy()) for one in self._some(keys)}

    def truncated(self, keys: Iterable[Key]) -> set[Key]:
        """Those of these documents whose text was truncated."""
        return {one.key for one in self._some(keys) if one.truncated}

    def chunks(self, keys: Iterable[Key]) -> dict[Key, list[tuple[ChunkKey, Chunk]]]:
        """The chunks, in order, of those of these documents that exist."""
        return {
            one.key: [(_chunk_key(one.key, i), chunk) for i, chunk in enumerate(one.chunks)]
            for one in self._some(keys)
        }

    def unknown_chunks(self, keys: Iterable[Key]) -> set[ChunkKey]:
        """The chunks of these documents of which the model knows no word."""
        chunks = self.chunks(keys)
        return {key for own in chunks.values() for key, chunk in own if chunk.unknown}

    def passages(
        self, chunks: Iterable[ChunkKey], parts: Parts = WHOLE
    ) -> dict[ChunkKey, ReadPassage]:
        """These parts of chunks and their documents; raises Damaged if one is of none."""
        found = {}
        for chunk in chunks:
            key, position = divmod(chunk, _POSITIONS)
            record = self.records.get(Key(key))
            if record is None or position >= len(record.chunks):
                raise Damaged(f"chunk {chunk} belongs to no document")
            found[chunk] = ReadPassage.of(record.chunks[position], record.document, parts)
        return found

    def _some(self, keys: Iterable[Key]) -> list[Record]:
        return [self.records[key] for key in dict.fromkeys(keys) if key in self.records]

    def page(self, condition: Filter | None, after: Key, limit: int) -> list[tuple[Key, Document]]:
        """The next documents by key that pass a filter."""
        later = (one for key, one in self.records.items() if key > after)
        passing = (one for one in later if passes(one, condition))
        return [(one.key, one.document) for one in islice(passing, limit)]

    def ordered(
        self, condition: Filter | None, order: Order, after: Place | None, limit: int
    ) -> list[tuple[Key, Document]]:
        """The next documents after a place in an order that pass a filter."""
        placed = {
            one.key: order.sort_key(order.place_of(one.document.metadata, one.key))
            for one in self.records.values()
            if passes(one, condition)
        }
        ranked = sorted(placed, key=placed.__getitem__, reverse=order.descending)
        if after is not None:
            last, is_before = order.sort_key(after), gt if order.descending else lt
            ranked = [key for key in ranked if is_before(last, placed[key])]
        return [(key, self.records[key].document) for key in ranked[:limit]]

    def facets(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name, each with its most common values."""
        return summarise((one.document for one in self.records.values()), limit, common)

    def count_values(
        self, fields: Sequence[str], scope: Scope, most: int, keys: Sequence[Key] | None = None
    ) -> tuple[FieldCounts, ...]:
        """Each of these fields with its most common values, in scope or in these documents."""
        within = scope_of(scope)
        counted = [key for key in self.records if within.holds(key)] if keys is None else keys
        documents = (one.document.metadata for one in self._some(counted))
        return count_fields(documents, fields, most)

    def known_fields(self, names: Collection[str]) -> set[str]:
        """Those of these metadata fields that a document has."""
        left = set(names)
        for one in self.records.values():
            left.difference_update(one.document.metadata)
            if not left:
                break
        return set(names) - left

    def column(self, field: str) -> dict[str, Scalar]:
        """The value of a metadata field by document id; of a list, its smallest."""
        return {
            one.document.id: value
            for one in self.records.values()
            if field in one.document.metadata
            for value in least_of(one.document.metadata[field])
        }

    def copies(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """The number of documents that repeat an earlier title and text, and some pairs of ids."""
        groups: dict[bytes, list[str]] = {}
        for one in self.records.values():
            groups.setdefault(one.document.content_hash, []).append(one.document.id)
        several = [sorted(own) for own in groups.values() if len(own) > 1]
        largest = heapq.nsmallest(limit, several, key=lambda own: (-len(own), own[0]))
        return sum(map(len, several)) - len(several), [(own[0], own[-1]) for own in largest]

    # Vectors

    def sample(self, count: int, seed: int) -> Sample:
        """At most ``count`` stored vectors in random order."""
        whole = self._whole
        chosen = np.random.default_rng(seed).permutation(len(whole.keys))[:count]
        return Sample(whole.vectors[chosen], whole.keys[chosen])

    def scan(self, rows: int) -> Iterator[Sample]:
        """All stored vectors, at most this many at a time."""
        whole = self._whole
        for start in range(0, len(whole.keys), rows):
            part = slice(start, start + rows)
            yield Sample(whole.vectors[part], whole.keys[part])

    @property
    def _whole(self) -> Sample:
        table = self._table
        ends = np.append(table.firsts[1:], len(table.vectors))
        return Sample(table.vectors, np.repeat(table.keys, ends - table.firsts))

    def scope(
        self, condition: Filter | None = None, without: Sequence[Key] = (), token: str | None = None
    ) -> MemoryScope:
        """The documents that pass a filter, without some, and without those after a token."""
        last = self.newest if token is None else _parse_token(token)
        if condition is None and not without and last >= self.newest:
            return MemoryScope(None, len(self.records))
        hidden = frozenset(without)
        keys = frozenset(
            key
            for key, one in self.records.items()
            if key <= last and key not in hidden and passes(one, condition)
        )
        return MemoryScope(keys, len(keys))

    def nearest(
        self, directions: Vectors, k: int, scope: Scope, *, exact: bool
    ) -> list[list[Candidate]]:
        """The k nearest documents to each direction; always exact."""
        del exact
        table, within = self._table, scope_of(scope)
        if not len(table.keys):
            return [[] for _ in directions]
        shown = np.array([within.holds(Key(key)) for key in table.keys.tolist()], dtype=np.bool_)
        return [self._nearest(direction, k, shown) for direction in directions]

    def _nearest(self, direction: Vector, k: int, shown: NDArray[np.bool_]) -> list[Candidate]:
        table = self._table
        cosines = _cosines(table.vectors, direction)
        best = np.maximum.reduceat(cosines, table.firsts)
        order = np.lexsort((table.ranks, -best))
        places = order[shown[order]][:k].tolist()
        ends = [*table.firsts[1:].tolist(), len(cosines)]
        found = []
        for place in places:
            key = Key(int(table.keys[place]))
            position = int(np.argmax(cosines[table.firsts[place] : ends[place]]))
            found.append(Candidate(key, float(best[place]), _chunk_key(key, position)))
        return found

    def chunk_cosines(self, keys: Sequence[Key], directions: Vectors) -> ChunkCosines:
        """The cosines of all chunks of these documents."""
        some = self._some(keys)
        vectors = np.concatenate([directions[:0], *(one.vectors for one in some)])
        return ChunkCosines(
            np.array([one.key for one in some for _ in one.chunks], dtype=np.int64),
            np.array(
                [_chunk_key(one.key, i) for one in some for i in range(len(one.chunks))],
                dtype=np.int64,
            ),
            np.stack([_cosines(vectors, direction) for direction in directions], axis=1),
        )

    def own_cosines(self, keys: Sequence[Sequence[Key]], directions: Vectors) -> list[ChunkCosines]:
        """Of each direction the cosines of all chunks of its own documents."""
        pairs = zip(keys, directions, strict=True)
        return [self.chunk_cosines(own, direction[None]) for own, direction in pairs]

    def chunk_vectors(self, keys: Sequence[Key]) -> Sample:
        """The vectors of all chunks of these documents."""
        some = self._some(keys)
        none = np.empty((0, self.identity.dimension), np.float32)
        owners = np.array([one.key for one in some for _ in one.chunks], dtype=np.int64)
        return Sample(np.concatenate([none, *(one.vectors for one in some)]), owners)

    def count_near(self, direction: Vector, least: float, scope: Scope) -> int:
        """The number of documents in scope with a chunk whose cosine is at least ``least``."""
        every = self.nearest(direction[None], len(self.records), scope, exact=True)[0]
        return sum(one.score >= least for one in every)

    # The next state

    def changed(self, gone: Iterable[Key], new: Iterable[Record]) -> MemoryState:
        """The state without some documents and with others, which may have the same keys."""
        added = {one.key: one for one in new}
        out = {key: self.records[key].words for key in {*gone, *added} if key in self.records}
        records = dict(self.records)
        for key in out:
            if key not in added:
                del records[key]
        records |= added  # a replaced document keeps its place
        postings = self.postings.changed(out, {key: one.words for key, one in added.items()})
        newest = max([self.newest, *added])
        return MemoryState(self.identity, self.analyzer, records, postings, newest)

    def with_vectors(self, identity: Identity, records: Iterable[Record]) -> MemoryState:
        """The same documents under another model."""
        own = {one.key: one for one in records}
        ordered = {key: own[key] for key in self.records}
        return MemoryState(identity, self.analyzer, ordered, self.postings, self.newest)

    def amended(self, documents: Iterable[Document]) -> MemoryState:
        """The state with other metadata."""
        records = dict(self.records)
        for document in documents:
            old = self.by_id[document.id]
            records[old.key] = replace(old, document=document)
        return MemoryState(self.identity, self.analyzer, records, self.postings, self.newest)


def passes(record: Record, condition: Filter | None) -> bool:
    """Return whether a document passes a filter."""
    document = record.document
    pictured = document.picture is not None
    return condition is None or matches(condition, document.metadata, pictured=pictured)


def _chunk_key(key: Key, position: int) -> ChunkKey:
    return ChunkKey(key * _POSITIONS + position)


def _cosines(vectors: Vectors, direction: Vector) -> NDArray[np.float32]:
    """(n,) cosines, each row computed separately so that equal rows score equal."""
    cosines: NDArray[np.float32] = np.einsum("nd,d->n", vectors, direction).clip(-1.0, 1.0)
    return cosines


def _parse_token(token: str) -> Key:
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise InvalidQuery("the cursor is not one that an answer gave: search without one")
    return Key(int(token))
