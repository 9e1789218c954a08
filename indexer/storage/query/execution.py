"""Queries on one state of a collection: directions, allowed rows, nearest documents, hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from indexer.documents import Document
from indexer.errors import Damaged
from indexer.queries import Answer, Hit, Mode, Passage, Query, ScoreBreakdown
from indexer.ranking.score_annotations import significances, with_probability
from indexer.ranking.significance import Background
from indexer.storage.ann.recall import K
from indexer.storage.generation.recall_monitor import Observation, RecallWatch
from indexer.storage.generation.row_table import RowTable
from indexer.storage.lexical.snapshot import LexicalSnapshot
from indexer.storage.query.by_example import best_by_example
from indexer.storage.query.filter_cache import FilterCache
from indexer.storage.query.groups import Group, groups_of
from indexer.storage.query.hybrid import Candidate, by_both, by_words
from indexer.storage.query.matched_terms import matching_terms
from indexer.storage.query.ordering import best_documents
from indexer.storage.sqlite.records import StoredChunk
from indexer.storage.sqlite.snapshot import Snapshot

FETCH_MORE: Final = 4
"""How many times as many rows are fetched where k rows were of fewer than k documents."""


def answer_queries(
    snapshot: Snapshot,
    rows: RowTable,
    filter_cache: FilterCache,
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
    chunks = filter_cache.totals(snapshot).chunks
    for group in groups_of(snapshot, rows, filter_cache, queries):
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
    rows: RowTable,
    words: LexicalSnapshot | None,
    group: Group,
    seen: list[Observation],
) -> list[list[Candidate]]:
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


def _by_meaning(nearest: Sequence[tuple[float, int]]) -> list[Candidate]:
    found = []
    for rank, (score, row) in enumerate(nearest, start=1):
        cosine = score if score >= -1.0 else None  # by the best example, it may be less
        found.append(Candidate(row, score, ScoreBreakdown(dense=cosine, dense_rank=rank)))
    return found


def _nearest_documents(
    snapshot: Snapshot, rows: RowTable, group: Group, seen: list[Observation]
) -> list[list[tuple[float, int]]]:
    """For each query its k best documents, as the score and row of their best chunk; ties by id.

    Fetches on until k are found, since several of the best rows may be of one document. What an
    index may have answered is added to what was ``exclusions``.
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
    group: Group, found: list[list[Candidate]], background: Background | None, chunks: int
) -> Iterable[Sequence[float | None]]:
    """The significance of what was found for each query; of none if it has no one direction."""
    if background is None or not len(group.vectors):
        return [[None] * len(own) for own in found]
    cosines = [[one.scores.dense for one in own] for own in found]
    return significances(background, group.vectors, cosines, chunks)


def _hits(
    snapshot: Snapshot,
    rows: RowTable,
    found: Sequence[Sequence[Candidate]],
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


def _hit(chunk: StoredChunk, document: Document, found: Candidate, rarity: float | None) -> Hit:
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


def _total(rows: RowTable, group: Group, index: int) -> int | None:
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
    given = group.queries[index].exclusions
    return rows.count_near(group.vectors[index], least, group.allowed) + (
        len(given.numbers) if given else 0
    )
