"""Queries on one state of a collection: directions, allowed rows, nearest documents, hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.collection import StoredVectors
from indexer.documents import (
    Answer,
    Document,
    Hit,
    Mode,
    Passage,
    Query,
    Vector,
    Vectors,
    normalise,
)
from indexer.errors import Damaged, InvalidQuery, InvalidVector, ModelChanged, NotFound
from indexer.similarity import softmax
from indexer.storage.rows import Rows
from indexer.storage.selection import Selections
from indexer.storage.store import Snapshot, StoredChunk
from indexer.storage.tuning import K
from indexer.storage.watching import Observation, RecallWatch

FETCH_MORE: Final = 4
"""How many times as many rows are fetched where k rows were of fewer than k documents."""


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that may return the same rows, so that one pass answers them."""

    places: list[int]
    queries: list[Query]
    vectors: Vectors
    allowed: NDArray[np.bool_] | None
    exact: bool


def answer_queries(
    snapshot: Snapshot,
    rows: Rows,
    selections: Selections,
    queries: Sequence[Query],
    watch: RecallWatch,
) -> list[Answer]:
    """The k best documents of each query, in order; approximate answers are shown to the watch."""
    answers: dict[int, Answer] = {}
    for group in _groups(snapshot, rows, selections, queries):
        hits = _hits(snapshot, rows, _nearest_documents(rows, group, watch))
        exact = group.exact or rows.index is None
        for place, query, own in zip(group.places, group.queries, hits, strict=True):
            answers[place] = Answer(_finish(query, own), query.mode, exact)
    return [answers[place] for place in range(len(queries))]


def _groups(
    snapshot: Snapshot, rows: Rows, selections: Selections, queries: Sequence[Query]
) -> Iterator[Group]:
    """Queries by the rows that they may return."""
    restrictions = [_restriction(query) for query in queries]
    order = sorted(range(len(queries)), key=restrictions.__getitem__)
    for _, run in groupby(order, key=restrictions.__getitem__):
        places = list(run)
        group = [queries[place] for place in places]
        first = group[0]
        examples = (*first.like, *first.unlike)
        vectors = np.stack([_direction(snapshot, rows, query) for query in group])
        without = [old.number for old in snapshot.stored(examples).values()] if examples else []
        allowed = selections.select(snapshot, rows, first.filter, without)
        yield Group(places, group, vectors, allowed, first.exact)


def _restriction(query: Query) -> tuple[str, tuple[str, ...], bool]:
    """What decides the rows that a query may return, and how they are found.

    A filter is told by its text: as values, 1 and true are equal in Python, but not to a filter.
    """
    return repr(query.filter), (*query.like, *query.unlike), query.exact


def _direction(snapshot: Snapshot, rows: Rows, query: Query) -> Vector:
    """The direction of a query, (d,) float32 of unit length."""
    if query.mode is not Mode.DENSE:
        raise InvalidQuery(f"mode {query.mode} is not offered by this collection: use dense")
    if query.vector is not None:
        check_model(rows, query.model, "the query's vector")
        given, dimension = np.asarray(query.vector), rows.vectors.shape[1]
        if given.shape != (dimension,):
            raise InvalidVector(
                f"the query's vector has {given.size} components; the collection's have {dimension}"
            )
        unit: Vector = normalise(given[None, :], "query vector")[0]
        return unit
    if query.text is not None:
        raise InvalidQuery("a text query needs its vector beside it: use indexer.search")
    return _mean_of_examples(snapshot, rows, query)


def check_model(rows: Rows, model: str | None, what: str) -> None:
    """Raise ModelChanged unless what a model computed is of the collection's model."""
    if model is not None and model != rows.identity.fingerprint:
        raise ModelChanged(
            f"{what} is of another model than {rows.identity.name!r}, "
            "which the collection has gone over to: embed it again"
        )


