"""What an engine gives is put in order, and refused where it has no direction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from indexer.documents import Vectors
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.embedder import Runtime, TextRole
from indexer.embedding.engine import Description, EngineEmbedder
from indexer.embedding.hashing_engine import HashingTokenizer
from indexer.embedding.tokenizer import Ids
from indexer.errors import InvalidVector


class ConstantEngine:
    """Gives texts of n tokens a vector of one number over and over: 2, unless another is given."""

    runtime = Runtime("constant", "cpu", "f32", 1)

    def __init__(self, **numbers: float) -> None:
        self._numbers = {int(length[1:]): number for length, number in numbers.items()}

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterator[Batch]:
        """Batches of up to 8 tokens."""
        return plan_batches(sequences, places, 8, 0)

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors."""
        for batch in batches:
            rows = [[self._numbers.get(length, 2.0)] * 4 for length in batch.lengths.tolist()]
            yield batch, np.array(rows, np.float32)

    def warm(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing is held."""


def embedder(**numbers: float) -> EngineEmbedder:
    """An embedder whose engine gives texts of as many words these numbers."""
    description = Description("constant", "0", "0", 4, 256, "none")
    return EngineEmbedder(description, HashingTokenizer(), ConstantEngine(**numbers))


def test_vectors_are_scaled_to_unit_length() -> None:
    """However long an engine's vectors are, also where their squares leave float32."""
    vectors = embedder(n1=3e-30, n2=2e30).embed(["a", "a b", "a b c"]).vectors
    assert np.allclose(vectors, 0.5)


@pytest.mark.parametrize(
    ("number", "problem"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite")]
)
def test_a_vector_without_direction_is_refused(number: float, problem: str) -> None:
    """The error says which text it is of, whichever batch that is in."""
    with pytest.raises(InvalidVector, match=f"of text 2 is {problem}"):
        embedder(n3=number).embed(["a", "a b c d", "a b c", "a b"])
