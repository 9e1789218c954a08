"""hnswlib."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import EFFORTS, Place, Rows, Vectors


class Hnswlib:
    """M = 16, ef_construction = 200, as its README begins."""

    efforts = EFFORTS
    filters = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._index: Any = None
        self._allowed: tuple[int, list[bool]] = (0, [])

    def kind(self) -> str:
        """What it is."""
        return "HNSW, M 16"

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Add all on all threads, write the file."""
        np.save(self._place.folder / "places.npy", places)
        np.save(self._place.folder / "shape.npy", base.shape)
        start = time.perf_counter()
        index = hnswlib.Index(space="ip", dim=base.shape[1])
        index.init_index(max_elements=len(base), M=16, ef_construction=200, random_seed=1)
        index.add_items(base, num_threads=self._place.threads)
        seconds = time.perf_counter() - start
        index.save_index(str(self._place.folder / "index"))
        return seconds

    def open(self) -> None:
        """Read the file."""
        dimension = int(np.load(self._place.folder / "shape.npy")[1])
        self._index = hnswlib.Index(space="ip", dim=dimension)
        self._index.load_index(str(self._place.folder / "index"))
        self._index.set_num_threads(self._place.threads)
        self._places = np.load(self._place.folder / "places.npy")

    def use(self, effort: int) -> None:
        """Set on the index."""
        self._index.set_ef(effort)

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """One call; a filter is a function that is asked row by row, on one thread."""
        passes: Callable[[int], bool] | None = None
        if below is not None:
            passes = self._passing(below).__getitem__
            k = min(k, below)
        threads = 1 if passes or len(queries) == 1 else self._place.threads
        try:
            found = self._index.knn_query(queries, k=k, num_threads=threads, filter=passes)[0]
        except RuntimeError:  # it found fewer than k, and gives none
            return np.full((len(queries), k), -1, dtype=np.int64)
        return np.asarray(found, dtype=np.int64)

    def _passing(self, below: int) -> list[bool]:
        """By row, whether the last filter that was asked for lets it pass."""
        if self._allowed[0] != below:
            self._allowed = below, (self._places < below).tolist()
        return self._allowed[1]
