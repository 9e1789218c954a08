"""The probability that an unrelated text scores as high as a hit.

A cosine means little by itself: queries differ in how close they are to everything. So a cosine is
compared with the query's own cosines with the collection: z = (cosine - mean) / deviation, both
from the mean and the covariance of the collection's vectors (mean = q·μ, deviation² = qᵀΣq).
This is the normalisation by cohorts of speaker recognition (Auckenthaler, Carey and
Lloyd-Thomas, "Score normalization for text-independent speaker verification systems", 2000). It
makes queries comparable with documents, from which the distribution of z is estimated: from pairs
of chunks of different documents.

The survival function of z is empirical in the body. Its tail, that of the highest tenth, is a
generalised Pareto distribution fitted to the excesses over a threshold (Pickands, "Statistical
inference using extreme order statistics", 1975), so that it extends to scores higher than any in
the sample. Some random pairs are related after all. They are rare, and have the highest scores; so
near duplicates are left out, and of the highest pairs only the fact that they exceed a cut is used,
not their values: the fit is one to censored excesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector, Vectors

Floats = NDArray[np.float64]

LEAST_DOCUMENTS: Final = 50
"""Fewer documents say too little about the scores of unrelated ones."""

LEAST_PAIRS: Final = 1_000

TAIL: Final = 0.1
"""The share of pairs above the threshold."""

CUT: Final = 0.002
"""The share of pairs whose values are not used, since they may be related."""

NEAR: Final = 0.1
"""Pairs closer than this part of the mean distance of random pairs are near duplicates."""

_ANCHORS: Final = 512
_KNOTS: Final = 513
_EXCESSES: Final = 4_096
_HELD_OUT: Final = 4_096
_STEPS: Final = 129
_ROUNDS: Final = 4
_LARGEST_SHAPE: Final = 0.5
_NO_SHAPE: Final = 1e-6
_SMALLEST_SCALE: Final = 1e-9
_SMALLEST_DEVIATION: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto distribution of excesses y >= 0: S(y) = (1 + shape y/scale)^(-1/shape).

    The shape is at least 0; with 0 it is exp(-y/scale).
    """

    shape: float
    scale: float

    def survival(self, excesses: Floats) -> Floats:
        """P(excess >= y) for each y, (n,) in [0, 1]."""
        given = np.maximum(excesses, 0.0) / self.scale
        if self.shape == 0:
            return np.exp(-given)
        falling: Floats = np.exp(-np.log1p(self.shape * given) / self.shape)
        return falling


def fit_tail(excesses: Floats, cut: float = np.inf) -> Tail:
    """The likeliest tail of these excesses, (n,) of at least 0, that is no lighter than exp(-y).

    For an excess above ``cut`` only that fact is used. With θ = shape/scale the likeliest shape is
    (Σ log(1 + θ y) + m log(1 + θ cut)) / k over the k excesses below the cut and the m above it, so
    only θ is searched for (Grimshaw, "Computing maximum likelihood estimates for the generalized
    Pareto distribution", 1993, here with censoring), on a grid that is narrowed. A cosine ends at
    1, so its true tail becomes lighter somewhere; but the bend cannot be seen where unrelated pairs
    are rarer than related ones, and this errs on the safe side.
    """
    below = np.sort(excesses[excesses < cut])
    above = len(excesses) - len(below)
    total = float(below.sum()) + (above * cut if above else 0.0)
    if not len(below) or total <= _SMALLEST_SCALE * len(below):
        return Tail(0.0, _SMALLEST_SCALE)
    mean = total / len(below)  # the scale if the shape were 0
    low, high = 0.0, 10.0 / mean
    for _ in range(_ROUNDS):
        thetas = np.linspace(low, high, _STEPS)
        likelihoods = [_likelihood(theta, below, above, cut, mean) for theta in thetas]
        best = int(np.argmax(likelihoods))
        low, high = thetas[max(best - 1, 0)], thetas[min(best + 1, _STEPS - 1)]
    theta = float(thetas[best])
    if theta * mean < _NO_SHAPE:
        return Tail(0.0, mean)
    shape = _shape(theta, below, above, cut)
    return Tail(shape, shape / theta)


def _shape(theta: float, below: Floats, above: int, cut: float) -> float:
    censored = above * float(np.log1p(theta * cut)) if above else 0.0
    return (float(np.log1p(theta * below).sum()) + censored) / len(below)


def _likelihood(theta: float, below: Floats, above: int, cut: float, mean: float) -> float:
    """The mean log likelihood of the excesses at the likeliest shape for this θ."""
    if theta * mean < _NO_SHAPE:
        return -float(np.log(mean)) - 1.0
    shape = _shape(theta, below, above, cut)
    if shape > _LARGEST_SHAPE:
        return -np.inf
    return -float(np.log(shape / theta)) - float(np.log1p(theta * below).mean()) - 1.0


