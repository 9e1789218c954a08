"""Batches hold every sequence once, within the budget."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.embedding.batching import plan_batches

PAD = 99


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 200))
def test_batches_partition_the_sequences(lengths: list[int], budget: int) -> None:
    """Each sequence is in one batch, unchanged, padded at its end."""
    sequences = [np.arange(length, dtype=np.int32) for length in lengths]
    places = [10 * n for n in range(len(sequences))]
    seen: dict[int, list[int]] = {}
    for batch in plan_batches(sequences, places, budget, PAD):
        rows, width = batch.ids.shape
        assert rows == 1 or rows * width <= budget
        for place, ids, length in zip(batch.places, batch.ids, batch.lengths, strict=True):
            assert (ids[length:] == PAD).all()
            assert int(place) not in seen
            seen[int(place)] = ids[:length].tolist()
    assert seen == {10 * n: list(range(length)) for n, length in enumerate(lengths)}


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_longest_first(lengths: list[int]) -> None:
    """Widths never grow from one batch to the next."""
    sequences = [np.zeros(length, np.int32) for length in lengths]
    batches = plan_batches(sequences, range(len(sequences)), 64, PAD)
    widths = [batch.ids.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)
