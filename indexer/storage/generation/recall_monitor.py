"""Recall while serving: a sample of real queries is also answered exactly, and compared.

The exact answer costs far more than the approximate one, so its share of the machine is bounded,
not its share of the queries: after each comparison the watch rests for many times as long as that
took, and ignores the queries that come meanwhile.

Each index is judged separately, with and without a filter and in each band of k, so that good
answers of one do not hide the misses of another. It is judged by betting against it: if its recall
is at least the target, no bet on less gains in the mean. So few misses convict an index that finds
nothing, and repeated looks do not convict a sound one (Waudby-Smith and Ramdas, "Estimating means
of bounded random variables by betting", 2024); past successes do not offset later misses, since
losses are forgiven (Shin, Ramdas and Rinaldo, "E-detectors", 2024).
"""

from __future__ import annotations

import queue
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.ann.efforts import Band, band_of
from indexer.ann.faiss_index import Allowed, RowIds, exact_search, use_threads
from indexer.ann.recall import K, Recall, estimate_recall, share_found
from indexer.background_task import BackgroundTask
from indexer.documents import Vector
from indexer.storage.ann.index_file import Sealed, searched_harder
from indexer.storage.generation.row_table import Delta, Part, RowTable

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

_CLOSE: Final = None


class Situation(StrEnum):
    """The index that was searched, sealed or delta, and whether under a filter."""

    SEALED = "sealed"
    SEALED_FILTERED = "sealed_filtered"
    DELTA = "late"
    DELTA_FILTERED = "late_filtered"

    @property
    def part(self) -> Part:
        """The index concerned."""
        unindexed = self in (Situation.DELTA, Situation.DELTA_FILTERED)
        return Part.DELTA if unindexed else Part.SEALED

    @property
    def is_filtered(self) -> bool:
        """Return whether a filter left live rows out."""
        return self in (Situation.SEALED_FILTERED, Situation.DELTA_FILTERED)


@dataclass(frozen=True, slots=True)
class Observation:
    """An approximate answer for a query, (d,): scores and numbers of its best rows, (k,) or more.

    Of these ``k`` were asked for; they are more if they tie with the last.
    """

    rows: RowTable
    query: Vector
    allowed: Allowed | None
    scores: NDArray[np.float32]
    nearest: RowIds
    k: int = K

    @property
    def is_filtered(self) -> bool:
        """Return whether live rows were excluded."""
        return self.allowed is not None and self.allowed is not self.rows.live


@dataclass(frozen=True, slots=True)
class Fall:
    """Recall below the target, in a situation of these rows, for as many as it says."""

    rows: RowTable
    situation: Situation
    recall: Recall

    @property
    def band(self) -> Band:
        """The searches concerned."""
        return Band(self.recall.k, self.situation.is_filtered)


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


def after_fall(rows: RowTable, fall: Fall) -> RowTable:
    """The rows with a more thorough search: with slower parameters, or without the index.

    Without it if there are no slower parameters, or if so little was found that none would help.
    """
    part = fall.situation.part
    if fall.recall.high >= HOPELESS:
        if (
            part is Part.SEALED
            and rows.index
            and (better := searched_harder(rows.index, fall.band))
        ):
            return replace(rows, index=better)
        if part is Part.DELTA and rows.delta:
            efforts = rows.delta.efforts.harder(rows.delta.index.kind, fall.band)
            if efforts:
                return replace(rows, delta=replace(rows.delta, efforts=efforts))
    distrusted = rows.distrusted | {part}
    return replace(rows, delta=None if part is Part.DELTA else rows.delta, distrusted=distrusted)


