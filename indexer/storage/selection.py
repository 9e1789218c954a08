"""Filters as sets of rows, kept as long as the collection does not change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.filters import Filter
from indexer.storage.rows import Rows
from indexer.storage.store import Snapshot
from indexer.storage.writing import NOBODY

CACHE_BYTES: Final = 64_000_000

_Key: TypeAlias = tuple[int, int, str]
"""Sequence, generation, and the filter's text, since 1 equals true in Python but not there."""


class Selections:
    """The rows that pass a filter; repeated filters are looked up. Safe to use from threads."""

    def __init__(self, capacity_bytes: int = CACHE_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept: OrderedDict[_Key, NDArray[np.bool_]] = OrderedDict()

    def select(
        self, snapshot: Snapshot, rows: Rows, condition: Filter | None, without: list[int]
    ) -> NDArray[np.bool_] | None:
        """(rows,) bool: owned rows of documents that pass, ``without`` some; None for all rows.

        Not to be written to.
        """
        chosen = rows.live if condition is None else self._passing(snapshot, rows, condition)
        if not without:
            return chosen
        left = ~np.isin(rows.owners, without)
        return left if chosen is None else left & chosen

    def _passing(self, snapshot: Snapshot, rows: Rows, condition: Filter) -> NDArray[np.bool_]:
        key = (rows.sequence, rows.generation, repr(condition))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        passing = _evaluate(snapshot, rows, condition)
        with self._lock:
            self._keep(key, passing)
        return passing

    def _keep(self, key: _Key, passing: NDArray[np.bool_]) -> None:
        if key in self._kept or passing.nbytes > self._capacity_bytes:
            return
        self._kept[key] = passing
        self._bytes += passing.nbytes
        while self._bytes > self._capacity_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


def _evaluate(snapshot: Snapshot, rows: Rows, condition: Filter) -> NDArray[np.bool_]:
    size = max(rows.last_number, snapshot.last_number()) + 2  # the last stands for no document
    documents = snapshot.matching(condition, size)
    documents[NOBODY] = False
    return documents[rows.owners]
