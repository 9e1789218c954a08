"""Recall while serving: a sample of real queries is answered exactly as well, beside the answers.

The exact answer costs far more than the approximate one, so its share of the machine is bounded,
not its share of the queries: after each comparison the watch rests for many times as long as that
took, and queries that come meanwhile are not looked at.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector
from indexer.storage.nearest import Allowed, exact_search, use_threads
from indexer.storage.rows import Rows
from indexer.storage.tuning import K, Recall, estimate_recall, share_found

WINDOW: Final = 1_000
"""How many of the last comparisons the estimate is made of."""

LEAST_QUERIES: Final = 50
"""Nothing is concluded from fewer."""

REST: Final = 50.0
"""Rest this many times as long as a comparison took: so about 2 % of one core."""

_CLOSE: Final = None


@dataclass(frozen=True, slots=True)
class Observation:
    """An approximate answer: the scores of its best rows, (k,), for a query, (d,)."""

    rows: Rows
    query: Vector
    allowed: Allowed | None
    scores: NDArray[np.float32]


class RecallWatch:
    """Keeps a running estimate of recall; safe to offer to from several threads.

    ``fall`` is called, with the estimate, when recall is below the index's target with 97.5 %
    confidence; the estimate then begins anew.
    """

    def __init__(self, fall: Callable[[Rows, Recall], None], rest: float = REST) -> None:
        self._fall = fall
        self._rest = rest
        self._offered: queue.Queue[Observation | None] = queue.Queue(maxsize=1)
        self._shares: deque[float] = deque(maxlen=WINDOW)
        self._file: str | None = None
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def offer(self, observation: Observation) -> None:
        """Compare this answer with the exact one, if the watch has nothing else to do."""
        if self._offered.full() or self._closed or observation.rows.index is None:
            return
        try:
            self._offered.put_nowait(observation)
        except queue.Full:
            return
        self._start()

    def estimate(self) -> Recall | None:
        """Recall over the last queries that were compared; None before there were any."""
        shares = np.array(self._shares)
        return estimate_recall(shares, K) if len(shares) else None

    def close(self) -> None:
        """Stop comparing."""
        self._closed = True
        with self._starting:
            thread = self._thread
        if thread is not None:
            self._offered.put(_CLOSE)
            thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch recall", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        use_threads(1)
        while (observation := self._offered.get()) is not _CLOSE:
            start = time.monotonic()
            self._compare(observation)
            self._pause(self._rest * (time.monotonic() - start))

    def _pause(self, seconds: float) -> None:
        """Rest in short steps, so that closing does not wait for long."""
        end = time.monotonic() + seconds
        while not self._closed and time.monotonic() < end:
            time.sleep(min(0.1, max(end - time.monotonic(), 0)))

    def _compare(self, observation: Observation) -> None:
        index = observation.rows.index
        assert index is not None
        if index.file != self._file:  # another index: what was seen of the last says nothing
            self._file = index.file
            self._shares.clear()
        exact, _ = exact_search(
            observation.query[None], observation.rows.vectors, K, observation.allowed
        )
        self._shares.append(share_found(observation.scores[:K], exact[0]))
        recall = estimate_recall(np.array(self._shares), K)
        if recall.queries >= LEAST_QUERIES and recall.high < index.target:
            self._shares.clear()
            self._fall(observation.rows, recall)
