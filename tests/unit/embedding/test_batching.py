"""Batches hold every sequence once, within the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.embedding.batching import plan_batches

PAD = 99


@given(
    st.lists(st.integers(0, 50), max_size=60), st.integers(1, 200), st.sampled_from([1, 2, 3, 16])
)
def test_batches_partition_the_sequences(lengths: list[int], budget: int, lanes: int) -> None:
    """Each sequence is in one batch, unchanged, padded at its end."""
    sequences = [np.arange(length, dtype=np.int32) for length in lengths]
    places = [10 * n for n in range(len(sequences))]
    seen: dict[int, list[int]] = {}
    for batch in plan_batches(sequences, places, budget, PAD, lanes):
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


@pytest.mark.parametrize(
    ("texts", "length", "lanes", "sizes"),
    [
        (96, 107, 2, [8] * 12),  # not ten of nine and one of six
        (384, 14, 2, [64] * 6),
        (10, 107, 2, [5, 5]),
        (96, 107, 1, [9] * 10 + [6]),
        (8, 107, 2, [8]),  # fits one batch
    ],
)
def test_lanes_get_equal_shares(texts: int, length: int, lanes: int, sizes: list[int]) -> None:
    """Several batches are as many and as large as keep each lane busy until all are done."""
    sequences = [np.zeros(length, np.int32)] * texts
    batches = plan_batches(sequences, range(texts), 1024, PAD, lanes)
    assert [len(batch.places) for batch in batches] == sizes


def test_padding_is_cut_where_it_costs() -> None:
    """Short texts do not join long ones to fill a batch up, unless they are few and alike."""
    for lengths, widths in (([60, *[5] * 40], [60, 5]), ([60, 59, 58, *[57] * 3], [60])):
        sequences = [np.zeros(length, np.int32) for length in lengths]
        batches = plan_batches(sequences, range(len(sequences)), 1024, PAD)
        assert [batch.ids.shape[1] for batch in batches] == widths
