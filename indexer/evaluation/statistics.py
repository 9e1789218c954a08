"""Significance of the difference between two rankings of the same queries.

Paired tests and intervals on arrays. A measure gives each query one value under A and one under
B, and only their differences matter. The test is Fisher's randomisation test: if A and B were the
same, each difference could as well have had the other sign. It assumes nothing about the
distribution of the differences (Smucker, Allan and Carterette, "A comparison of statistical
significance tests for information retrieval evaluation", CIKM 2007, prefer it to the Wilcoxon and
sign tests, and find the t test to agree).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]
"""(n,) float64: one value for each query."""

RESAMPLES: Final = 100_000
"""Random signs drawn; a p value of 0.05 is then known to about 0.0014 (two standard deviations)."""

BOOTSTRAPS: Final = 10_000
CONFIDENCE: Final = 0.95
TOLERANCE: Final = 1e-12
"""Values closer than this are equal: sums of the same numbers differ by rounding only."""

_CELLS: Final = 4_000_000
"""Cells of the matrix of resamples that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of B's values from A's: ``difference`` is mean(B) - mean(A).

    ``p`` is two-sided. ``wins``, ``losses`` and ``ties`` count the queries for which B is better,
    worse and the same, where larger values are better.
    """

    a: float
    b: float
    difference: float
    interval: Interval
    p: float
    wins: int
    losses: int
    ties: int


def difference_of(a: Values, b: Values, seed: int = 0) -> Difference:
    """The difference of B from A on the same queries, in the same order.

    Raises ValueError unless both are (n,) with n at least 1.
    """
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"paired values have one shape, (n,) with n > 0; got {a.shape}, {b.shape}")
    gains = b - a
    return Difference(
        a=float(a.mean()),
        b=float(b.mean()),
        difference=float(gains.mean()),
        interval=bootstrap_interval(gains, seed=seed),
        p=randomisation_p(gains, seed=seed),
        wins=int((gains > TOLERANCE).sum()),
        losses=int((gains < -TOLERANCE).sum()),
        ties=int((np.abs(gains) <= TOLERANCE).sum()),
    )


def randomisation_p(differences: Values, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The two-sided p value of the mean of paired differences under random signs.

    Exact if there are no more than ``resamples`` combinations of signs. Else signs are drawn, and
    the observed ones count among them, so that p is never 0 (Phipson and Smyth, 2010).
    """
    moved = differences[np.abs(differences) > TOLERANCE]  # zeros are the same under either sign
    if not moved.size:
        return 1.0
    extreme = np.abs(moved.sum()) - TOLERANCE * moved.size
    exact = moved.size < 63 and 2**moved.size <= resamples
    draws = _all_signs(moved.size) if exact else _random_signs(moved.size, resamples, seed)
    # With bits for signs, the sum is twice that of the flipped less that of all.
    count = sum(int((np.abs(2 * (bits @ moved) - moved.sum()) >= extreme).sum()) for bits in draws)
    return count / 2**moved.size if exact else (count + 1) / (resamples + 1)


def bootstrap_interval(
    values: Values,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = BOOTSTRAPS,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap interval of the mean, resampling queries with replacement."""
    random = np.random.default_rng(seed)
    n = values.size
    means = [
        values[random.integers(0, n, (rows, n))].mean(axis=1) for rows in _portions(resamples, n)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(low), float(high))


def holm(p_values: Values) -> Values:
    """(m,) p values adjusted for testing m hypotheses at once (Holm, 1979), in the given order.

    The probability that any true hypothesis has an adjusted value of at most x is at most x.
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(p_values.size, 0, -1)
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def _all_signs(n: int) -> Iterator[NDArray[np.float64]]:
    """All 2^n rows of n bits, in portions."""
    start = 0
    for rows in _portions(2**n, n):
        numbers = np.arange(start, start + rows)[:, None]
        yield (numbers >> np.arange(n) & 1).astype(np.float64)
        start += rows


def _random_signs(n: int, count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """``count`` rows of n random bits, in portions."""
    random = np.random.default_rng(seed)
    for rows in _portions(count, n):
        packed = random.integers(0, 256, (rows, -(-n // 8)), dtype=np.uint8)
        yield np.unpackbits(packed, axis=1, count=n).astype(np.float64)


def _portions(rows: int, width: int) -> Iterator[int]:
    """Heights of the parts of a matrix of this many rows that fit into memory."""
    height = max(1, _CELLS // max(width, 1))
    while rows > 0:
        yield min(rows, height)
        rows -= height
