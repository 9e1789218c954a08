"""FAISS, used directly: the kinds that its users take first, and one like Bearing's own."""

from __future__ import annotations

import time
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import EFFORTS, Place, Rows, Vectors

_BATCH = 65_536
_TRAINING = 131_072


class Flat:
    """Every row compared."""

    efforts: tuple[int, ...] = (0,)
    filters = True

    def __init__(self, place: Place) -> None:
        self._file = str(place.folder / "index.faiss")
        self._effort = 0
        self._index: Any = None
        faiss.omp_set_num_threads(place.threads)

    def kind(self) -> str:
        """The factory's name of it."""
        return "Flat"

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Train on a sample, add all, write the file."""
        np.save(f"{self._file}.places.npy", places)
        start = time.perf_counter()
        index = self._make(*base.shape)
        sample = np.sort(np.random.default_rng(1).permutation(len(base))[:_TRAINING])
        index.train(np.ascontiguousarray(base[sample]))
        for first in range(0, len(base), _BATCH):
            index.add(np.ascontiguousarray(base[first : first + _BATCH]))
        seconds = time.perf_counter() - start
        faiss.write_index(index, self._file)
        return seconds

    def open(self) -> None:
        """Read the file."""
        self._index = faiss.read_index(self._file)
        self._places = np.load(f"{self._file}.places.npy", mmap_mode="r")

    def use(self, effort: int) -> None:
        """Given with each search."""
        self._effort = effort

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """One call; the allowed rows as a bitmap."""
        queries = np.ascontiguousarray(queries)
        selector = None
        if below is not None:
            bitmap = np.packbits(self._places < below, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bitmap), faiss.swig_ptr(bitmap))
        found: tuple[Vectors, Rows] = self._index.search(
            queries, k, params=self._parameters(selector)
        )
        return found[1]

    def _make(self, rows: int, dimension: int) -> Any:  # noqa: ANN401 - FAISS has no types
        del rows
        return faiss.index_factory(dimension, "Flat", faiss.METRIC_INNER_PRODUCT)

    def _parameters(self, selector: Any) -> Any:  # noqa: ANN401
        return faiss.SearchParameters(sel=selector)


class Partitioned(Flat):
    """Float32 vectors in lists."""

    efforts = EFFORTS

    def kind(self) -> str:
        """The factory's name of it."""
        return "IVF,Flat"

    def _make(self, rows: int, dimension: int) -> Any:  # noqa: ANN401
        lists = 2 ** round(np.log2(np.sqrt(rows)))
        return faiss.index_factory(dimension, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)

    def _parameters(self, selector: Any) -> Any:  # noqa: ANN401
        return faiss.SearchParametersIVF(nprobe=self._effort, sel=selector)


class Scan(Flat):
    """A scan of 4-bit codes, its best rescored from float32 in memory."""

    efforts = tuple(effort * 10 for effort in (5, 10, 20, 40, 80, 160, 320))
    filters = False

    def kind(self) -> str:
        """The factory's name of it."""
        return "PQ(d/4)x4fs,RFlat"

    def _make(self, rows: int, dimension: int) -> Any:  # noqa: ANN401
        del rows
        name = f"PQ{dimension // 4}x4fs,RFlat"
        return faiss.index_factory(dimension, name, faiss.METRIC_INNER_PRODUCT)

    def _parameters(self, selector: Any) -> Any:  # noqa: ANN401
        del selector
        return faiss.IndexRefineSearchParameters(k_factor=self._effort / 10)


class Graph(Flat):
    """HNSW over float32 vectors."""

    efforts = EFFORTS

    def kind(self) -> str:
        """The factory's name of it."""
        return "HNSW32"

    def _make(self, rows: int, dimension: int) -> Any:  # noqa: ANN401
        del rows
        return faiss.index_factory(dimension, "HNSW32", faiss.METRIC_INNER_PRODUCT)

    def _parameters(self, selector: Any) -> Any:  # noqa: ANN401
        return faiss.SearchParametersHNSW(efSearch=self._effort, sel=selector)
