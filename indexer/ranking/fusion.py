"""Two rankings fused: by ranks, or by scores brought to one scale.

Candidates are the union of both rankings' best, so arrays are (n,), one value a candidate.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""(n,) float64, one a candidate."""

RANK_OFFSET: Final = 60
"""The k of reciprocal rank fusion, as set by its authors."""

DENSE_WEIGHT: Final = 0.65
"""The weight of the cosine in a convex combination; docs/performance.md says how it was set."""

SPAN: Final = 8.0
"""The greatest range of a pool's standardised scores, in standard deviations."""


def reciprocal_ranks(*rankings: NDArray[np.int64]) -> Values:
    """The sum of 1 / (60 + rank) over rankings; ranks count from 1, 0 means unranked.

    Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual
    rank learning methods", SIGIR 2009.
    """
    total = np.zeros(len(rankings[0]), dtype=np.float64)
    for ranks in rankings:
        total += np.where(ranks > 0, 1.0 / (RANK_OFFSET + np.maximum(ranks, 1)), 0.0)
    return total


def standardised(scores: Values, pool: NDArray[np.bool_]) -> Values:
    """Scores minus the pool's mean, in units of its standard deviation; 0 if all are equal.

    The unit is at least an eighth of the pool's range: otherwise a single document with a rare word
    would outweigh the other ranking. So within the pool, the best is at most SPAN above the worst.
    """
    held = scores[pool]
    if not len(held):
        return np.zeros_like(scores)
    least = float(np.ptp(held)) / SPAN
    if least <= np.finfo(np.float64).tiny:  # rounding may leave equal scores a deviation above 0
        return np.zeros_like(scores)
    unit = max(float(held.std()), least)
    moved: Values = (scores - held.mean()) / unit
    return moved


def convex(
    dense: Values, lexical: Values, pool: NDArray[np.bool_], weight: float = DENSE_WEIGHT
) -> Values:
    """``weight`` times the cosines and 1 - ``weight`` times the BM25 scores, both standardised.

    Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval", TOIS 2023, where
    a convex combination beats reciprocal ranks because it keeps the distances between scores. They
    scale by minimum and maximum; here it is by the standard deviation over ``pool``, which a single
    document affects less.
    """
    return weight * standardised(dense, pool) + (1.0 - weight) * standardised(lexical, pool)
