"""Recall while serving: a sample of real queries is also answered exactly, and compared.

The exact answer costs far more than the approximate one, so its share of the machine is bounded,
not its share of the queries: after each comparison the watch rests for many times as long as that
took, and ignores the queries that come meanwhile.

An index is judged by betting against it: if its recall is at least the target, no bet on less gains
in the mean. So few misses convict an index that finds nothing, and repeated looks do not convict a
sound one (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
2024); past successes do not offset later misses, since losses are forgiven (Shin, Ramdas and
Rinaldo, "E-detectors", 2024).
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.ann.recall import K, Recall, estimate_recall
from indexer.background_task import BackgroundTask

WINDOW: Final = 1_000
"""The number of last comparisons that an estimate is made from."""

LEAST_QUERIES: Final = 5
"""Nothing is concluded from fewer queries."""

ODDS: Final = 10_000.0
"""The gain that convicts an index; a sound one takes this many comparisons to it, on average."""

BETS: Final = (0.05, 0.2, 0.5, 0.9)
"""Shares of the capital staked: small ones detect small falls, large ones large falls soon."""

HOPELESS: Final = 0.5
"""An index that surely finds less than this is broken, or unfit for these queries."""

REST: Final = 50.0
"""The watch rests this many times as long as a comparison took: it takes about 2 % of one core."""

_Seen = TypeVar("_Seen")


@dataclass(slots=True)
class Case:
    """The observations in a situation and a band, and the gains of bets against its index."""

    k: int = K
    shares: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    gains: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BETS)))

    def add(self, share: float, target: float) -> None:
        """Add an answer's share of the rows to be found."""
        self.shares.append(share)
        won = 1.0 + np.array(BETS) / (1.0 - target) * (target - share)
        self.gains = np.maximum(self.gains, 0.0) + np.log(won)

    @property
    def recall(self) -> Recall:
        """The recall over the last answers."""
        return estimate_recall(np.array(self.shares), self.k)

    @property
    def is_lost(self) -> bool:
        """Return whether recall is below the target beyond doubt."""
        enough = len(self.shares) >= LEAST_QUERIES
        return enough and float(np.exp(np.minimum(self.gains, 700.0)).mean()) >= ODDS


class Watch(Generic[_Seen]):
    """Compares answers on a thread, one at a time, and rests in between; thread-safe."""

    def __init__(self, compare: Callable[[_Seen], None], rest: float = REST) -> None:
        """``compare`` compares an answer with the exact one."""
        self._compare = compare
        self._rest = rest
        self._offered: queue.Queue[_Seen | None] = queue.Queue(maxsize=1)
        self._task = BackgroundTask("watch recall", self._watch)

    @property
    def is_free(self) -> bool:
        """Return whether an answer can be offered now."""
        return not self._task.stopping.is_set() and not self._offered.full()

    def offer(self, seen: _Seen) -> None:
        """Compare an answer with the exact one, unless a comparison is under way."""
        if self._task.stopping.is_set():
            return
        try:
            self._offered.put_nowait(seen)
        except queue.Full:
            return
        self._task.start()

    def close(self) -> None:
        """Stop comparing."""
        self._task.stop()
        if self._task.is_running:
            self._offered.put(None)
        self._task.wait()

    def _watch(self) -> None:
        while (seen := self._offered.get()) is not None:
            start = time.monotonic()
            self._compare(seen)
            self._task.stopping.wait(self._rest * (time.monotonic() - start))


def told(last: Recall | None, situations: Mapping[str, Recall]) -> dict[str, object]:
    """The recall of the last queries, and in each situation, as descriptions have them."""
    return {
        "watched_recall": last and last.mean,
        "watched_interval": last and [last.low, last.high],
        "watched_queries": last.queries if last else 0,
        "watched_situations": {
            situation: {"recall": one.mean, "queries": one.queries}
            for situation, one in situations.items()
        },
    }
