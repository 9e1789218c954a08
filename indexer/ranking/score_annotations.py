"""Hits annotated with the meaning of their scores: see significance and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.queries import Hit, Mode, Query
from indexer.ranking.calibration import Calibration
from indexer.ranking.significance import Background
from indexer.similarity import softmax


def significances(
    background: Background,
    directions: Vectors,
    cosines: Sequence[Sequence[float | None]],
    rows: int,
) -> list[list[float | None]]:
    """The significance of each query's cosines among ``rows`` chunks; None for an unknown cosine.

    ``directions`` are those of the queries, (q, d).
    """
    known = np.full((len(cosines), max(map(len, cosines), default=0)), np.nan)  # (q, m)
    for line, own in zip(known, cosines, strict=True):
        line[: len(own)] = own  # None is NaN
    rare = background.significances(directions, known, rows).tolist()
    return [
        [None if cosine is None else value for cosine, value in zip(own, values, strict=False)]
        for own, values in zip(cosines, rare, strict=True)
    ]


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
    return f"{query.mode}/{query.fusion}" if query.mode is Mode.HYBRID else str(query.mode)


def with_relevance(
    query: Query, hits: Sequence[Hit], calibrations: Mapping[str, Calibration]
) -> list[Hit]:
    """The hits of a query, best first, with the relevance by the calibration of their ranking.

    Searches by examples get none, since calibrations are learned from queries.
    """
    calibration = calibrations.get(ranking_of(query)) if calibrations else None
    if calibration is None or query.examples or not hits:
        return list(hits)
    first = 1 + (len(query.exclusions.keys) if query.exclusions else 0)
    scores = np.array([hit.score for hit in hits], dtype=np.float64)
    relevance = calibration.curve(scores, np.arange(first, first + len(hits)))
    return [
        replace(hit, relevance=value) for hit, value in zip(hits, relevance.tolist(), strict=True)
    ]
