"""The engine of static models: the mean of the vectors of a text's tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import Runtime, TextRole
from indexer.embedding.engine import EngineEmbedder, assemble
from indexer.embedding.pieces import tokenizer_of
from indexer.embedding.static.model import WINDOW, read_static
from indexer.embedding.tokenizer import Ids
from indexer.errors import ModelError
from indexer.matrix_threads import threads_for_product

BUDGET: Final = 65_536
"""Tokens of a batch, which bounds only the memory of their ids."""

_ONES: Final = np.ones(WINDOW, np.float32)


def open_static(checkpoint: Checkpoint) -> EngineEmbedder:
    """The embedder of a static model; raises ModelError."""
    model = read_static(checkpoint)
    setup = model.setup
    tokenizer = tokenizer_of(setup)
    if tokenizer.size > len(model.table):
        raise ModelError(
            f"the static model in {checkpoint.folder} has vectors of {len(model.table):,} tokens, "
            f"but its tokenizer has {tokenizer.size:,}"
        )
    return assemble(checkpoint, setup, StaticEngine(model.table), tokenizer)


class StaticEngine:
    """A table of token vectors, (tokens, d) float32. Safe to use from several threads."""

    def __init__(self, table: NDArray[np.float32]) -> None:
        self._table = table

    @property
    def runtime(self) -> Runtime:
        """NumPy on one thread."""
        return Runtime("static", "cpu", "f32", 1)

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterator[Batch]:
        """The sequences in batches of at most BUDGET tokens."""
        return plan_batches(sequences, places, BUDGET, 0)

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:  # noqa: ARG002
        """Each batch with its vectors."""
        return ((batch, self._sum(batch)) for batch in batches)

    def _sum(self, batch: Batch) -> Vectors:
        """The sums, which have the direction of the means."""
        vectors = np.empty((len(batch.ids), self._table.shape[1]), np.float32)
        with threads_for_product(WINDOW * vectors.shape[1]):
            for row, ids, length in zip(vectors, batch.ids, batch.lengths, strict=True):
                # A product adds the rows faster than sum does.
                np.dot(_ONES[:length], self._table.take(ids[:length], axis=0), out=row)
        return vectors

    def warm(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Drop the table."""
        del self._table
