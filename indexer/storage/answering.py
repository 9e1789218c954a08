"""Queries on one state of a collection: directions, allowed rows, nearest documents, hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, TypeAlias

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
    Scores,
    Strategy,
    Vector,
    Vectors,
)
from indexer.errors import Damaged, InvalidQuery, ModelChanged
from indexer.ranking.examples import mean_direction
from indexer.ranking.meaning import significances, with_probability
from indexer.ranking.significance import Background
from indexer.storage.blending import Found, by_both, by_words, depth_of
from indexer.storage.examples import Examples, best_by_example, examples_of, unit_vector
from indexer.storage.lexical.snapshot import LexicalSnapshot
from indexer.storage.matching import matching_terms
from indexer.storage.ordering import best_documents
from indexer.storage.rows import Rows
from indexer.storage.selection import Selections
from indexer.storage.store import Snapshot, StoredChunk
from indexer.storage.tuning import K
from indexer.storage.watching import Observation, RecallWatch

FETCH_MORE: Final = 4
"""How many times as many rows are fetched where k rows were of fewer than k documents."""


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that may return the same rows, so that one pass answers them.

    ``total`` is of how many documents the rows are, pages before included, none of them above
    ``last``. ``best`` are the examples of the only query, if it is ranked by the best of them.
    """

    places: list[int]
    queries: list[Query]
    vectors: Vectors
    allowed: NDArray[np.bool_] | None
    total: int
    last: int
    exact: bool
    best: Examples | None = None

    @property
    def mode(self) -> Mode:
        """How all of them are held against documents."""
        return self.queries[0].mode

    @property
    def depths(self) -> list[int]:
        """How many of the nearest documents each needs."""
        hybrid = self.mode is Mode.HYBRID
        return [depth_of(query) if hybrid else query.k for query in self.queries]


def answer_queries(
    snapshot: Snapshot,
    rows: Rows,
    selections: Selections,
    queries: Sequence[Query],
    watch: RecallWatch,
    background: Background | None = None,
    words: LexicalSnapshot | None = None,
) -> list[Answer]:
    """The k best documents of each query, in order; approximate answers are shown to the watch.

    By the background, hits by one direction get their significance. ``words`` must be given if a
    query's mode is not dense.
    """
    answers: dict[int, Answer] = {}
    seen: list[Observation] = []
    chunks = selections.totals(snapshot).chunks
    for group in _groups(snapshot, rows, selections, queries):
        found = _find(snapshot, rows, words, group, seen)
        hits = _hits(snapshot, rows, found, _rarities(group, found, background, chunks))
        if words is not None:
            hits = [
                _with_terms(words, query, own)
                for query, own in zip(group.queries, hits, strict=True)
            ]
        exact = group.exact or rows.compares_all or group.mode is Mode.LEXICAL
        for index, (place, query) in enumerate(zip(group.places, group.queries, strict=True)):
            answers[place] = Answer(
                _finish(query, hits[index]),
                query.mode,
                exact,
                total=_total(rows, group, index),
                candidates=len(hits[index]),
                last=group.last,
            )
    watch.offer(seen)
    return [answers[place] for place in range(len(queries))]


def _find(
    snapshot: Snapshot,
    rows: Rows,
    words: LexicalSnapshot | None,
    group: Group,
    seen: list[Observation],
) -> list[list[Found]]:
    """The k best documents of each query, by its mode."""
    if group.mode is Mode.DENSE:
        return [_by_meaning(own) for own in _nearest_documents(snapshot, rows, group, seen)]
    assert words is not None
    if group.mode is Mode.LEXICAL:
        return [by_words(snapshot, rows, words, one, group.allowed) for one in group.queries]
    nearest = _nearest_documents(snapshot, rows, group, seen)
    return [
        by_both(snapshot, rows, words, query, own, direction, group.allowed)
        for query, own, direction in zip(group.queries, nearest, group.vectors, strict=True)
    ]


def _with_terms(words: LexicalSnapshot, query: Query, hits: list[Hit]) -> list[Hit]:
    """The hits with the words that they share with the query, if that is to be explained."""
    if not query.explain or query.mode is Mode.DENSE:
        return hits
    bag = words.asked(query.text or "")
    return [replace(hit, terms=matching_terms(words, bag, hit.document)) for hit in hits]


def _by_meaning(nearest: Sequence[tuple[float, int]]) -> list[Found]:
    found = []
    for rank, (score, row) in enumerate(nearest, start=1):
        cosine = score if score >= -1.0 else None  # by the best example, it may be less
        found.append(Found(row, score, Scores(dense=cosine, dense_rank=rank)))
    return found


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
        ids = first.example_ids
        without = [old.number for old in snapshot.stored(ids).values()] if ids else []
        chosen = selections.select(snapshot, rows, first.filter, without, first.seen)
        last = first.seen.last if first.seen else selections.totals(snapshot).newest
        if _is_by_best(first):
            vectors, best = np.empty((0, 0), np.float32), _examples(snapshot, rows, first)
        elif first.mode is Mode.LEXICAL:
            vectors, best = np.empty((0, 0), np.float32), None
        else:
            vectors = np.stack([_direction(snapshot, rows, query) for query in group])
            best = None
        yield Group(places, group, vectors, chosen.rows, chosen.total, last, first.exact, best)


_Restriction: TypeAlias = tuple[str, str, tuple[str, ...], bool, tuple[int, ...], int]