class RecallWatch:
    """Running estimates of recall; thread-safe.

    ``fall`` is called when recall is below the index's target in a situation, beyond doubt; the
    estimate of that situation then starts again.
    """

    def __init__(self, fall: Callable[[Fall], None], rest: float = REST) -> None:
        self._fall = fall
        self._rest = rest
        self._offered: queue.Queue[Observation | None] = queue.Queue(maxsize=1)
        self._shares: deque[float] = deque(maxlen=WINDOW)
        self._cases: dict[tuple[Situation, int], Case] = {}
        self._judged: dict[Part, Sealed | Delta | None] = {}
        self._file: str | None = None
        self._task = BackgroundTask("watch recall", self._watch)

    def offer(self, observations: Sequence[Observation]) -> None:
        """Compare one of these answers with the exact one, unless a comparison is under way."""
        if not observations or not self.is_free:
            return
        drawn = observations[secrets.randbelow(len(observations))]
        if drawn.rows.compares_all:
            return
        try:
            self._offered.put_nowait(drawn)
        except queue.Full:
            return
        self._task.start()

    @property
    def is_free(self) -> bool:
        """Return whether an answer can be offered now."""
        return not self._task.stopping.is_set() and not self._offered.full()

    def estimate(self) -> Recall | None:
        """Recall@10 over the last queries compared; None before the first."""
        shares = np.array(self._shares)
        return estimate_recall(shares, K) if len(shares) else None

    def situations(self) -> Mapping[str, Recall]:
        """Recall by situation, for those observed; beyond the first band, with its k."""
        return {
            str(one) if k == K else f"{one}@{k}": case.recall
            for (one, k), case in sorted(self._cases.copy().items())
        }

    def close(self) -> None:
        """Stop comparing."""
        self._task.stop()
        if self._task.is_running:
            self._offered.put(_CLOSE)
        self._task.wait()

    def _watch(self) -> None:
        use_threads(1)
        while (observation := self._offered.get()) is not _CLOSE:
            start = time.monotonic()
            self._compare(observation)
            self._task.stopping.wait(self._rest * (time.monotonic() - start))

    def _compare(self, observation: Observation) -> None:
        rows, index = observation.rows, observation.rows.index
        assert index is not None
        if index.file != self._file:  # another index, for which the old observations mean nothing
            self._file = index.file
            self._shares.clear()
        self._forget(Part.SEALED, index)
        self._forget(Part.DELTA, rows.delta)
        found = exact_search(
            observation.query[None], rows.vectors, observation.k, observation.allowed
        )
        scores, nearest = found[0][0], found[1][0]
        self._shares.append(share_found(observation.scores[:K], scores[:K]))
        band = band_of(observation.k)
        for situation, share in _shares_by_situation(observation, scores, nearest):
            case = self._cases.setdefault((situation, band), Case(band))
            case.add(share, index.target)
            if case.is_lost:
                del self._cases[situation, band]
                self._fall(Fall(rows, situation, case.recall))

    def _forget(self, part: Part, index: Sealed | Delta | None) -> None:
        """Start again with an index that has been replaced, or is searched more thoroughly."""
        if self._judged.get(part) is not index:
            self._judged[part] = index
            for case in [one for one in self._cases if one[0].part is part]:
                del self._cases[case]


def _shares_by_situation(
    observation: Observation, scores: NDArray[np.float32], nearest: RowIds
) -> list[tuple[Situation, float]]:
    """The answer's share of the nearest rows, by index; only for indexes with any of them.

    Rows that tie with the last are interchangeable: if one is in the answer instead of another, the
    other counts as found. Rows outside every index are always found.
    """
    rows = observation.rows
    sealed_rows = rows.index.index.rows if rows.index else 0
    covered = sealed_rows + (rows.delta.index.rows if rows.delta else 0)
    found = np.isin(nearest, observation.nearest)
    missed = round(len(nearest) * (1.0 - share_found(observation.scores[: len(scores)], scores)))
    found[np.flatnonzero(~found)[missed:]] = True
    filtered = observation.is_filtered
    parts = (
        (Situation.SEALED_FILTERED if filtered else Situation.SEALED, nearest < sealed_rows),
        (
            Situation.DELTA_FILTERED if filtered else Situation.DELTA,
            (nearest >= sealed_rows) & (nearest < covered),
        ),
    )
    return [(situation, float(found[own].mean())) for situation, own in parts if own.any()]
