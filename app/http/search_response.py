"""Answers to searches as plain objects, in the shape that app.schemas.search.SearchView describes.

There is one for each hit of each search, so they are built and encoded once, without validation
against that schema; the tests hold that they conform.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from indexer.parts import parts_by_name
from indexer.queries import (
    Answer,
    Explanation,
    Hit,
    MatchedTerm,
    Query,
    ScoreBreakdown,
)

Plain: TypeAlias = dict[str, Any]
"""A JSON object."""


def plain_answer(query: Query, answer: Answer, took_ms: Mapping[str, float]) -> Plain:
    """The hits of one search, best first, with the parts asked for; grouped ones with groups."""
    return {
        "hits": [_hit(query, hit) for hit in answer.hits],
        "mode": answer.mode,
        "exact": answer.exact,
        "candidates": answer.candidates,
        "truncated": answer.truncated,
        "unknown": answer.unknown,
        "unknown_fields": answer.unknown_fields,
        "total": answer.total,
        "significance": answer.significance,
        "cursor": answer.cursor,
        "took_ms": took_ms,
        **({"behind": True} if answer.behind else {}),
        **({"facets": answer.facets.plain} if answer.facets else {}),
    }


def _hit(query: Query, hit: Hit) -> Plain:
    plain: Plain = {
        **parts_by_name(hit.document, query.parts),
        "score": hit.score,
        "distance": hit.distance,
        "scores": _scores(hit.scores),
    }
    if query.parts.passage:
        plain["passage"] = hit.passage.plain
    if hit.probability is not None:
        plain["probability"] = hit.probability
    if query.group_by is not None:
        plain["group"] = hit.group
    if hit.relevance is not None:
        plain["relevance"] = hit.relevance
    if hit.grade is not None:
        plain["grade"] = hit.grade
    if hit.unknown:
        plain["unknown"] = True
    if hit.explanation is not None:
        plain["explanation"] = _explanation(hit.explanation)
    return plain


def _scores(scores: ScoreBreakdown) -> Plain:
    """The scores that are known."""
    known = {
        "dense": scores.dense,
        "lexical": scores.lexical,
        "dense_rank": scores.dense_rank,
        "lexical_rank": scores.lexical_rank,
        "fused": scores.fused,
        "reranked": scores.reranked,
    }
    return {name: value for name, value in known.items() if value is not None}


def _explanation(explanation: Explanation) -> Plain:
    return {
        "passages": [{**one.passage.plain, "score": one.score} for one in explanation.passages],
        "words": [
            {
                "text": word.text,
                "effect": word.effect,
                "spans": word.spans,
                "title_spans": word.title_spans,
            }
            for word in explanation.words
        ],
        "words_left_out": explanation.words_left_out,
        "rest": explanation.rest,
        "terms": [_term(term) for term in explanation.terms],
    }


def _term(term: MatchedTerm) -> Plain:
    return {"text": term.text, "score": term.score, "spans": term.spans}
