"""One machine's collection: store, vector file and nearest rows, kept in step.

A write appends vectors and makes them durable, then commits the store's transaction that makes
their rows exist. A search works in one read transaction of the store, with the rows in memory
brought to exactly that state first; so it sees one state throughout, also while another thread
or another process writes, and never waits for them.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from indexer.collection import Description, StoredVectors
from indexer.documents import (
    Answer,
    Change,
    Document,
    EmbeddedDocument,
    Hit,
    Mode,
    Page,
    Passage,
    Query,
    Vector,
    Vectors,
    check_unit,
    encode_metadata,
    normalise,
)
from indexer.embedding.embedder import Identity
from indexer.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidQuery,
    InvalidVector,
    NotFound,
    StorageFailed,
)
from indexer.filters import Filter
from indexer.ranking.probability import softmax
from indexer.storage.lock import WriterLock
from indexer.storage.nearest import exact_search
from indexer.storage.store import (
    Block,
    Snapshot,
    Store,
    StoredChunk,
    StoredDocument,
    Transaction,
)
from indexer.storage.vectors import BLOCK_ROWS, VectorFile, extend_checksum

_STORE: Final = "store.sqlite"
_LOCK: Final = "writer.lock"
_NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a generation as of one sequence, in memory; never changed, only replaced."""

    sequence: int
    generation: int
    owners: NDArray[np.int32]  # (rows,)
    vectors: Vectors  # (rows, d), memory-mapped
    live: NDArray[np.bool_] | None  # (rows,), None if all are

    @property
    def last_number(self) -> int:
        return int(self.owners.max(initial=_NOBODY))


@dataclass(frozen=True, slots=True)
class _Search:
    """Queries that may return the same rows, so that one pass answers them."""

    places: list[int]
    queries: list[Query]
    vectors: Vectors
    allowed: NDArray[np.bool_] | None


