"""Rankings by example: near the liked examples, away from the unliked.

Two strategies, both known from Qdrant's recommendation API
(https://qdrant.tech/documentation/concepts/explore):

* *mean*: the cosine to the direction from the mean of the unliked (or the origin) to the mean of
  the liked; one search finds the best.
* *best*: with p the best cosine to any liked example and n to any unliked, the score is p if p > n,
  else -2 - n: a candidate nearer to an unliked example comes after all others (2 is the whole range
  of a cosine). A difference within rounding counts as none. If nothing is liked, the score is -n.
  The order is that of Qdrant's ``best_score``, which puts its scores through a sigmoid; these stay
  cosines.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector, Vectors, normalise

PENALTY: Final = 2.0
"""The range of a cosine: subtracted to rank candidates near an unliked example below all others."""

ROUNDING: Final = np.float32(1e-6)
"""The largest difference between two float32 cosines of the same pair of vectors."""


def mean_direction(liked: Vectors, unliked: Vectors) -> Vector:
    """(d,) float32 of unit length: the mean of the liked minus that of the unliked.

    Raises InvalidVector if they cancel out.
    """
    total = np.zeros(liked.shape[1], dtype=np.float64)
    for sign, side in ((1.0, liked), (-1.0, unliked)):
        if len(side):
            total += sign * side.mean(axis=0, dtype=np.float64)
    unit: Vector = normalise(total[None, :], "the examples' mean")[0]
    return unit


def best_scores(
    to_liked: NDArray[np.float32], to_unliked: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n,) the *best* scores of n candidates, from their cosines (n, p) and (n, q).

    If anything is liked, at most -1 exactly for candidates that are nearer to an unliked example.
    """
    unliked = to_unliked.max(axis=1, initial=-np.inf)
    if not to_liked.shape[1]:
        return np.asarray(-unliked, dtype=np.float32)
    liked = to_liked.max(axis=1)
    scores = np.where(liked > unliked + ROUNDING, liked, -PENALTY - unliked)
    return np.asarray(scores, dtype=np.float32)