@dataclass(frozen=True, slots=True)
class Survival:
    """P(X >= x): empirical up to the last of the knots, a generalised Pareto tail above it.

    ``knots`` (m,) rise strictly; ``levels`` (m,) are the shares of the sample below each, from 0
    to 1 - ``share``, where the tail begins.
    """

    knots: Floats
    levels: Floats
    tail: Tail

    @property
    def share(self) -> float:
        """The share above the last knot."""
        return 1.0 - float(self.levels[-1])

    def __call__(self, values: Floats) -> Floats:
        """P(X >= x) for each x, (n,) in [0, 1]: non-increasing, and without a step at the tail."""
        body = 1.0 - np.interp(values, self.knots, self.levels)
        tail = self.share * self.tail.survival(values - self.knots[-1])
        return np.where(values > self.knots[-1], tail, body)

    @classmethod
    def of(cls, sample: Floats, cut: float = CUT) -> Self:
        """The survival function of a sample, (n,), in any order.

        Of the highest values, a share of ``cut``, only their number is used.
        """
        levels = np.linspace(0.0, 1.0 - TAIL, _KNOTS)  # (m,)
        quantiles = np.quantile(sample, np.append(levels, 1.0 - cut))
        knots, first = np.unique(quantiles[:-1], return_index=True)
        threshold = float(knots[-1])
        excesses = np.sort(sample[sample > threshold]) - threshold
        thinned = excesses[_evenly(len(excesses), _EXCESSES)]
        tail = fit_tail(thinned, float(quantiles[-1]) - threshold)
        return cls(knots, levels[first], tail)


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """Indices that represent ``count`` sorted values: all, or ``wanted`` mid-quantiles."""
    if count <= wanted:
        return np.arange(count)
    places: NDArray[np.int64] = ((np.arange(wanted) + 0.5) * count / wanted).astype(np.int64)
    return places


@dataclass(frozen=True, slots=True)
class Fit:
    """The fit of a background to pairs that it was not made from.

    ``distance`` is the Kolmogorov-Smirnov distance between the chances of ``pairs`` pairs, no two
    of which share a text, and the uniform distribution; ``p`` is its p value. ``observed`` are the
    shares of a larger number of held-out pairs whose chance is at most that in ``expected``.
    """

    distance: float
    p: float
    pairs: int
    expected: tuple[float, ...]
    observed: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Background:
    """The scores of unrelated texts in a collection, estimated from a sample of its vectors.

    ``mean`` (d,) and ``covariance`` (d, d), float32, are of ``sampled`` vectors of a collection
    that had ``rows``; ``survival`` is of the standardised cosines of ``pairs`` pairs, whose plain
    cosines have the mean ``cosine``; ``near`` of them were left out as near duplicates.
    """

    mean: Vector
    covariance: Vectors
    survival: Survival
    rows: int
    sampled: int
    pairs: int
    near: int
    cosine: float
    fit: Fit

    def chances(self, directions: Vectors, cosines: Floats) -> Floats:
        """The probability that a random pair with the query scores as high, (q, n) in [0, 1].

        ``directions`` (q, d) are unit rows and ``cosines`` (q, n) theirs. Over unrelated
        documents a query's chances are uniform.
        """
        mean, deviation = _moments(directions, self.mean, self.covariance)
        return self.survival((cosines - mean[:, None]) / deviation[:, None])

    def significance(self, direction: Vector, cosines: Floats, rows: int) -> Floats:
        """The probability that the best of ``rows`` unrelated chunks scores as high, (n,).

        1 - (1 - p)^rows, where p is the chance of one. Over queries to which nothing is related,
        that of the best hit is uniform.
        """
        (found,) = self.significances(direction[None], cosines[None], rows)
        return np.asarray(found)

    def significances(self, directions: Vectors, cosines: Floats, rows: int) -> Floats:
        """The same for the cosines (q, n) of several directions (q, d); NaN where one is NaN."""
        # Each direction by itself, as the rounding of a joint product depends on the others.
        moments = [_moments(one[None], self.mean, self.covariance) for one in directions]
        mean, deviation = (np.concatenate(part) for part in zip(*moments, strict=True))  # (q,)
        chances = self.survival((cosines - mean[:, None]) / deviation[:, None])
        return best_of(chances, rows)


def best_of(chances: Floats, count: int) -> Floats:
    """The probability that the best of ``count`` reaches a value that one reaches by chance, (n,).

    1 - (1 - p)^count, computed so that neither a tiny p nor a large count loses digits.
    """
    with np.errstate(divide="ignore"):  # log(0) is right for a chance of 1
        any_of_them: Floats = -np.expm1(count * np.log1p(-chances))
    return any_of_them


def _moments(directions: Vectors, mean: Vector, covariance: Vectors) -> tuple[Floats, Floats]:
    """Mean and deviation of the cosines of each direction with the collection, (q,) each."""
    means = (directions @ mean).astype(np.float64)
    variances = np.einsum("qd,qd->q", directions @ covariance, directions, dtype=np.float64)
    return means, np.sqrt(np.maximum(variances, _SMALLEST_DEVIATION**2))


