"""Rankings by example: near what is liked, away from what is not.

Two strategies, both known from Qdrant's recommendation API
(https://qdrant.tech/documentation/concepts/explore):

* *mean*: the cosine to the direction from the mean of the unliked (or the origin) to the mean of
  the liked; one search finds the best.
* *best*: with p the best cosine to anything liked and n to anything unliked, the score is p where
  p > n, and -2 - n elsewhere: whatever is nearer to something unliked comes after all others (2
  is the whole range of a cosine). A difference that may be rounding counts as none. Where nothing
  is liked the score is -n. The order is that of Qdrant's ``best_score``, whose scores are put
  through a sigmoid; these stay cosines.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector, Vectors, normalise

PENALTY: Final = 2.0
"""The range of a cosine: how far below all others is what is nearer to something unliked."""

ROUNDING: Final = np.float32(1e-6)
"""By how much two float32 cosines of one pair of vectors may differ."""


def mean_direction(liked: Vectors, unliked: Vectors) -> Vector:
    """(d,) float32 of unit length: the mean of the liked less that of the unliked.

    Raises InvalidVector where they cancel each other out.
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
    """(n,) the score by *best* of n candidates, from their cosines (n, p) and (n, q).

    At most -1 just for candidates that are nearer to something unliked, if anything is liked.
    """
    unliked = to_unliked.max(axis=1, initial=-np.inf)
    if not to_liked.shape[1]:
        return np.asarray(-unliked, dtype=np.float32)
    liked = to_liked.max(axis=1)
    scores = np.where(liked > unliked + ROUNDING, liked, -PENALTY - unliked)
    return np.asarray(scores, dtype=np.float32)
