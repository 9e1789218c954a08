"""The mean directions of a collection's documents, in a file of this machine while they are used.

A database gives vectors in an order once, and a map is drawn of them in any order: so they are
written down where they can be read as they are needed, however many there are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np

from indexer.analysis.map_drawing import Numbers
from indexer.analysis.map_layout import mean_directions
from indexer.documents import Vectors
from indexer.engine import Sample
from indexer.postgres.state import PostgresState

_ROWS = 2_048


class StoredMeans:
    """See indexer.analysis.map_layout.Means."""

    def __init__(self, state: PostgresState) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        dimension = state.identity.dimension
        numbers = [np.zeros(0, np.int64)]
        for sample in _whole(state.scan(_ROWS), dimension):
            own, firsts = np.unique(sample.keys, return_index=True)
            self._file.write(mean_directions(sample.vectors, firsts).tobytes())
            numbers.append(own)
        self._file.flush()
        self.numbers: Numbers = np.concatenate(numbers)
        shape = len(self.numbers), dimension
        self._vectors: Vectors = np.zeros(shape, np.float32)
        if len(self.numbers):
            self._vectors = np.memmap(self._file, np.float32, "r", shape=shape)

    def of(self, chosen: Numbers) -> Vectors:
        """(m, d) float32 unit rows for m indices into ``numbers``."""
        return np.array(self._vectors[chosen])

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def _whole(samples: Iterator[Sample], dimension: int) -> Iterator[Sample]:
    """The same vectors in parts that cut no document in two."""
    vectors, keys = np.zeros((0, dimension), np.float32), np.zeros(0, np.int64)
    for one in samples:
        vectors, keys = np.concatenate([vectors, one.vectors]), np.concatenate([keys, one.keys])
        end = int(np.searchsorted(keys, keys[-1]))
        if end:
            yield Sample(vectors[:end], keys[:end])
        vectors, keys = vectors[end:], keys[end:]
    if len(keys):
        yield Sample(vectors, keys)
