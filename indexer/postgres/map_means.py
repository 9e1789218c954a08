"""The mean directions of a collection's documents, in a file of this machine while they are used.

A database gives vectors in an order once, and a map is drawn of them in any order: so they are
written down where they can be read as they are needed, however many there are.
"""

from __future__ import annotations

import tempfile

import numpy as np

from indexer.analysis.map_drawing import Numbers
from indexer.analysis.map_layout import mean_directions
from indexer.documents import Vectors
from indexer.postgres.scanning import whole_documents
from indexer.postgres.state import PostgresState


class StoredMeans:
    """See indexer.analysis.map_layout.Means."""

    def __init__(self, state: PostgresState) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        dimension = state.identity.dimension
        numbers = [np.zeros(0, np.int64)]
        for sample in whole_documents(state):
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