class LocalCollection:
    """A folder on this machine's disk; an implementation of indexer.collection.Collection."""

    def __init__(self, folder: Path) -> None:
        """Open a collection that exists; raises NotFound or Damaged."""
        if not (folder / _STORE).is_file():
            raise NotFound(f"there is no collection in {folder}")
        self._folder = folder
        self._store = Store(folder / _STORE)
        self._lock = WriterLock(folder / _LOCK, folder.name)
        self._transactions = threading.Lock()
        self._following = threading.Lock()
        with self._store.reading() as snapshot:
            self._identity = snapshot.identity()
            self._rows = self._load(snapshot, None)

    @classmethod
    def create(cls, folder: Path, identity: Identity) -> Self:
        """Make and open an empty collection, durably; raises AlreadyExists."""
        if folder.exists():
            raise AlreadyExists(f"collection {folder.name!r} is there already")
        draft = folder.parent / f".{folder.name}.{os.getpid()}.{threading.get_ident()}.new"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            (draft / "generations" / "1").mkdir(parents=True)
            (draft / "generations" / "1" / "vectors.f32").touch()
            Store.create(draft / _STORE, identity)
            for path in (draft / "generations" / "1", draft / "generations", draft):
                _sync(path)
            draft.rename(folder)
            _sync(folder.parent)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if folder.exists():
                raise AlreadyExists(f"collection {folder.name!r} is there already") from error
            raise StorageFailed(f"cannot create {folder}: {error.strerror}") from error
        return cls(folder)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._folder.name

    @property
    def identity(self) -> Identity:
        """The model that filled it."""
        return self._identity

    def describe(self) -> Description:
        """Counts, sizes and how it searches."""
        with self._store.reading() as snapshot:
            counts = snapshot.counts()
        return Description(
            name=self.name,
            model=self._identity.name,
            dimension=self._identity.dimension,
            documents=counts.documents,
            chunks=counts.chunks,
            bytes=sum(f.stat().st_size for f in self._folder.rglob("*") if f.is_file()),
            truncated=counts.truncated,
            index={"kind": "exact", "recall": 1.0},
        )

    @contextmanager
    def writing(self, purpose: str = "write") -> Iterator[None]:
        """Hold the right to write; see the Protocol."""
        with self._lock.held(purpose):
            yield

    def close(self) -> None:
        """Close the store; searches under way finish first."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Writing

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """What storing each of these documents would change."""
        with self._store.reading() as snapshot:
            stored = snapshot.stored(document.id for document in documents)
        return [_change(document, stored.get(document.id)) for document in documents]

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add or replace documents in one transaction; see the Protocol."""
        latest = list({one.document.id: one for one in documents}.values())
        if not latest:
            return
        vectors = self._checked(latest)
        with self._transaction() as transaction:
            generation = transaction.generation()
            self._file(generation.number).append(generation.rows, vectors)
            _Writer(transaction, generation.number, generation.rows).put(latest, vectors)

    def amend(self, documents: Sequence[Document]) -> None:
        """Replace metadata only; raises InvalidInput for a document whose content differs."""
        latest = {document.id: document for document in documents}
        with self._transaction() as transaction:
            stored = transaction.stored(latest)
            for document in latest.values():
                old = stored.get(document.id)
                if _change(document, old) in (Change.NEW, Change.CONTENT):
                    raise InvalidInput(f"document {document.id!r} is not stored with this content")
                assert old is not None
                transaction.amend(old, document.metadata)
            generation = transaction.generation()
            transaction.advance(generation.number, generation.rows)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents by id; how many there were."""
        with self._transaction() as transaction:
            stored = list(transaction.stored(ids).values())
            return self._remove(transaction, stored)

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter; how many did."""
        with self._transaction() as transaction:
            mask = transaction.matching(condition, transaction.last_number() + 1)
            numbers = np.flatnonzero(mask).tolist()
            ids = [document.id for document in transaction.documents(numbers).values()]
            return self._remove(transaction, list(transaction.stored(ids).values()))

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._lock.held("write"), self._transactions, self._store.writing() as transaction:
            yield transaction

    def _checked(self, documents: Sequence[EmbeddedDocument]) -> Vectors:
        """All vectors of these documents in one array, fit to be stored."""
        for one in documents:
            if one.vectors.ndim != 2 or one.vectors.shape[1] != self._identity.dimension:
                raise InvalidVector(
                    f"the vectors of {one.document.id!r} have shape {one.vectors.shape}; "
                    f"the collection's have {self._identity.dimension} components"
                )
        vectors = np.concatenate([one.vectors for one in documents]).astype(np.float32)
        check_unit(vectors, [one.document.id for one in documents for _ in one.chunks])
        return vectors

    def _remove(self, transaction: Transaction, stored: list[StoredDocument]) -> int:
        if stored:
            generation = transaction.generation()
            _Writer(transaction, generation.number, generation.rows).remove(stored)
        return len(stored)

    def _file(self, generation: int) -> VectorFile:
        path = self._folder / "generations" / str(generation) / "vectors.f32"
        return VectorFile(path, self._identity.dimension)

    # Reading

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of these ids, None where there is none."""
        with self._store.reading() as snapshot:
            stored = snapshot.stored(ids)
            documents = snapshot.documents(old.number for old in stored.values())
        return [documents[stored[id].number] if id in stored else None for id in ids]

    def page(
        self, condition: Filter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """The next documents that pass a filter, in the order they first came."""
        after = _parse_cursor(cursor)
        with self._store.reading() as snapshot:
            if condition is None:
                found = snapshot.documents_after(after, limit + 1)
            else:
                found = list(_filtered_after(snapshot, condition, after, limit + 1))
        more = len(found) > limit
        page = found[:limit]
        return Page(
            tuple(document for _, document in page), str(page[-1][0]) if more and page else None
        )

    def vectors(self, ids: Sequence[str]) -> list[StoredVectors | None]:
        """The stored vectors of these documents, None where there is none."""
        with self._state() as (snapshot, rows):
            found = _vectors_of(snapshot, rows, ids)
        return [found.get(id) for id in ids]

    def sample(self, count: int, seed: int = 0) -> Vectors:
        """At most ``count`` stored vectors, drawn without replacement."""
        with self._state() as (_, rows):
            members = np.flatnonzero(rows.owners != _NOBODY)
            chosen = np.random.default_rng(seed).permutation(len(members))[:count]
            drawn: Vectors = np.array(rows.vectors[np.sort(members[chosen])])
            return drawn

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The k best documents of each query; see the Protocol."""
        with self._state() as (snapshot, rows):
            answers: list[Answer | None] = [None] * len(queries)
            for group in self._plan(snapshot, rows, queries):
                found = _nearest_documents(rows, group)
                hits = _hits(snapshot, rows, found)
                for place, query, own in zip(group.places, group.queries, hits, strict=True):
                    answers[place] = Answer(_finish(query, own), query.mode, exact=True)
            return [answer for answer in answers if answer is not None]

    def _plan(self, snapshot: Snapshot, rows: _Rows, queries: Sequence[Query]) -> Iterator[_Search]:
        """Queries by the rows that they may return."""
        order = sorted(range(len(queries)), key=lambda i: repr(_restriction(queries[i])))
        for _, run in groupby(order, key=lambda i: _restriction(queries[i])):
            places = list(run)
            group = [queries[place] for place in places]
            vectors = np.stack([self._vector(snapshot, rows, query) for query in group])
            yield _Search(places, group, vectors, _allowed(snapshot, rows, group[0]))

    def _vector(self, snapshot: Snapshot, rows: _Rows, query: Query) -> Vector:
        """The direction of a query, (d,) float32 of unit length."""
        if query.mode is not Mode.DENSE:
            raise InvalidQuery(f"mode {query.mode} is not offered by this collection: use dense")
        if query.vector is not None:
            given = np.asarray(query.vector)
            if given.shape != (self._identity.dimension,):
                raise InvalidVector(
                    f"the query's vector has {given.size} components; "
                    f"the collection's have {self._identity.dimension}"
                )
            unit: Vector = normalise(given[None, :], "query vector")[0]
            return unit
        if query.text is not None:
            raise InvalidQuery("a text query needs its vector beside it: use indexer.search")
        return _mean_of_examples(snapshot, rows, query)

    @contextmanager
    def _state(self) -> Iterator[tuple[Snapshot, _Rows]]:
        """A state of the store, and the rows in memory of exactly that state."""
        while True:
            with self._store.reading() as snapshot:
                rows = self._follow(snapshot)
                if rows is not None:
                    yield snapshot, rows
                    return

    def _follow(self, snapshot: Snapshot) -> _Rows | None:
        """The rows of a snapshot; None if another thread has gone on to a newer one."""
        rows = self._rows
        if rows.sequence == snapshot.sequence:
            return rows
        with self._following:
            rows = self._rows
            if rows.sequence < snapshot.sequence:
                rows = self._rows = self._load(snapshot, rows)
            return rows if rows.sequence == snapshot.sequence else None

    def _load(self, snapshot: Snapshot, known: _Rows | None) -> _Rows:
        """The rows of a snapshot: those known, with the blocks that changed since."""
        generation = snapshot.generation()
        if known is not None and known.generation != generation.number:
            known = None
        owners = np.full(generation.rows, _NOBODY, dtype=np.int32)
        if known is not None:
            owners[: len(known.owners)] = known.owners
        for block in snapshot.blocks(generation.number, known.sequence if known else -1):
            start = block.number * BLOCK_ROWS
            owners[start : start + len(block.owners)] = block.owners
        owners.flags.writeable = False
        live = owners != _NOBODY
        return _Rows(
            snapshot.sequence,
            generation.number,
            owners,
            self._file(generation.number).view(generation.rows),
            None if live.all() else live,
        )


