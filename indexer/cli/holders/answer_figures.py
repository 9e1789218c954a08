"""Answers to searches as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from indexer.parts import parts_by_name
from indexer.queries import Answer, Explanation, Hit, Query


def answer_figures(
    query: Query, answer: Answer, embed_ms: float, search_ms: float
) -> dict[str, Any]:
    """An answer in the shape the service gives it."""
    return {
        "hits": [
            _hit_figures(query, hit) | ({} if query.group_by is None else {"group": hit.group})
            for hit in answer.hits
        ],
        "mode": str(answer.mode),
        "exact": answer.exact,
        "candidates": answer.candidates,
        "truncated": answer.truncated,
        "unknown_fields": list(answer.unknown_fields),
        "unknown": answer.unknown,
        "total": answer.total,
        "significance": answer.significance,
        "cursor": answer.cursor,
        "took_ms": {"embed": embed_ms, "search": search_ms, "total": embed_ms + search_ms},
        **({"behind": True} if answer.behind else {}),
        **({"facets": answer.facets.plain} if answer.facets else {}),
    }


def _hit_figures(query: Query, hit: Hit) -> dict[str, Any]:
    figures: dict[str, Any] = {
        **parts_by_name(hit.document, query.parts),
        "score": hit.score,
        "distance": hit.distance,
        "scores": {name: value for name, value in asdict(hit.scores).items() if value is not None},
    }
    if query.parts.passage:
        figures["passage"] = hit.passage.plain
    for name in ("probability", "relevance", "grade"):
        value = getattr(hit, name)
        if value is not None:
            figures[name] = value
    if hit.unknown:
        figures["unknown"] = True
    if hit.explanation is not None:
        figures["explanation"] = _explanation_figures(hit.explanation)
    return figures


def _explanation_figures(explanation: Explanation) -> dict[str, Any]:
    return {
        "passages": [{**one.passage.plain, "score": one.score} for one in explanation.passages],
        "words": [asdict(word) for word in explanation.words],
        "words_left_out": explanation.words_left_out,
        "rest": explanation.rest,
        "terms": [asdict(term) for term in explanation.terms],
    }
