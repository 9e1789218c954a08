"""The number of queries that it takes to show a difference."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

POWER: Final = 0.8
"""The chance with which a true difference of that size is to be found."""


def queries_needed(mean: float, deviation: float, level: float, power: float = POWER) -> int | None:
    """The number of paired queries that show a mean difference at a two-sided level.

    By the normal approximation: ((z of 1 - level/2 + z of power) deviation / mean)^2 (Cohen,
    "Statistical power analysis for the behavioral sciences", 1988). None if there is no difference
    to show, or no number would do.
    """
    if mean == 0 or not math.isfinite(deviation / mean):
        return None
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)
    return max(2, math.ceil((wanted * deviation / mean) ** 2))
