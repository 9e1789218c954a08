"""The trial on held-out queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole
from indexer.learning.examples import Examples
from indexer.learning.split import Part, Splitting
from indexer.learning.trial import Trial, divide

from .conftest import pairs


def embed(texts: Sequence[str], role: TextRole) -> Vectors:
    """A text is an angle in degrees; queries and passages alike."""
    angles = np.radians([float(text) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("relevant", "passages", "expected"),
    [
        ({0}, ["1", "30", "60"], 1.0),
        ({2}, ["1", "30", "60"], 1 / 3),
        ({1, 2}, ["1", "30", "60"], 1 / 2),
        ({0, 1}, ["1", "1", "60"], 1.0),
        ({0}, ["10", "10", "60"], 1 / 2),
    ],
    ids=["first", "last", "the better of two", "equal answers", "a tie is a miss"],
)
def test_reciprocal_ranks(relevant: set[int], passages: list[str], expected: float) -> None:
    """It is the rank of the best relevant passage; what scores the same ranks before it."""
    assert Trial(["0"], [relevant], passages).ranks(embed).tolist() == [pytest.approx(expected)]


def test_what_is_held_out_is_not_trained_on() -> None:
    """No query or document is on both sides, and the passages have those of other queries."""
    splitting = Splitting(held_out=0.3, validation=0.2)
    with Examples() as examples:
        for one in pairs(200):
            examples.add(one)
        parts = divide(examples, splitting)
        trained = [examples[place] for place in parts.train]
        assert all(splitting.trains(one.query, one.document) for one in trained)
        assert not {one.query for one in trained} & {*parts.held_out.queries}
        assert not {*parts.validation.queries} & {*parts.held_out.queries}
        asked = [one for one in examples if splitting.of_query(one.query) is Part.HELD_OUT]
        assert len(parts.held_out.queries) == len(asked) > 20
        assert len(parts.held_out.passages) == 200 - sum(
            splitting.of_query(one.query) is Part.VALIDATION for one in examples
        )