def _restriction(query: Query) -> _Restriction:
    """What decides the rows that a query may return, and how they are found.

    A filter is told by its text: as values, 1 and true are equal in Python, but not to a filter.
    """
    if query.cursor is not None and query.seen is None:
        raise InvalidQuery("a cursor needs what it stands for beside it: use indexer.search")
    seen = (query.seen.last, *query.seen.numbers) if query.seen else ()
    alone = id(query) if _is_by_best(query) else 0
    return query.mode, repr(query.filter), query.example_ids, query.exact, seen, alone


def _is_by_best(query: Query) -> bool:
    return bool(query.examples) and query.strategy is Strategy.BEST


def _direction(snapshot: Snapshot, rows: Rows, query: Query) -> Vector:
    """The direction of a query, (d,) float32 of unit length."""
    if query.vector is not None:
        check_model(rows, query.model, "the query's vector")
        return unit_vector(query.vector, rows.vectors.shape[1], "the query's vector")
    if query.text is not None:
        raise InvalidQuery("a text query needs its vector beside it: use indexer.search")
    examples = _examples(snapshot, rows, query)
    return mean_direction(examples.liked, examples.unliked)


def check_model(rows: Rows, model: str | None, what: str) -> None:
    """Raise ModelChanged unless what a model computed is of the collection's model."""
    if model is not None and not rows.identity.made(model):
        raise ModelChanged(
            f"{what} is of another model than {rows.identity.name!r}, "
            "which the collection has gone over to: embed it again"
        )


def _examples(snapshot: Snapshot, rows: Rows, query: Query) -> Examples:
    """The directions of a query's examples."""
    check_model(rows, query.model, "an example's vector")
    stored = vectors_of(snapshot, rows, query.example_ids)
    return examples_of(stored, rows.vectors.shape[1], query.like, query.unlike)


def _nearest_documents(
    snapshot: Snapshot, rows: Rows, group: Group, seen: list[Observation]
) -> list[list[tuple[float, int]]]:
    """For each query its k best documents, as the score and row of their best chunk; ties by id.

    Fetches on until k are found, since several of the best rows may be of one document. What an
    index may have answered is added to what was ``seen``.
    """
    if group.best is not None:
        k = group.queries[0].k
        return [best_by_example(snapshot, rows, group.best, k, group.allowed, exact=group.exact)]
    found: list[list[tuple[float, int]]] = [[] for _ in group.queries]
    waiting = list(range(len(group.queries)))
    depths = group.depths
    fetch = max(depths)
    while waiting:
        nearest = rows.nearest(group.vectors[waiting], fetch, group.allowed, exact=group.exact)
        short = []
        for index, (scores, own) in zip(waiting, nearest, strict=True):
            found[index] = best_documents(snapshot, rows, scores, own, depths[index])
            if len(found[index]) < depths[index] and len(own) >= fetch:
                short.append(index)  # else those were all rows there are
            if not group.exact and fetch >= K:
                vector = group.vectors[index]
                seen.append(Observation(rows, vector, group.allowed, scores, own))
        waiting = short
        fetch *= FETCH_MORE
    return found


def _rarities(
    group: Group, found: list[list[Found]], background: Background | None, chunks: int
) -> Iterable[Sequence[float | None]]:
    """The significance of what was found for each query; of none if it has no one direction."""
    if background is None or not len(group.vectors):
        return [[None] * len(own) for own in found]
    cosines = [[one.scores.dense for one in own] for own in found]
    return significances(background, group.vectors, cosines, chunks)


def _hits(
    snapshot: Snapshot,
    rows: Rows,
    found: Sequence[Sequence[Found]],
    rarities: Iterable[Sequence[float | None]],
) -> list[list[Hit]]:
    passages = snapshot.passages(rows.generation, {one.row for own in found for one in own})
    try:
        return [
            [
                _hit(*passages[one.row], one, rarity)
                for one, rarity in zip(own, own_rarities, strict=True)
            ]
            for own, own_rarities in zip(found, rarities, strict=True)
        ]
    except KeyError as error:
        raise Damaged(f"row {error} is of no chunk or document: see `bearing verify`") from error


def _hit(chunk: StoredChunk, document: Document, found: Found, rarity: float | None) -> Hit:
    start, end = chunk.chunk.start, chunk.chunk.end
    passage = Passage(document.text[start:end], start, end)
    return Hit(
        document,
        found.score,
        passage,
        scores=found.scores,
        number=chunk.document,
        significance=rarity,
    )


def _finish(query: Query, hits: list[Hit]) -> tuple[Hit, ...]:
    """Probabilities over the k hits, then the cut by score."""
    if query.temperature is not None and hits:
        hits = with_probability(hits, query.temperature)
    if query.min_score is None:
        return tuple(hits)
    return tuple(hit for hit in hits if hit.score >= query.min_score)


def _total(rows: Rows, group: Group, index: int) -> int | None:
    """How many documents could be hits of one of these queries; None if that is not known."""
    least = group.queries[index].min_score
    if group.mode is Mode.LEXICAL:
        return None  # it is not known how many hold a word
    if least is None:
        return group.total
    if group.mode is Mode.HYBRID:
        return None
    if group.best is not None or not (group.exact or rows.compares_all):
        return None
    given = group.queries[index].seen
    return rows.count_near(group.vectors[index], least, group.allowed) + (
        len(given.numbers) if given else 0
    )


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
