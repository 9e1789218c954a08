"""The progress of a training, as it is told while it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps done of a phase, and of training its last loss, its measure and its speed.

    ``measure`` is the last taken on queries held out; NaN where there is none.
    """

    phase: str
    step: int
    steps: int
    loss: float = math.nan
    measure: float = math.nan
    pairs: int = 0
    seconds: float = 0.0


Tell: TypeAlias = Callable[[Progress], None]
"""The callback that a training reports its progress to."""
