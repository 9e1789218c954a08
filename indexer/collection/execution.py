"""Queries on one state of a collection: groups, candidates, fused rankings, hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import NamedTuple

from indexer.collection.adapters import adapted
from indexer.collection.by_example import best_by_example
from indexer.collection.faceting import facets_of
from indexer.collection.found import Found
from indexer.collection.groups import Group, groups_of
from indexer.collection.hybrid import by_both, by_words, depth_of
from indexer.collection.modalities import merged, parts_of
from indexer.collection.unknown_texts import known_first
from indexer.embedding.adapter import Adapter
from indexer.engine import Candidate, EngineState
from indexer.filters import fields_of
from indexer.passages import ReadPassage
from indexer.queries import Answer, Hit, Mode, Query, ScoreBreakdown, SearchOf
from indexer.ranking.score_annotations import with_probability
from indexer.ranking.significance import Background


class Ranking(NamedTuple):
    """The documents that answer a query, best first.

    ``best`` is the largest cosine of a document in scope to the query, None if not known.
    """

    found: Sequence[Found]
    best: float | None = None


def answer_adapted(
    state: EngineState,
    queries: Sequence[Query],
    adapter: Adapter | None,
    background: Background | None = None,
) -> list[Answer]:
    """The same with the vectors of texts mapped by an adapter, if there is one."""
    if adapter is None:
        return answer_queries(state, queries, background)
    asked = adapted(queries, adapter, state.identity)
    answers = answer_queries(state, asked, background)
    return [
        answer if one is query else replace(answer, direction=one.vector)
        for answer, one, query in zip(answers, asked, queries, strict=True)
    ]


def answer_queries(
    state: EngineState, queries: Sequence[Query], background: Background | None = None
) -> list[Answer]:
    """The k best documents of each query, in order; of texts, of images, or of both.

    With a background, answers to a text or a vector get their significance.
    """
    pictured = state.has_pictures
    if not pictured and all(query.of is not SearchOf.IMAGE for query in queries):
        return _answer(state, queries, background)
    parts = [parts_of(query, pictured=pictured) for query in queries]
    answers = iter(_answer(state, [one for part in parts for one in part], background))
    return [
        merged(query, [next(answers) for _ in part])
        for query, part in zip(queries, parts, strict=True)
    ]


def _answer(
    state: EngineState, queries: Sequence[Query], background: Background | None
) -> list[Answer]:
    answers: dict[int, Answer] = {}
    for group in groups_of(state, queries):
        rankings = _find(state, group)
        parts = reduce(or_, [query.parts_needed for query in group.queries])
        passages = state.passages(
            [one.chunk for ranking in rankings for one in ranking.found], parts
        )
        exact = group.exact or state.is_exact or group.mode is Mode.LEXICAL
        for index, (place, query) in enumerate(zip(group.places, group.queries, strict=True)):
            found, best = rankings[index]
            hits = [_hit(one, passages[one.chunk]) for one in found]
            answers[place] = Answer(
                _finish(state, query, hits),
                query.mode,
                exact,
                total=_total(state, group, index),
                candidates=len(hits),
                significance=_significance(query, best, background),
                unknown_fields=unknown_fields(state, query),
                behind=state.is_behind,
                facets=facets_of(state, group, index),
                token=query.exclusions.token if query.exclusions else state.token,
            )
    return [answers[place] for place in range(len(queries))]


def unknown_fields(state: EngineState, query: Query) -> tuple[str, ...]:
    """The fields that a query names and no document has; none if there are no documents."""
    named = fields_of(query.filter).union(query.facets)
    if query.group_by is not None:
        named |= {query.group_by}
    if not named or not state.counts.documents:
        return ()
    return tuple(sorted(named - state.known_fields(named)))


def _find(state: EngineState, group: Group) -> list[Ranking]:
    """The k best documents of each query, found by its mode."""
    if group.mode is Mode.LEXICAL:
        return [Ranking(by_words(state, query, group.scope)) for query in group.queries]
    if group.best is not None:
        k = group.queries[0].k
        best = best_by_example(state, group.best, k, group.scope, exact=group.exact)
        return [Ranking(_by_meaning(best))]
    hybrid = group.mode is Mode.HYBRID
    depths = [depth_of(query) if hybrid else query.k for query in group.queries]
    nearest = state.nearest(group.directions, max(depths), group.scope, exact=group.exact)
    asked = zip(group.queries, group.directions, nearest, depths, strict=True)
    nearest = [
        known_first(state, group, query, direction, own[:depth], depth)
        for query, direction, own, depth in asked
    ]
    if not hybrid:
        return [Ranking(_by_meaning(own), _best(own)) for own in nearest]
    found = by_both(state, group.queries, group.directions, nearest, group.scope)
    return [Ranking(both, _best(own)) for both, own in zip(found, nearest, strict=True)]


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


def _best(nearest: Sequence[Candidate]) -> float | None:
    return nearest[0].score if nearest else None


def _significance(query: Query, best: float | None, background: Background | None) -> float | None:
    """The significance of a query's best document.

    None for examples, for later pages, and for a query that the model does not know; nor is it
    known of images, or of what is asked by one.
    """
    if query.by_image or query.of is SearchOf.IMAGE:
        return None
    if background is None or best is None or query.examples or query.unknown:
        return None
    if query.exclusions is not None:
        return None
    return background.significance(best, None if query.text is None else len(query.text))


def _hit(found: Found, read: ReadPassage) -> Hit:
    return Hit(
        read.document,
        found.score,
        read.passage,
        scores=found.scores,
        key=found.key,
        unknown=read.chunk.unknown,
    )


def _finish(state: EngineState, query: Query, hits: list[Hit]) -> tuple[Hit, ...]:
    """Matched terms, probabilities over the k hits, then the bound on scores."""
    if query.explain and query.mode is not Mode.DENSE:
        from indexer.collection.matched_terms import matching_terms  # compiles many patterns

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
