"""LanceDB, in-process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.peers import EFFORTS, Place, Rows, Vectors

_NAME = "benchmark"
_BATCH = 16_384
_PROBES_PER_REFINE = 16
"""With each so many lists visited, k more rows are rescored from float32."""


class Lance:
    """IVF_PQ with its own defaults, its best rows rescored; a B-tree for filters."""

    efforts = EFFORTS
    filters = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._table: Any = None
        self._effort = EFFORTS[0]

    def kind(self) -> str:
        """What it is."""
        return "IVF_PQ"

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Write the table, then the indexes; seconds of the indexes."""
        vector = pa.list_(pa.float32(), base.shape[1])
        schema = pa.schema([("id", pa.int64()), ("place", pa.int64()), ("vector", vector)])

        def batches() -> Iterator[pa.RecordBatch]:
            for first in range(0, len(base), _BATCH):
                part = np.asarray(base[first : first + _BATCH])
                flat = pa.array(part.reshape(-1))
                columns = [
                    pa.array(np.arange(first, first + len(part))),
                    pa.array(places[first : first + len(part)]),
                    pa.FixedSizeListArray.from_arrays(flat, base.shape[1]),
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

        table = lancedb.connect(self._place.folder).create_table(_NAME, batches(), schema=schema)
        start = time.perf_counter()
        table.create_index(metric="cosine", index_type="IVF_PQ")
        table.create_scalar_index("place")
        return time.perf_counter() - start

    def open(self) -> None:
        """Open the table."""
        self._table = lancedb.connect(self._place.folder).open_table(_NAME)

    def use(self, effort: int) -> None:
        """Given with each search."""
        self._effort = effort

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """One call for all queries, whose answers come one below the other."""
        given = queries[0] if len(queries) == 1 else list(queries)
        asked = self._table.search(given, vector_column_name="vector").distance_type("cosine")
        refined = 1 + self._effort // _PROBES_PER_REFINE
        asked = asked.nprobes(self._effort).refine_factor(refined)
        asked = asked.limit(k).select(["id", "_distance"])
        if below is not None:
            asked = asked.where(f"place < {below}", prefilter=True)
        found = asked.to_arrow()
        ids = found["id"].to_numpy()
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        if len(queries) == 1:
            rows[0, : len(ids)] = ids
            return rows
        of = found["query_index"].to_numpy()
        for number, line in enumerate(rows):
            own = ids[of == number][:k]
            line[: len(own)] = own
        return rows
