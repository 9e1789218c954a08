"""USearch."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from benchmarks.peers import EFFORTS, Place, Rows, Vectors


class Usearch:
    """Half as many bytes a component, everything else as it comes."""

    efforts = EFFORTS
    filters = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._index: Any = None

    def kind(self) -> str:
        """What it is."""
        return "HNSW, bf16, connectivity 16"

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Add all on all threads, write the file."""
        del places
        start = time.perf_counter()
        index = Index(ndim=base.shape[1], metric="ip", dtype="bf16")
        index.add(np.arange(len(base)), np.asarray(base), threads=self._place.threads)
        seconds = time.perf_counter() - start
        index.save(str(self._place.folder / "index.usearch"))
        return seconds

    def open(self) -> None:
        """Read the file."""
        self._index = Index.restore(str(self._place.folder / "index.usearch"))

    def use(self, effort: int) -> None:
        """Set on the index."""
        self._index.expansion_search = effort

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """One call; there are no filters."""
        assert below is None
        threads = 1 if len(queries) == 1 else self._place.threads
        found = self._index.search(queries, k, threads=threads).keys
        return np.asarray(found).astype(np.int64).reshape(len(queries), -1)
