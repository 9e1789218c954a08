"""The share of queries to which nothing is related that find as near a document.

A cosine means little by itself: models and collections differ in how near everything is to
everything. So the best cosine of a query is held against those that queries to which nothing is
related find in the same collection by the same model (see null_queries). With n of them,
p = (1 + number that reach as high) / (n + 1), the p value of a Monte Carlo test (Davison and
Hinkley, "Bootstrap methods and their application", 1997, section 4.2). Longer queries find other
scores than short ones; so all scores are brought to one length first, along a line in the
logarithm of the number of characters.

Above the highest tenth, p is that tenth's share times the survival function of a generalised
Pareto distribution fitted to it (Pickands, "Statistical inference using extreme order
statistics", 1975), so that it says something about scores higher than any of the null's.

A collection may be about fields that the null is about. Halves of two fields have no document in
common, but one of them alone may come near. So fields whose queries come nearer than all others'
are left out, the nearest first: those whose mean is more than OUTLYING deviations above the
median of all fields', with the deviation taken below the median, where none is related.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.ranking.null_queries import NullQuery

Floats = NDArray[np.float64]

SIGNIFICANT: Final = 0.05
"""Below it something in a collection is taken to be about a query: so few unrelated ones do."""

TAIL: Final = 0.1
"""The share of scores that the tail is fitted to."""

OUTLYING: Final = 5.0
"""Chosen by measurement: see docs/searching.md."""

LEAST_SHARE: Final = 0.5
"""At least so many of the fields are kept."""

EXPECTED: Final = (0.2, 0.1, 0.05, 0.02)
"""Shares at which a fit is looked at."""

_BISECTIONS: Final = 40
_STEPS: Final = 129
_ROUNDS: Final = 4
_LARGEST_SHAPE: Final = 0.5
_NO_SHAPE: Final = 1e-6
_SMALLEST_SCALE: Final = 1e-9


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


def fit_tail(excesses: Floats) -> Tail:
    """The likeliest tail of these excesses, (n,) of at least 0, that is no lighter than exp(-y).

    With θ = shape/scale the likeliest shape is the mean of log(1 + θ y), so only θ is looked for
    (Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution",
    1993), on a grid that is narrowed. A cosine ends at 1, so its true tail is lighter in the end;
    this errs on the safe side.
    """
    ordered = np.sort(excesses)
    mean = float(ordered.mean()) if len(ordered) else 0.0  # the scale, were the shape 0
    if mean <= _SMALLEST_SCALE:
        return Tail(0.0, _SMALLEST_SCALE)
    low, high = 0.0, 10.0 / mean
    for _ in range(_ROUNDS):
        thetas = np.linspace(low, high, _STEPS)
        likelihoods = [_likelihood(theta, ordered, mean) for theta in thetas]
        best = int(np.argmax(likelihoods))
        low, high = thetas[max(best - 1, 0)], thetas[min(best + 1, _STEPS - 1)]
    theta = float(thetas[best])
    if theta * mean < _NO_SHAPE:
        return Tail(0.0, mean)
    shape = float(np.log1p(theta * ordered).mean())
    return Tail(shape, shape / theta)


def _likelihood(theta: float, excesses: Floats, mean: float) -> float:
    """The mean log likelihood of the excesses at the likeliest shape for this θ."""
    if theta * mean < _NO_SHAPE:
        return -float(np.log(mean)) - 1.0
    shape = float(np.log1p(theta * excesses).mean())
    if shape > _LARGEST_SHAPE:
        return -np.inf
    return -float(np.log(shape / theta)) - shape - 1.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """A line of best scores by the length of a query: ``slope`` a unit of log characters.

    ``low`` and ``high`` are the log lengths that are known of, ``centre`` their mean.
    """

    slope: float
    centre: float
    low: float
    high: float

    def adjusted(self, scores: Floats, lengths: NDArray[np.int64]) -> Floats:
        """The scores, (n,), as they would be at the centre."""
        logs = np.clip(np.log(np.maximum(lengths, 1)), self.low, self.high)
        return scores - self.slope * (logs - self.centre)

    @classmethod
    def of(cls, scores: Floats, lengths: NDArray[np.int64]) -> Lengths:
        """The line of least squares through scores, (n,), by the logarithm of their lengths."""
        logs = np.log(np.maximum(lengths, 1))
        spread = float(logs.var())
        covariance = float(((logs - logs.mean()) * (scores - scores.mean())).mean())
        slope = covariance / spread if spread > 0 else 0.0
        return cls(slope, float(logs.mean()), float(logs.min()), float(logs.max()))


@dataclass(frozen=True, slots=True)
class Survival:
    """P(X >= x) by a sample ``scores``, (n,), rising; above ``threshold`` by a tail."""

    scores: Floats
    threshold: float
    tail: Tail

    def __call__(self, values: Floats) -> Floats:
        """The p of each value, (m,) in (0, 1]: it never rises, and has no step at the tail."""
        body = self._share(values)
        above = self._share(np.array([self.threshold]))[0]
        tail = above * self.tail.survival(values - self.threshold)
        return np.where(values > self.threshold, tail, body)

    def _share(self, values: Floats) -> Floats:
        """(1 + number of scores >= x) / (n + 1)."""
        reached = len(self.scores) - np.searchsorted(self.scores, values, side="left")
        return np.asarray((1.0 + reached) / (len(self.scores) + 1.0), dtype=np.float64)

    @classmethod
    def of(cls, scores: Floats) -> Survival:
        """The survival function of scores, (n,), in any order."""
        ordered = np.sort(scores)
        threshold = float(ordered[len(ordered) - max(1, round(TAIL * len(ordered)))])
        return cls(ordered, threshold, fit_tail(ordered[ordered > threshold] - threshold))


@dataclass(frozen=True, slots=True)
class Fit:
    """The quality of a null: each half of it foretells the other.

    ``distance`` is that of Kolmogorov and Smirnov between the p values of all ``queries``, each by
    the half that it is not in, and the uniform distribution; ``p`` is the share of uniform samples
    with a larger one. ``observed`` are the shares of p values of at most those in ``expected``.
    """

    distance: float
    p: float
    queries: int
    expected: tuple[float, ...]
    observed: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Background:
    """The best scores of unrelated queries in a collection that had ``rows`` chunks.

    ``survival`` is of their best cosines, brought to one length by ``lengths``, but for those of
    the fields in ``left_out``; ``typical`` is the median of these cosines.
    """

    lengths: Lengths
    survival: Survival
    typical: float
    left_out: tuple[str, ...]
    rows: int
    fit: Fit

    def significance(self, best: float, length: int | None = None) -> float:
        """The share of queries without anything related that find as good a hit as ``best``.

        ``length`` is that of the query in characters; None is taken for the mean.
        """
        score = np.array([best], dtype=np.float64)
        if length is not None:
            score = self.lengths.adjusted(score, np.array([length], dtype=np.int64))
        return float(self.survival(score)[0])

    def cosine_at(self, significance: float) -> float:
        """The least cosine of a query of mean length whose significance is at most this."""
        low, high = float(self.survival.scores[0]), 1.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (
                (low, middle) if self.significance(middle) <= significance else (middle, high)
            )
        return high


def background_of(best: Floats, queries: Sequence[NullQuery], rows: int) -> Background:
    """The background of a collection of ``rows`` chunks, by the best cosine of each query, (n,)."""
    left_out = outlying_fields(best, queries)
    kept = np.array([left_out.isdisjoint(query.fields) for query in queries])
    scores = best[kept]
    characters = np.array([len(query.text) for query in queries], dtype=np.int64)[kept]
    lengths = Lengths.of(scores, characters)
    return Background(
        lengths,
        Survival.of(lengths.adjusted(scores, characters)),
        float(np.median(scores)),
        tuple(sorted(left_out)),
        rows,
        _tried(scores, characters),
    )


def outlying_fields(best: Floats, queries: Sequence[NullQuery]) -> frozenset[str]:
    """The fields that a collection is about, by the best cosines, (n,), of queries of all fields.

    A field's mean is over the queries of which the other half is of a field that is kept.
    """
    fields = list(dict.fromkeys(field for query in queries for field in query.fields))
    places = np.array([[fields.index(field) for field in query.fields] for query in queries])
    kept = np.ones(len(fields), dtype=np.bool_)
    while kept.sum() > LEAST_SHARE * len(fields):
        means = np.array([_mean(best, places, kept, field) for field in range(len(fields))])
        nearest = int(np.argmax(np.where(kept, means, -np.inf)))
        middle = float(np.median(means[kept]))
        below = means[kept & (means <= middle)]
        deviation = float(np.sqrt(np.square(below - middle).mean()))
        if not means[nearest] > middle + OUTLYING * deviation:
            break
        kept[nearest] = False
    return frozenset(field for field, is_kept in zip(fields, kept, strict=True) if not is_kept)


def _mean(best: Floats, places: NDArray[np.int64], kept: NDArray[np.bool_], field: int) -> float:
    first, second = places.T
    own = ((first == field) & kept[second]) | ((second == field) & kept[first])
    return float(best[own].mean()) if own.any() else -np.inf


def _tried(scores: Floats, characters: NDArray[np.int64]) -> Fit:
    """The fit of the scores in even places to those in odd ones, and the other way round."""
    even = np.arange(len(scores)) % 2 == 0
    found = []
    for half in (even, ~even):
        lengths = Lengths.of(scores[half], characters[half])
        survival = Survival.of(lengths.adjusted(scores[half], characters[half]))
        found.append(survival(lengths.adjusted(scores[~half], characters[~half])))
    chances = np.concatenate(found)
    observed = tuple(float((chances <= share).mean()) for share in EXPECTED)
    distance, p = kolmogorov_smirnov(chances)
    return Fit(distance, p, len(chances), EXPECTED, observed)


def kolmogorov_smirnov(chances: Floats) -> tuple[float, float]:
    """The largest distance of a sample's distribution from the uniform one, and its p value.

    The p value is the limit for large samples, with Stephens' correction for small ones
    (Stephens, "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without
    extensive tables", 1970). Nothing gives (0, 1).
    """
    count = len(chances)
    if not count:
        return 0.0, 1.0
    ordered = np.sort(chances)
    steps = np.arange(count + 1) / count
    distance = float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
    scaled = distance * (np.sqrt(count) + 0.12 + 0.11 / np.sqrt(count))
    if scaled < 0.2:  # here the series converges slowly, to 1
        return distance, 1.0
    terms = np.arange(1, 101)
    series = 2.0 * np.sum((-1.0) ** (terms - 1) * np.exp(-2.0 * (terms * scaled) ** 2))
    return distance, float(np.clip(series, 0.0, 1.0))