def _mean_of_examples(snapshot: Snapshot, rows: Rows, query: Query) -> Vector:
    """The direction from the mean of ``unlike`` (or the origin) to the mean of ``like``."""
    found = vectors_of(snapshot, rows, (*query.like, *query.unlike))
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


def _nearest_documents(
    rows: Rows, group: Group, watch: RecallWatch
) -> list[list[tuple[float, int]]]:
    """For each query its k best documents, as the score and row of their best chunk.

    Fetches on until k are found, since several of the best rows may be of one document.
    """
    found: list[list[tuple[float, int]]] = [[] for _ in group.queries]
    waiting = list(range(len(group.queries)))
    fetch = max(query.k for query in group.queries)
    while waiting:
        scores, nearest = rows.nearest(
            group.vectors[waiting], fetch, group.allowed, exact=group.exact
        )
        if not group.exact and fetch >= K:
            query = group.vectors[waiting[0]]
            watch.offer(Observation(rows, query, group.allowed, scores[0]))
        for index, own_scores, own_rows in zip(waiting, scores, nearest, strict=True):
            found[index] = _by_document(rows, own_scores, own_rows)[: group.queries[index].k]
        if nearest.shape[1] < fetch:
            return found  # that was every row there is
        waiting = [i for i in waiting if len(found[i]) < group.queries[i].k]
        fetch *= FETCH_MORE
    return found


def _by_document(
    rows: Rows, scores: NDArray[np.float32], nearest: NDArray[np.int64]
) -> list[tuple[float, int]]:
    """The first row of each document, best first."""
    count = int(np.count_nonzero(nearest >= 0))
    _, first = np.unique(rows.owners[nearest[:count]], return_index=True)
    first.sort()
    return list(zip(scores[first].tolist(), nearest[first].tolist(), strict=True))


def _hits(
    snapshot: Snapshot, rows: Rows, found: Sequence[Sequence[tuple[float, int]]]
) -> list[list[Hit]]:
    chunks = snapshot.chunks(rows.generation, {row for own in found for _, row in own})
    documents = snapshot.documents({chunk.document for chunk in chunks.values()})
    try:
        return [
            [_hit(documents[chunks[row].document], chunks[row], score) for score, row in own]
            for own in found
        ]
    except KeyError as error:
        raise Damaged(f"number {error} is of no chunk or document: see `bearing verify`") from error


def _hit(document: Document, chunk: StoredChunk, score: float) -> Hit:
    start, end = chunk.chunk.start, chunk.chunk.end
    return Hit(document, score, Passage(document.text[start:end], start, end))


def _finish(query: Query, hits: list[Hit]) -> tuple[Hit, ...]:
    """Probabilities over the k hits, then the cut by score."""
    if query.temperature is not None and hits:
        shares = softmax([[hit.score for hit in hits]], query.temperature)[0]
        hits = [
            replace(hit, probability=float(share)) for hit, share in zip(hits, shares, strict=True)
        ]
    if query.min_score is None:
        return tuple(hits)
    return tuple(hit for hit in hits if hit.score >= query.min_score)


def vectors_of(snapshot: Snapshot, rows: Rows, ids: Iterable[str]) -> dict[str, StoredVectors]:
    """The chunks and vectors of those of these documents that exist."""
    owners = {old.number: id for id, old in snapshot.stored(ids).items()}
    chunks = snapshot.chunks_of(rows.generation, owners)
    return {
        owners[number]: _gather(rows, list(run))
        for number, run in groupby(chunks, key=lambda chunk: chunk.document)
    }


def _gather(rows: Rows, chunks: list[StoredChunk]) -> StoredVectors:
    numbers = [chunk.row for chunk in chunks]
    if min(numbers) < 0 or max(numbers) >= len(rows.vectors):
        raise Damaged(f"a chunk is of a row among {numbers[:9]} that is none: see `bearing verify`")
    vectors = np.array(rows.vectors[numbers])
    return StoredVectors(tuple(chunk.chunk for chunk in chunks), vectors)
