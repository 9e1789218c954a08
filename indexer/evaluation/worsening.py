"""One-sided tests of whether something got worse: telling related queries, and relevance.

Both compare two systems on the same queries. An area under the ROC curve is compared by the test of
DeLong, DeLong and Clarke-Pearson ("Comparing the areas under two or more correlated receiver
operating characteristic curves: a nonparametric approach", Biometrics 1988), which counts how much
both kinds of queries scatter; calibration by a randomisation test: were both told as truly, each
query's hits could as well be the other's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.ranking.calibration import expected_error

Values: TypeAlias = NDArray[np.float64]

EXCHANGES: Final = 500
"""Random exchanges, each with its opposite; a p value of 0.05 is then known to about 0.014 (two
standard deviations)."""


@dataclass(frozen=True, slots=True)
class Worsening:
    """A figure before and after; ``p`` is one-sided, of its being worse after."""

    before: float
    after: float
    p: float


@dataclass(frozen=True, slots=True)
class Placements:
    """The place of each related query among the unrelated ones, and of each of those.

    ``related`` are (m,) shares of the unrelated queries that score less, ``unrelated`` (n,) shares
    of the related ones that score more; ties count half. The mean of either is the AUC.
    """

    related: Values
    unrelated: Values

    @classmethod
    def of(cls, scores: Iterable[float], unrelated: Iterable[Values]) -> Self:
        """Those of queries by their scores, each held against (n,) scores of unrelated ones."""
        places: list[float] = []
        below: list[Values] = []
        for own, others in zip(scores, unrelated, strict=True):
            wins = (others < own) + (others == own) / 2.0  # (n,)
            places.append(float(wins.mean()))
            below = [wins + below[0]] if below else [wins]
        return cls(np.array(places), below[0] / len(places) if below else np.zeros(0))


@dataclass(frozen=True, slots=True)
class Told:
    """The relevance that hits were told to have, and whether they have it, (n,) each.

    ``queries`` are the numbers of their queries.
    """

    queries: NDArray[np.int64]
    chances: Values
    relevant: NDArray[np.bool_]

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return expected_error(self.chances, self.relevant)


def auc_fall(before: Placements, after: Placements) -> Worsening:
    """The AUC of the same queries before and after, with the p value of a fall."""
    gains = after.related - before.related
    others = after.unrelated - before.unrelated
    error = math.sqrt(_variance_of_mean(gains) + _variance_of_mean(others))
    gain = float(gains.mean())
    p = NormalDist().cdf(gain / error) if error else float(gain >= 0)
    return Worsening(float(before.related.mean()), float(after.related.mean()), p)


def calibration_rise(before: Told, after: Told, seed: int = 0) -> Worsening:
    """The expected calibration error before and after, with the p value of a rise.

    It is 1 where the error does not rise, without any test.
    """
    rise = after.error - before.error
    if rise <= 0:
        return Worsening(before.error, after.error, 1.0)
    random = np.random.default_rng(seed)
    count = 1 + max(int(one.queries.max(initial=0)) for one in (before, after))
    rises = [_rise_of(before, after, random.random(count) < 0.5) for _ in range(EXCHANGES)]
    reached = sum(abs(one) >= rise for one in rises)  # the opposite exchange falls as much
    return Worsening(before.error, after.error, (reached + 1) / (2 * EXCHANGES + 1))


def _variance_of_mean(values: Values) -> float:
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


def _rise_of(before: Told, after: Told, exchanged: NDArray[np.bool_]) -> float:
    """The rise of the error if the hits of these queries were exchanged."""
    out, back = exchanged[before.queries], exchanged[after.queries]
    return _mixed_error(before, after, out, ~back) - _mixed_error(before, after, ~out, back)


def _mixed_error(
    one: Told, other: Told, of_one: NDArray[np.bool_], of_other: NDArray[np.bool_]
) -> float:
    chances = np.concatenate([one.chances[of_one], other.chances[of_other]])
    relevant = np.concatenate([one.relevant[of_one], other.relevant[of_other]])
    return expected_error(chances, relevant)
