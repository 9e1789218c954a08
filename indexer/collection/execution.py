"""Queries on one state of a collection: groups, candidates, fused rankings, hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from indexer.collection.by_example import best_by_example
from indexer.collection.found import Found
from indexer.collection.groups import Group, groups_of
from indexer.collection.hybrid import by_both, by_words, depth_of
from indexer.collection.matched_terms import matching_terms
from indexer.collection.unknown_texts import known_first
from indexer.documents import Chunk, Document
from indexer.engine import Candidate, EngineState
from indexer.filters import fields_of
from indexer.queries import Answer, Hit, Mode, Passage, Query, ScoreBreakdown
from indexer.ranking.score_annotations import significances, with_probability
from indexer.ranking.significance import Background


def answer_queries(
    state: EngineState, queries: Sequence[Query], background: Background | None = None
) -> list[Answer]:
    """The k best documents of each query, in order.

    With a background, hits of a query with one direction get their significance.
    """
    answers: dict[int, Answer] = {}
    for group in groups_of(state, queries):
        found = _find(state, group)
        rarities = _rarities(state, group, found, background)
        passages = state.passages([one.chunk for own in found for one in own])
        exact = group.exact or state.is_exact or group.mode is Mode.LEXICAL
        for index, (place, query) in enumerate(zip(group.places, group.queries, strict=True)):
            hits = [
                _hit(one, *passages[one.chunk], rarity)
                for one, rarity in zip(found[index], rarities[index], strict=True)
            ]
            answers[place] = Answer(
                _finish(state, query, hits),
                query.mode,
                exact,
                total=_total(state, group, index),
                candidates=len(hits),
                unknown_fields=unknown_fields(state, query),
                token=query.exclusions.token if query.exclusions else state.token,
            )
    return [answers[place] for place in range(len(queries))]


def unknown_fields(state: EngineState, query: Query) -> tuple[str, ...]:
    """The fields that a query filters or groups by and no document has; none if there is none."""
    named = fields_of(query.filter) | ({query.group_by} if query.group_by is not None else set())
    if not named or not state.counts.documents:
        return ()
    return tuple(sorted(named - state.known_fields(named)))


def _find(state: EngineState, group: Group) -> list[list[Found]]:
    """The k best documents of each query, found by its mode."""
    if group.mode is Mode.LEXICAL:
        return [by_words(state, query, group.scope) for query in group.queries]
    if group.best is not None:
        k = group.queries[0].k
        best = best_by_example(state, group.best, k, group.scope, exact=group.exact)
        return [_by_meaning(best)]
    hybrid = group.mode is Mode.HYBRID
    depths = [depth_of(query) if hybrid else query.k for query in group.queries]
    nearest = state.nearest(group.directions, max(depths), group.scope, exact=group.exact)
    asked = zip(group.queries, group.directions, nearest, depths, strict=True)
    nearest = [
        known_first(state, group, query, direction, own[:depth], depth)
        for query, direction, own, depth in asked
    ]
    if not hybrid:
        return [_by_meaning(own) for own in nearest]
    return [
        by_both(state, query, direction, own, group.scope)
        for query, direction, own in zip(group.queries, group.directions, nearest, strict=True)
    ]


def _by_meaning(nearest: Iterable[Candidate]) -> list[Found]:
    return [  # by the best example, scores may be below any cosine
        Found(
            key,
            chunk,
            score,
            ScoreBreakdown(dense=score if score >= -1.0 else None, dense_rank=rank),
        )
        for rank, (key, score, chunk) in enumerate(nearest, start=1)
    ]


def _rarities(
    state: EngineState,
    group: Group,
    found: Sequence[Sequence[Found]],
    background: Background | None,
) -> Sequence[Sequence[float | None]]:
    """The significance of each query's documents; None for a query without a single direction."""
    if background is None or not len(group.directions):
        return [[None] * len(own) for own in found]
    cosines = [[one.scores.dense for one in own] for own in found]
    return significances(background, group.directions, cosines, state.counts.chunks)


def _hit(found: Found, chunk: Chunk, document: Document, rarity: float | None) -> Hit:
    start, end = chunk.start, chunk.end
    return Hit(
        document,
        found.score,
        Passage(document.text[start:end], start, end),
        scores=found.scores,
        key=found.key,
        significance=rarity,
        unknown=chunk.unknown,
    )


def _finish(state: EngineState, query: Query, hits: list[Hit]) -> tuple[Hit, ...]:
    """Matched terms, probabilities over the k hits, then the bound on scores."""
    if query.explain and query.mode is not Mode.DENSE:
        bag = state.lexical.asked(query.text or "")
        hits = [
            replace(hit, terms=matching_terms(state.lexical, bag, hit.document)) for hit in hits
        ]
    if query.temperature is not None and hits:
        hits = with_probability(hits, query.temperature)
    if query.min_score is None:
        return tuple(hits)
    return tuple(hit for hit in hits if hit.score >= query.min_score)


def _total(state: EngineState, group: Group, index: int) -> int | None:
    """The number of documents that could be hits of one of these queries; None if not known."""
    query = group.queries[index]
    seen = len(query.exclusions.keys) if query.exclusions else 0
    if group.mode is Mode.LEXICAL:
        return None  # the number of documents with a word is not known
    if query.min_score is None:
        return group.scope.total + seen
    counted = group.mode is Mode.DENSE and group.best is None
    if not counted or not (group.exact or state.is_exact):
        return None
    return state.count_near(group.directions[index], query.min_score, group.scope) + seen
