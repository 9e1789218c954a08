"""Batches hold every sequence once, within the budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.embedding.batching import ROWS, START, Batch, plan_batches, plan_few, plan_packs

PAD = 99
SIZES = (16, 32, 48, 64, 96, 128)


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


TILES = ((1, 8), (1, 16), (2, 16), (4, 12))


def plan(lengths: list[int], lanes: int = 2, window: int = 60) -> list[Batch]:
    """Batches of sequences of these lengths, at places that are ten apart."""
    sequences = [np.arange(length, dtype=np.int32) for length in lengths]
    places = [10 * n for n in range(len(sequences))]
    return plan_few(sequences, places, PAD, tiles=TILES, lanes=lanes, window=window)


@given(st.lists(st.integers(0, 58), min_size=1, max_size=64), st.sampled_from([1, 2, 3, 16]))
def test_a_few_are_partitioned_by_shape(lengths: list[int], lanes: int) -> None:
    """Each sequence is in one batch, unchanged, and batches have few shapes, all in the window."""
    seen = {}
    for batch in plan(lengths, lanes, window=58):
        rows, width = batch.ids.shape
        assert (rows, width) in TILES or (rows in ROWS and (width % 4 == 0 or width == 58))
        assert (batch.lengths[len(batch.places) :] == width).all()
        for place, ids, length in zip(batch.places, batch.ids, batch.lengths, strict=False):
            assert (ids[length:] == PAD).all()
            seen[int(place)] = ids[:length].tolist()
    assert seen == {10 * n: list(range(length)) for n, length in enumerate(lengths)}


@pytest.mark.parametrize(
    ("lengths", "lanes", "shapes"),
    [
        ([5], 1, [(1, 8)]),
        ([9], 1, [(1, 16)]),
        ([17], 1, [(1, 20)]),  # too long for any tile
        ([5, 9], 2, [(1, 16), (1, 8)]),
        ([12, 3, 9], 1, [(4, 12)]),  # a row is padding
        ([12] * 8, 2, [(4, 12), (4, 12)]),
        ([9] * 32, 2, [(16, 12), (16, 12)]),  # nearly as many tokens to each start as in tiles
    ],
)
def test_a_few_take_the_shapes_that_are_done_first(
    lengths: list[int], lanes: int, shapes: list[tuple[int, int]]
) -> None:
    """The smallest tile that holds them, a batch to each lane, larger ones where there are many."""
    assert [batch.ids.shape for batch in plan(lengths, lanes)] == shapes


def test_no_sequence_is_padded_beyond_the_window() -> None:
    """A model may have no positions there."""
    assert [batch.ids.shape for batch in plan([57], window=58)] == [(1, 58)]


@given(st.lists(st.integers(0, 128), max_size=64), st.sampled_from([1, 2, 3, 16]))
def test_packs_hold_each_sequence_once_and_no_more_than_they_have_room_for(
    lengths: list[int], lanes: int
) -> None:
    """A sequence takes two places at least; of none there is no pack."""
    sequences = [np.arange(length, dtype=np.int32) for length in lengths]
    places = [10 * n for n in range(len(lengths))]
    seen = {}
    for batch in plan_packs(sequences, places, PAD, sizes=SIZES, lanes=lanes):
        assert np.maximum(batch.lengths, 2).sum() <= 128
        for place, ids, length in zip(batch.places, batch.ids, batch.lengths, strict=True):
            seen[int(place)] = ids[:length].tolist()
    assert seen == {10 * n: list(range(length)) for n, length in enumerate(lengths)}


def pack_sizes(lengths: Sequence[int], lanes: int, sizes: Sequence[int] = SIZES) -> list[int]:
    """The sizes of the packs that these lengths are planned in, each the smallest that holds it."""
    sequences = [np.zeros(length, np.int32) for length in lengths]
    packs = plan_packs(sequences, range(len(lengths)), PAD, sizes=sizes, lanes=lanes)
    filled = [sum(max(int(length), 2) for length in batch.lengths) for batch in packs]
    return [min(size for size in sizes if size >= tokens) for tokens in filled]


@pytest.mark.parametrize(
    ("lengths", "lanes", "sizes"),
    [
        ([12] * 8, 2, [48, 48]),
        ([100, 20, 20, 20, 20, 20], 2, [128, 96]),
        ([16] * 32, 2, [128] * 4),
        ([16] * 16, 2, [128, 128]),
        ([17] * 16, 2, [128, 128, 32, 32]),  # 96 and 48 would hold five and two
        ([10] * 27, 2, [128, 96, 32, 32]),  # 135 to a lane: of 160, not of 192
        ([20] * 7, 2, [96, 64]),
        ([8, 8], 2, [16]),  # there is nothing for the other
        ([100, 10, 10], 16, [128]),
        ([9], 2, [16]),
    ],
)
def test_packs_are_done_early_and_leave_little_empty(
    lengths: list[int], lanes: int, sizes: list[int]
) -> None:
    """The lanes have about equally much to do, in the smallest packs."""
    assert pack_sizes(lengths, lanes) == sizes


def soonest(lengths: Sequence[int], sizes: Sequence[int]) -> int:
    """When one lane is done at the least, of all ways to part the texts into packs, by START."""

    def take(left: Sequence[int], packs: tuple[int, ...]) -> int:
        if not left:
            return sum(START + min(size for size in sizes if size >= pack) for pack in packs)
        wider = [
            (*packs[:i], packs[i] + left[0], *packs[i + 1 :])
            for i in range(len(packs))
            if packs[i] + left[0] <= sizes[-1]
        ]
        return min(take(left[1:], more) for more in [*wider, (*packs, left[0])])

    return take(lengths, ())


@settings(max_examples=30)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=6))
def test_a_lane_is_hardly_later_than_by_the_best_of_all_plans(lengths: list[int]) -> None:
    """At most a quarter, where each step of sizes is a third or more."""
    sizes = (16, 32, 48, 64)
    taken = sum(START + size for size in pack_sizes(lengths, 1, sizes))
    assert taken <= 1.25 * soonest(lengths, sizes)
