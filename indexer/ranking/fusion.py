"""Two rankings fused: by ranks, or by scores brought to one scale.

Candidates are the union of both rankings' best, so arrays are (n,), one value a candidate.
"""

from __future__ import annotations

import math
import sys
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""(n,) float64, one a candidate."""

RANK_OFFSET: Final = 60
"""The k of reciprocal rank fusion, as set by its authors."""

DENSE_WEIGHT: Final = 0.65
"""The weight of the cosine in a convex combination; docs/performance.md says how it was set."""

LEVEL: Final = 0.1
"""About the standard deviation of cosines over a pool."""

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


class Scale(NamedTuple):
    """The mean of a pool's scores, and their unit: 0 if all are equal.

    The unit is their standard deviation, but at least an eighth of their range: otherwise a single
    document with a rare word would outweigh the other ranking. So within the pool, the best is at
    most SPAN units above the worst.
    """

    mean: float
    unit: float


def scale_of(scores: Values, pool: NDArray[np.bool_]) -> Scale:
    """The scale of the scores of a pool; of an empty one, 0 and 0."""
    held = scores[pool]
    if not len(held):
        return Scale(0.0, 0.0)
    # As NumPy's mean and std, to the bit, which take longer to call than to add up so few.
    mean = float(np.add.reduce(held)) / len(held)
    least = float(np.maximum.reduce(held) - np.minimum.reduce(held)) / SPAN
    if least <= sys.float_info.min:  # rounding may leave equal scores a deviation above 0
        return Scale(mean, 0.0)
    moved = held - mean
    variance = float(np.add.reduce(moved * moved)) / len(held)
    return Scale(mean, max(math.sqrt(variance), least))


def standardised(scores: Values, pool: NDArray[np.bool_]) -> Values:
    """Scores minus the pool's mean, in its units; 0 if all are equal."""
    mean, unit = scale_of(scores, pool)
    moved: Values = (scores - mean) / unit if unit else np.zeros_like(scores)
    return moved


def like_cosines(standard: Values, dense: Values, pool: NDArray[np.bool_]) -> Values:
    """Standard scores with the mean and the unit of the pool's cosines, so that they read alike.

    Where all cosines are equal, LEVEL is the unit.
    """
    mean, unit = scale_of(dense, pool)
    moved: Values = mean + (unit or LEVEL) * standard
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
