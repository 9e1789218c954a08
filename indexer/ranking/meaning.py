"""What the scores of hits mean, added to the hits: see significance and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Hit, Vector
from indexer.ranking.significance import Background
from indexer.similarity import softmax


def with_significance(
    hits: Sequence[Hit], direction: Vector, background: Background | None, rows: int
) -> list[Hit]:
    """The hits of a query's direction, (d,), among ``rows`` chunks, with their significance.

    Those without a cosine stay as they are; so do all where there is no background.
    """
    places, cosines = _cosines(hits)
    finished = list(hits)
    if background is None or not places:
        return finished
    rare = background.significance(direction, cosines, rows)
    for place, value in zip(places, rare.tolist(), strict=True):
        finished[place] = replace(hits[place], significance=value)
    return finished


def with_probability(hits: Sequence[Hit], temperature: float) -> list[Hit]:
    """The hits with their share of the softmax of cosine / temperature over all of them.

    Hits without a cosine are no candidates, and stay as they are.
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