def background_of(vectors: Vectors, owners: NDArray[np.int32], rows: int) -> Background | None:
    """The background of a collection of ``rows`` rows, from a sample of them in random order.

    ``vectors`` is (n, d), unit rows; ``owners`` (n,) are the numbers of their documents. None if
    they are of fewer than LEAST_DOCUMENTS documents, or nearly all alike. The fit is tested on the
    last half of the sample, none of whose texts was an anchor of the pairs used.
    """
    if len(np.unique(owners)) < LEAST_DOCUMENTS:
        return None
    mean = vectors.mean(axis=0, dtype=np.float64)
    # Centred first: subtracting the square of the mean afterwards would cost digits.
    centred = vectors - mean.astype(np.float32)
    covariance = (centred.T @ centred) / np.float32(len(vectors))
    sample = _Sample(vectors, owners, mean.astype(np.float32), covariance)
    anchors = np.arange(min(_ANCHORS, len(vectors) // 2))
    cosines, unrelated = sample.pairs(anchors, np.arange(len(vectors)))
    typical = float(cosines[unrelated].mean())  # not empty: there are many documents
    near = unrelated & (cosines >= near_duplicate(typical))
    kept = unrelated & ~near
    if np.count_nonzero(kept) < LEAST_PAIRS:
        return None
    survival = Survival.of(sample.standardised(anchors, cosines)[kept])
    fit = _tried(sample, survival, near_duplicate(typical))
    return Background(
        sample.mean, covariance, survival, rows, len(vectors),
        int(np.count_nonzero(kept)), int(np.count_nonzero(near)), typical, fit,
    )  # fmt: skip


def near_duplicate(typical: float) -> float:
    """The cosine from which two texts are near duplicates, if random ones have ``typical``.

    So it means the same for models whose cosines lie close together.
    """
    return 1.0 - NEAR * (1.0 - typical)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Sampled vectors with their documents and moments."""

    vectors: Vectors
    owners: NDArray[np.int32]
    mean: Vector
    covariance: Vectors

    def pairs(
        self, anchors: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """(a, n) cosines, and a mask of those between different documents."""
        cosines = (self.vectors[anchors] @ self.vectors[others].T).astype(np.float64)
        return cosines, self.owners[anchors][:, None] != self.owners[others][None, :]

    def standardised(self, anchors: NDArray[np.int64], cosines: Floats) -> Floats:
        """(a, n) standardised cosines of anchors.

        An anchor is part of the moments, as a query is not, so it is removed from them.
        """
        means, deviations = _moments(self.vectors[anchors], self.mean, self.covariance)
        count = len(self.vectors)
        without = (count * means - 1.0) / (count - 1)
        squares = (count * (deviations**2 + means**2) - 1.0) / (count - 1)
        spread = np.sqrt(np.maximum(squares - without**2, _SMALLEST_DEVIATION**2))
        standardised: Floats = (cosines - without[:, None]) / spread[:, None]
        return standardised


def _tried(sample: _Sample, survival: Survival, near: float) -> Fit:
    """The fit of the survival function to the half of the sample without anchors."""
    half = np.arange(len(sample.vectors) // 2, len(sample.vectors))
    middle = len(half) // 2
    left, right = half[:middle], half[middle : 2 * middle]
    cosines, unrelated = sample.pairs(left[:_ANCHORS], right)
    kept = unrelated & (cosines < near)
    chances = survival(sample.standardised(left[:_ANCHORS], cosines))
    expected = (0.1, 0.01, 0.001, 0.0001)
    held = chances[kept]
    observed = tuple(float((held <= share).mean()) if len(held) else 0.0 for share in expected)
    alone = _single(sample, survival, left[:_HELD_OUT], right[:_HELD_OUT], near)
    distance, p = kolmogorov_smirnov(alone)
    return Fit(distance, p, len(alone), expected, observed)


def _single(
    sample: _Sample,
    survival: Survival,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    near: float,
) -> Floats:
    """The chances of pairs, no two of which share a text."""
    a, b = sample.vectors[left], sample.vectors[right]
    cosines = np.einsum("nd,nd->n", a, b, dtype=np.float64)
    kept = (sample.owners[left] != sample.owners[right]) & (cosines < near)
    return survival(sample.standardised(left, cosines[:, None])[kept, 0])


def kolmogorov_smirnov(chances: Floats) -> tuple[float, float]:
    """The largest distance of a sample's distribution from the uniform one, and its p value.

    The p value is the limit for large samples, with Stephens' correction for small ones
    (Stephens, "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without
    extensive tables", 1970). An empty sample gives (0, 1).
    """
    count = len(chances)
    if not count:
        return 0.0, 1.0
    ordered = np.sort(chances)
    steps = np.arange(count + 1) / count
    distance = float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
    scaled = distance * (np.sqrt(count) + 0.12 + 0.11 / np.sqrt(count))
    if scaled < 0.2:  # the series converges slowly here, to 1
        return distance, 1.0
    terms = np.arange(1, 101)
    series = 2.0 * np.sum((-1.0) ** (terms - 1) * np.exp(-2.0 * (terms * scaled) ** 2))
    return distance, float(np.clip(series, 0.0, 1.0))
