"""Hits annotated with the meaning of their scores: see calibration and grades."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.queries import Answer, Fusion, Hit, Mode, Query, Relevance
from indexer.ranking.calibration import Calibration
from indexer.ranking.grades import grade_of
from indexer.similarity import softmax

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]


def with_probability(hits: Sequence[Hit], temperature: float) -> list[Hit]:
    """The hits with their share of the softmax of cosine / temperature over all of them.

    Hits without a cosine are not candidates, and are unchanged.
    """
    places, cosines = _cosines(hits)
    finished = list(hits)
    if places:
        shares = softmax(cosines[None], temperature)[0]
        for place, share in zip(places, shares.tolist(), strict=True):
            finished[place] = replace(hits[place], probability=share)
    return finished


def _cosines(hits: Sequence[Hit]) -> tuple[list[int], NDArray[np.float64]]:
    """The places of the hits whose cosine is known, and those cosines."""
    known = [
        (place, hit.scores.dense) for place, hit in enumerate(hits) if hit.scores.dense is not None
    ]
    return [place for place, _ in known], np.array([cosine for _, cosine in known], np.float64)


def ranking_of(query: Query) -> str:
    """The kind of ranking a query asks for: scores of one kind are comparable."""
    kind = str(query.mode)
    if query.mode is Mode.HYBRID:
        feedback = "+feedback" if query.fusion is Fusion.CONVEX else ""
        kind += f"/{query.fusion}{feedback}"
    return kind if query.rerank is None else f"{kind}, reranked by {query.reranker}"


def with_reranked_worth(
    query: Query, hits: Sequence[Hit], learned: Relevance | None
) -> Sequence[Hit]:
    """The hits, best first, with relevance and grade where a cross-encoder has scored them."""
    if learned is None or not query.rerank or not hits:
        return hits
    scores = np.array([hit.score for hit in hits], dtype=np.float64)
    relevance = learned(scores, np.arange(1, len(hits) + 1)).tolist()
    return [
        hit if hit.scores.reranked is None else hit.judged(grade_of(value), value)
        for hit, value in zip(hits, relevance, strict=True)
    ]


def with_worth(
    query: Query,
    hits: Sequence[Hit],
    calibrations: Mapping[str, Calibration],
    shipped: Callable[[Floats, Places], Floats] | None = None,
) -> list[Hit]:
    """The hits of a query, best first, with their grade, and relevance if that was learned.

    Without a calibration of their ranking, dense and hybrid hits get the grade of the relevance by
    ``shipped``, which takes cosines and places, unless the model knows no word of query or hit.
    Searches by examples get none, and those to be reranked get theirs afterwards.
    """
    if query.examples or query.rerank is not None or not hits:
        return list(hits)
    scores = np.array([hit.score for hit in hits], dtype=np.float64)
    first = 1 + (len(query.exclusions.keys) if query.exclusions else 0)
    places = np.arange(first, first + len(hits))
    calibration = calibrations.get(ranking_of(query))
    if calibration is not None:
        relevance = calibration.curve(scores, places).tolist()
        pairs = zip(hits, relevance, strict=True)
        return [hit.judged(grade_of(value), value) for hit, value in pairs]
    if shipped is None or query.mode is Mode.LEXICAL or query.unknown:
        return list(hits)
    cosines = np.array([hit.scores.dense for hit in hits], dtype=np.float64)
    pairs = zip(hits, shipped(cosines, places).tolist(), strict=True)
    return [hit if hit.unknown else hit.judged(grade_of(value)) for hit, value in pairs]


def judged(
    query: Query,
    answer: Answer,
    calibrations: Mapping[str, Calibration],
    shipped: Callable[[Floats, Places], Floats] | None = None,
) -> Answer:
    """The answer, its hits with their worth, or with what was learned of them once reranked."""
    if query.rerank is None:
        worthy = with_worth(query, answer.hits, calibrations, shipped)
        return replace(answer, hits=tuple(worthy))
    learned = calibrations.get(ranking_of(query))
    return answer if learned is None else replace(answer, reranked_relevance=learned.curve)