class _Writer:
    """One write transaction on the rows of a generation."""

    def __init__(self, transaction: Transaction, generation: int, rows: int) -> None:
        self._transaction = transaction
        self._generation = generation
        self._rows = rows

    def put(self, documents: Sequence[EmbeddedDocument], vectors: Vectors) -> None:
        stored = self._transaction.stored(one.document.id for one in documents)
        self._transaction.advance(self._generation, self._rows + len(vectors))
        self._free(stored.values())
        chunks: list[StoredChunk] = []
        for one in documents:
            number = self._record(one, stored.get(one.document.id))
            first = self._rows + len(chunks)
            chunks += [StoredChunk(first + i, number, c) for i, c in enumerate(one.chunks)]
        self._transaction.add_chunks(self._generation, chunks)
        self._append(np.array([chunk.document for chunk in chunks], dtype=np.int32), vectors)
        self._transaction.count(len(documents) - len(stored), len(chunks))

    def remove(self, stored: Sequence[StoredDocument]) -> None:
        self._transaction.advance(self._generation, self._rows)
        self._free(stored)
        for old in stored:
            self._transaction.remove(old)
        truncated = sum(old.truncated for old in stored)
        self._transaction.count(documents=-len(stored), truncated=-truncated)

    def _record(self, one: EmbeddedDocument, old: StoredDocument | None) -> int:
        before = old is not None and old.truncated
        self._transaction.count(truncated=int(one.truncated) - int(before))
        if old is None:
            return self._transaction.insert(one.document, one.truncated)
        self._transaction.replace(old, one.document, one.truncated)
        return old.number

    def _free(self, stored: Iterable[StoredDocument]) -> None:
        """Take the rows of documents away from them."""
        numbers = [old.number for old in stored]
        if not numbers:
            return
        chunks = self._transaction.chunks_of(self._generation, numbers)
        rows = np.sort(np.array([chunk.row for chunk in chunks], dtype=np.int64))
        for number, run in groupby(rows.tolist(), key=lambda row: row // BLOCK_ROWS):
            block = self._transaction.block(self._generation, number)
            assert block is not None
            owners = block.owners.copy()
            owners[[row % BLOCK_ROWS for row in run]] = _NOBODY
            self._transaction.write_block(self._generation, replace(block, owners=owners))
        self._transaction.drop_chunks(numbers)
        self._transaction.count(chunks=-len(chunks))

    def _append(self, owners: NDArray[np.int32], vectors: Vectors) -> None:
        """Add rows to the last block and begin new ones."""
        done = 0
        while done < len(owners):
            number, offset = divmod(self._rows + done, BLOCK_ROWS)
            block = self._transaction.block(self._generation, number) if offset else None
            if block is None:
                block = Block(number, 0, np.empty(0, dtype=np.int32))
            part = slice(done, done + BLOCK_ROWS - offset)
            grown = Block(
                number,
                extend_checksum(block.checksum, vectors[part]),
                np.concatenate([block.owners, owners[part]]),
            )
            self._transaction.write_block(self._generation, grown)
            done += BLOCK_ROWS - offset


def _change(document: Document, old: StoredDocument | None) -> Change:
    if old is None:
        return Change.NEW
    if old.content_hash != document.content_hash:
        return Change.CONTENT
    same = old.metadata == encode_metadata(document.metadata)
    return Change.NOTHING if same else Change.METADATA


def _parse_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInput(f"cursor {cursor[:40]!r} is not one that a page gave")
    return int(cursor)


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


def _vectors_of(snapshot: Snapshot, rows: _Rows, ids: Iterable[str]) -> dict[str, StoredVectors]:
    stored = snapshot.stored(ids)
    owners = {old.number: id for id, old in stored.items()}
    chunks = snapshot.chunks_of(rows.generation, owners)
    return {
        owners[number]: _gather(rows, list(run))
        for number, run in groupby(chunks, key=lambda chunk: chunk.document)
    }


def _gather(rows: _Rows, chunks: list[StoredChunk]) -> StoredVectors:
    vectors = np.array(rows.vectors[[chunk.row for chunk in chunks]])
    return StoredVectors(tuple(chunk.chunk for chunk in chunks), vectors)


def _mean_of_examples(snapshot: Snapshot, rows: _Rows, query: Query) -> Vector:
    """The direction from the mean of ``unlike`` (or the origin) to the mean of ``like``."""
    found = _vectors_of(snapshot, rows, (*query.like, *query.unlike))
    missing = [id for id in (*query.like, *query.unlike) if id not in found]
    if missing:
        raise NotFound(f"example {missing[0]!r} is not a document of this collection")
    total = np.zeros(rows.vectors.shape[1], dtype=np.float64)
    for sign, ids in ((1.0, query.like), (-1.0, query.unlike)):
        for id in ids:
            mean = normalise(found[id].vectors.mean(axis=0, keepdims=True), f"mean of {id!r}")[0]
            total += sign * mean / len(ids)
    unit: Vector = normalise(total[None, :], "the examples' mean")[0]
    return unit


def _restriction(query: Query) -> tuple[Filter | None, tuple[str, ...]]:
    """What decides the rows that a query may return."""
    return query.filter, (*query.like, *query.unlike)


def _allowed(snapshot: Snapshot, rows: _Rows, query: Query) -> NDArray[np.bool_] | None:
    """(rows,) bool: the rows that a query may return; None for all."""
    condition, examples = _restriction(query)
    if condition is None and not examples:
        return rows.live
    size = rows.last_number + 2  # the last entry stands for no document
    if condition is None:
        documents = np.ones(size, dtype=np.bool_)
    else:
        documents = snapshot.matching(condition, max(size, snapshot.last_number() + 2))
    documents[[old.number for old in snapshot.stored(examples).values()]] = False
    documents[_NOBODY] = False
    return documents[rows.owners]


def _nearest_documents(rows: _Rows, search: _Search) -> list[list[tuple[float, int]]]:
    """For each query its k best documents, as the score and row of their best chunk.

    Fetches on until k are found, since several of the best rows may be of one document.
    """
    found: list[list[tuple[float, int]]] = [[] for _ in search.queries]
    waiting = list(range(len(search.queries)))
    fetch = max(query.k for query in search.queries)
    while waiting:
        scores, nearest = exact_search(search.vectors[waiting], rows.vectors, fetch, search.allowed)
        for index, own_scores, own_rows in zip(waiting, scores, nearest, strict=True):
            found[index] = _group(rows, own_scores, own_rows)[: search.queries[index].k]
        if nearest.shape[1] < fetch:
            return found  # that was every row there is
        waiting = [i for i in waiting if len(found[i]) < search.queries[i].k]
        fetch *= 4
    return found


def _group(
    rows: _Rows, scores: NDArray[np.float32], nearest: NDArray[np.int64]
) -> list[tuple[float, int]]:
    """The first row of each document, best first."""
    _, first = np.unique(rows.owners[nearest], return_index=True)
    first.sort()
    return list(zip(scores[first].tolist(), nearest[first].tolist(), strict=True))


def _hits(
    snapshot: Snapshot,
    rows: _Rows,
    found: Sequence[Sequence[tuple[float, int]]],
) -> list[list[Hit]]:
    chunks = snapshot.chunks(rows.generation, {row for own in found for _, row in own})
    documents = snapshot.documents({chunk.document for chunk in chunks.values()})
    return [
        [_hit(documents[chunks[row].document], chunks[row], score) for score, row in own]
        for own in found
    ]


def _hit(document: Document, chunk: StoredChunk, score: float) -> Hit:
    start, end = chunk.chunk.start, chunk.chunk.end
    return Hit(document, score, Passage(document.text[start:end], start, end))


def _finish(query: Query, hits: list[Hit]) -> tuple[Hit, ...]:
    """Probabilities over the k hits, then the cut by score."""
    if query.temperature is not None and hits:
        shares = softmax(np.array([hit.score for hit in hits]), query.temperature)
        hits = [
            replace(hit, probability=float(share)) for hit, share in zip(hits, shares, strict=True)
        ]
    if query.min_score is None:
        return tuple(hits)
    return tuple(hit for hit in hits if hit.score >= query.min_score)


def _sync(folder: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
