"""The geometry of a set of unit vectors: its use of the dimensions, and its neighbourhoods.

Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity
on the hypersphere", 2020, define the first two; Roy and Vetterli, "The effective rank: a measure
of effective dimensionality", 2007, the third; Radovanovic, Nanopoulos and Ivanovic, "Hubs in space:
popular nearest neighbors in high-dimensional data", 2010, the last.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors

Floats: TypeAlias = NDArray[np.float64]

NEAR: Final = 0.1
"""Closer than this part of the mean distance of random pairs is a near duplicate."""


def near_duplicate(typical: float) -> float:
    """The cosine from which two texts are near duplicates, where random ones have ``typical``.

    So it says the same of models whose cosines lie close together.
    """
    return 1.0 - NEAR * (1.0 - typical)


def alignment(a: Vectors, b: Vectors) -> float:
    """The mean of |aᵢ - bᵢ|² over related pairs of unit rows, (n, d) each, in [0, 4]: 0 is best."""
    difference = a.astype(np.float64) - b.astype(np.float64)
    return float(np.square(difference).sum(axis=1).mean())


def uniformity(cosines: Floats, t: float = 2.0) -> float:
    """Logarithm of the mean of exp(-t |x - y|²) over random pairs, by their cosines, (n,).

    In [-4 t, 0]; the lower, the more evenly the vectors are spread. At 0 all are equal.
    """
    exponents = -t * (2.0 - 2.0 * np.clip(cosines, -1.0, 1.0))
    largest = float(exponents.max())
    return largest + float(np.log(np.exp(exponents - largest).mean()))


def spectrum(vectors: Vectors) -> Floats:
    """The eigenvalues of the covariance of (n, d) rows, in falling order, none below 0."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values: Floats = np.linalg.eigvalsh(centred.T @ centred / len(vectors))[::-1]
    return np.maximum(values, 0.0)


def participation_ratio(eigenvalues: Floats) -> float:
    """(Σ λ)² / Σ λ²: the number of directions that vary, in [1, d], or 0; large ones dominate."""
    squares = float(np.square(eigenvalues).sum())
    return float(eigenvalues.sum()) ** 2 / squares if squares > 0 else 0.0


def effective_rank(eigenvalues: Floats) -> float:
    """The exponential of the entropy of λ / Σ λ: the number of varying directions, in [1, d], or 0.

    Small eigenvalues count for more than in :func:`participation_ratio`, which is never larger.
    """
    total = float(eigenvalues.sum())
    if total <= 0:
        return 0.0
    shares = eigenvalues[eigenvalues > 0] / total
    return float(np.exp(-(shares * np.log(np.maximum(shares, 1e-300))).sum()))


def occurrences(neighbours: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,) the times each is among the neighbours, (q, k), of others; -1 is none."""
    found: NDArray[np.int64] = np.bincount(neighbours[neighbours >= 0], minlength=count)
    return found


def skewness(values: NDArray[np.int64]) -> float:
    """The third standardised moment; 0 without variation. Above 1, a few hubs dominate."""
    centred = values - values.mean()
    deviation = float(np.sqrt(np.square(centred).mean()))
    return float((centred**3).mean()) / deviation**3 if deviation > 0 else 0.0
