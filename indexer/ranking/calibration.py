"""The probability that a hit is relevant, from its score, learned from judged queries.

A hit's score and its rank determine it: log odds = a score - b log(rank) + c, by logistic
regression (Platt, "Probabilistic outputs for support vector machines", 1999, with the rank as a
second feature), then an isotonic curve from that to relevance (Zadrozny and Elkan, "Transforming
classifier scores into accurate multiclass probability estimates", 2002). With the score alone, a
curve that is right for a hundred hits is wrong for the first ten of them: at the same score, the
first hit of a query is relevant more often than the fiftieth.

Fitting needs scikit-learn, applying only NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import InvalidInput

Floats: TypeAlias = NDArray[np.float64]

FOLDS: Final = 5
BINS: Final = 10
TOP: Final = 10
LEAST_QUERIES: Final = 20
"""Fewer judged queries, or fewer relevant hits, are not enough to learn from."""

_SEED: Final = 0
_TEMPERATURES: Final = (1e-3, 10.0)
_GOLDEN: Final = (np.sqrt(5.0) - 1.0) / 2.0
_STEPS: Final = 60
_LEAST_CHANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Judged:
    """Hits of judged queries, one an entry, (n,) each.

    ``places`` count from 1; ``cosines`` may hold NaN where one is not known; ``queries`` are
    numbers that identify the queries.
    """

    queries: NDArray[np.int64]
    scores: Floats
    cosines: Floats
    places: NDArray[np.int64]
    relevant: NDArray[np.bool_]

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """Only these entries."""
        return type(self)(
            self.queries[kept],
            self.scores[kept],
            self.cosines[kept],
            self.places[kept],
            self.relevant[kept],
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """Score and place to relevance: log odds as below, then an isotonic curve through the knots."""

    score_weight: float
    place_weight: float
    intercept: float
    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, scores: Floats, places: NDArray[np.int64]) -> Floats:
        """(n,) in [0, 1]: non-decreasing in the score, non-increasing in the place."""
        odds = self.score_weight * scores - self.place_weight * np.log(places) + self.intercept
        relevance: Floats = np.interp(odds, self.knots, self.values)
        return relevance


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of predicted relevance against the judgements, on queries held out.

    ``expected`` is the expected calibration error over bins of equally many hits, for the first TOP
    hits of a query; ``expected_all`` for all hits. ``brier`` and ``log_loss`` are for the first
    TOP, and ``base`` is the share of those that is relevant.
    """

    expected: float
    expected_all: float
    brier: float
    log_loss: float
    base: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of one kind of ranking with one model.

    ``ranking`` and ``model`` (a fingerprint) say which. ``temperature`` makes the softmax of
    cosines over the candidates likeliest to choose a relevant one; None if no cosine is known.
    """

    ranking: str
    model: str
    curve: Curve
    temperature: float | None
    errors: Errors
    queries: int
    hits: int
    dataset: str


def fit_curve(judged: Judged) -> Curve:
    """The curve fitted to these hits. Raises InvalidInput if none, or all, are relevant."""
    from sklearn.isotonic import IsotonicRegression  # costs a second, which only fitting should pay
    from sklearn.linear_model import LogisticRegression

    if judged.relevant.all() or not judged.relevant.any():
        raise InvalidInput("hits of one kind only, relevant or not, say nothing of the difference")
    centre, scale = float(judged.scores.mean()), float(judged.scores.std()) or 1.0
    features = np.column_stack([(judged.scores - centre) / scale, -np.log(judged.places)])
    model = LogisticRegression(C=100.0, max_iter=1_000).fit(features, judged.relevant)
    weights = np.maximum(model.coef_[0], 0.0)  # a better score must not lower the relevance
    odds = features @ weights
    isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    isotonic.fit(odds, judged.relevant.astype(np.float64))
    return Curve(
        float(weights[0] / scale),
        float(weights[1]),
        float(-weights[0] * centre / scale),
        tuple(isotonic.X_thresholds_.tolist()),
        tuple(isotonic.y_thresholds_.tolist()),
    )


def fit_temperature(judged: Judged) -> float | None:
    """The temperature at which the softmax of cosines chooses relevant hits most often.

    It minimises the mean over queries of -log of the total share of the relevant hits
    (temperature scaling: Guo et al., "On calibration of modern neural networks", 2017), over
    queries that have relevant and other hits. None if there is no such query.
    """
    known = judged.where(np.isfinite(judged.cosines))
    groups = [
        (known.cosines[own], known.relevant[own])
        for own in (known.queries == query for query in np.unique(known.queries))
        if known.relevant[own].any() and not known.relevant[own].all()
    ]
    if not groups:
        return None
    low, high = np.log(_TEMPERATURES)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _surprise(groups, left) < _surprise(groups, right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _surprise(groups: list[tuple[Floats, NDArray[np.bool_]]], log_temperature: float) -> float:
    temperature = np.exp(log_temperature)
    total = 0.0
    for cosines, relevant in groups:
        exponents = (cosines - cosines.max()) / temperature
        best = exponents[relevant].max()
        wanted = best + np.log(np.exp(exponents[relevant] - best).sum())
        total += float(np.log(np.exp(exponents).sum()) - wanted)
    return total / len(groups)


def held_out_relevance(judged: Judged, folds: int = FOLDS) -> Floats:
    """The relevance of each hit by a curve of the other queries, (n,): cross-validated by query.

    Raises InvalidInput if fewer than LEAST_QUERIES queries have a relevant hit.
    """
    useful = len(np.unique(judged.queries[judged.relevant]))
    if useful < LEAST_QUERIES:
        raise InvalidInput(
            f"{useful} judged queries have a relevant hit; at least {LEAST_QUERIES} are needed"
        )
    ids = np.unique(judged.queries)
    order = np.random.default_rng(_SEED).permutation(len(ids))
    fold = np.empty(len(ids), dtype=np.int64)
    fold[order] = np.arange(len(ids)) % folds
    own = fold[np.searchsorted(ids, judged.queries)]
    relevance = np.empty(len(judged.queries))
    for number in range(folds):
        here = own == number
        curve = fit_curve(judged.where(~here))
        relevance[here] = curve(judged.scores[here], judged.places[here])
    return relevance


def errors_of(relevance: Floats, judged: Judged) -> Errors:
    """The errors of relevance, (n,), against the judgements."""
    top = judged.places <= TOP
    given, truth = relevance[top], judged.relevant[top].astype(np.float64)
    bounded = np.clip(given, _LEAST_CHANCE, 1.0 - _LEAST_CHANCE)
    return Errors(
        expected_error(given, judged.relevant[top]),
        expected_error(relevance, judged.relevant),
        float(np.square(given - truth).mean()),
        float(-(truth * np.log(bounded) + (1.0 - truth) * np.log(1.0 - bounded)).mean()),
        float(truth.mean()),
    )


def held_out_errors(judged: Judged) -> Errors:
    """The errors of a calibration by these hits, on queries that it was not learned from.

    Raises InvalidInput if fewer than LEAST_QUERIES queries have a relevant hit.
    """
    return errors_of(held_out_relevance(judged), judged)


def expected_error(chances: Floats, happened: NDArray[np.bool_], bins: int = BINS) -> float:
    """The expected calibration error: |mean probability - observed share|, weighted, over bins.

    Bins hold equally many entries, by rising probability (Nguyen and O'Connor, 2015); equal ones
    share a bin, so that the order of the entries does not matter.
    """
    if not len(chances):
        return 0.0
    _, place, counts = np.unique(chances, return_inverse=True, return_counts=True)
    shares = np.bincount(place, weights=happened) / counts  # of each value
    truth = shares[place]
    order = np.argsort(chances, kind="stable")
    gaps = [
        abs(float((chances[part] - truth[part]).sum()))
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / len(chances)


def calibrate(judged: Judged, ranking: str, model: str, dataset: str) -> Calibration:
    """The calibration learned from these hits, with its errors on queries held out.

    Raises InvalidInput if fewer than LEAST_QUERIES queries have a relevant hit.
    """
    errors = held_out_errors(judged)
    return Calibration(
        ranking,
        model,
        fit_curve(judged),
        fit_temperature(judged),
        errors,
        len(np.unique(judged.queries)),
        len(judged.queries),
        dataset,
    )
