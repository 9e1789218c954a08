"""Recall while serving: real queries of one generation's rows are watched, see recall_watch.

Each index is judged separately, with and without a filter and in each band of k, so that good
answers of one do not hide the misses of another.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from indexer.ann.efforts import Band, band_of
from indexer.ann.faiss_index import Allowed, RowIds, exact_search, use_threads
from indexer.ann.recall import K, Recall, estimate_recall, share_found
from indexer.ann.recall_watch import HOPELESS, REST, WINDOW, Case, Watch
from indexer.documents import Vector
from indexer.storage.ann.index_file import Sealed, searched_harder
from indexer.storage.generation.row_table import Delta, Part, RowTable


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
        self._watch = Watch(self._compare, rest)
        self._shares: deque[float] = deque(maxlen=WINDOW)
        self._cases: dict[tuple[Situation, int], Case] = {}
        self._judged: dict[Part, Sealed | Delta | None] = {}
        self._file: str | None = None

    def offer(self, observations: Sequence[Observation]) -> None:
        """Compare one of these answers with the exact one, unless a comparison is under way."""
        if not observations or not self.is_free:
            return
        drawn = observations[secrets.randbelow(len(observations))]
        if not drawn.rows.compares_all:
            self._watch.offer(drawn)

    @property
    def is_free(self) -> bool:
        """Return whether an answer can be offered now."""
        return self._watch.is_free

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
        self._watch.close()

    def _compare(self, observation: Observation) -> None:
        use_threads(1)
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
        band = band_of(observation.k)
        for situation, share in _shares_by_situation(observation, scores, nearest):
            case = self._cases.setdefault((situation, band), Case(band))
            case.add(share, index.target)
            if case.is_lost:
                del self._cases[situation, band]
                self._fall(Fall(rows, situation, case.recall))
        self._shares.append(share_found(observation.scores[:K], scores[:K]))  # judged by now

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
