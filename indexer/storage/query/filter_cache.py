"""The rows that a search may return, and the number of their documents.

The sets of rows that pass filters, and counts, are cached until the collection changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.engine import Counts
from indexer.filters import Filter
from indexer.storage.generation.row_table import RowTable
from indexer.storage.sqlite.records import NOBODY
from indexer.storage.sqlite.snapshot import Snapshot

CACHE_BYTES: Final = 64_000_000

FEW_UNKNOWN: Final = 1_000
"""With more documents of which the model knows no word, those found are looked up in the store."""

_Key: TypeAlias = tuple[int, int, str]
"""Sequence, generation, and the filter's text, since 1 equals true in Python but not there."""


@dataclass(frozen=True, slots=True)
class FilterMask:
    """The rows and documents that pass a filter: (rows,) bool, and (numbers,) bool by number."""

    rows: NDArray[np.bool_]
    documents: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        """The memory it takes, in bytes."""
        return self.rows.nbytes + self.documents.nbytes


@dataclass(frozen=True, slots=True)
class Selection:
    """``rows`` (rows,) bool that a search may return, None for all; read-only.

    ``total`` is the number of their documents.
    """

    rows: NDArray[np.bool_] | None
    total: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts of a state of the store; ``newest`` is a bound on document numbers.

    ``has_pictures`` says that a document has one. ``unknown`` are the rows of which the model knows
    no word, by their documents; None if these are many.
    """

    sequence: int
    counts: Counts
    newest: int
    has_pictures: bool = False
    unknown: Mapping[int, Sequence[int]] | None = None


class FilterCache:
    """The rows that pass a filter, cached for repeated filters. Thread-safe."""

    def __init__(self, capacity_bytes: int = CACHE_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept: OrderedDict[_Key, FilterMask] = OrderedDict()
        self._totals = Totals(-1, Counts(0, 0, 0), 0)

    def totals(self, snapshot: Snapshot) -> Totals:
        """The counts; cached by sequence, as each search asks and each commit has its own."""
        known = self._totals
        if known.sequence != snapshot.sequence:
            counts = snapshot.counts()
            known = self._totals = Totals(
                snapshot.sequence,
                counts,
                snapshot.last_number(),
                snapshot.has_pictures(),
                snapshot.every_unknown() if counts.unknown <= FEW_UNKNOWN else None,
            )
        return known

    def select(
        self,
        snapshot: Snapshot,
        rows: RowTable,
        condition: Filter | None,
        without: Sequence[int] = (),
        last: int | None = None,
    ) -> Selection:
        """The rows of documents that pass a filter, ``without`` some and those after the last."""
        passing = None if condition is None else self._passing(snapshot, rows, condition)
        totals = self.totals(snapshot)
        last = totals.newest if last is None else min(last, totals.newest)
        hidden = [number for number in without if 0 <= number <= last]  # others are hidden anyway
        chosen = rows.live if passing is None else passing.rows
        if hidden or last < totals.newest:
            chosen = _narrowed(rows, chosen, hidden, last)
        return Selection(chosen, _count(snapshot, passing, hidden, last, totals))

    def _passing(self, snapshot: Snapshot, rows: RowTable, condition: Filter) -> FilterMask:
        key = (rows.sequence, rows.generation, repr(condition))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        mask = _evaluate(snapshot, rows, condition)
        with self._lock:
            self._keep(key, mask)
        return mask

    def _keep(self, key: _Key, mask: FilterMask) -> None:
        if key in self._kept or mask.nbytes > self._capacity_bytes:
            return
        self._kept[key] = mask
        self._bytes += mask.nbytes
        while self._bytes > self._capacity_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


def _evaluate(snapshot: Snapshot, rows: RowTable, condition: Filter) -> FilterMask:
    size = max(rows.last_number, snapshot.last_number()) + 2  # and one for rows of none
    documents = snapshot.matching(condition, size)
    owned = np.zeros(size, dtype=np.bool_)
    owned[rows.owners] = True
    owned[NOBODY] = False
    documents &= owned
    return FilterMask(documents[rows.owners], documents)


def _narrowed(
    rows: RowTable, chosen: NDArray[np.bool_] | None, hidden: Sequence[int], last: int
) -> NDArray[np.bool_]:
    """The chosen rows without those of hidden documents and of those added after the last."""
    numbers = np.array(hidden, dtype=np.int64)
    shown = np.ones(max(rows.last_number, last, *hidden, 0) + 2, dtype=np.bool_)
    shown[numbers] = False
    shown[last + 1 :] = False  # including the one for rows of none
    left: NDArray[np.bool_] = shown[rows.owners]
    return left if chosen is None else left & chosen


def _count(
    snapshot: Snapshot, mask: FilterMask | None, hidden: Sequence[int], last: int, totals: Totals
) -> int:
    """The number of documents up to the last that pass and are not hidden."""
    if mask is None and not hidden and last >= totals.newest:
        return totals.counts.documents
    out = np.unique(np.array(hidden, dtype=np.int64))
    if mask is not None:
        return int(np.count_nonzero(mask.documents[: last + 1]) - mask.documents[out].sum())
    later = snapshot.count_after(last) if last < totals.newest else 0
    return totals.counts.documents - later - snapshot.count_of(out.tolist())
