"""Texts into batches for forward passes: duplicates once, like lengths together, a token budget."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.tokenizer import Ids

SORT_WINDOW: Final = 8192
"""Texts sorted by length together: enough for even batches, and a bound on memory."""

PADDING: Final = 64
"""Padding tokens a batch may hold before it is split; another batch costs as much as 10 to 20."""

Shape: TypeAlias = tuple[int, int]
"""Rows and length of a batch."""

START: Final = 16
"""Tokens a forward pass of a fixed shape could compute in the time the weights are read."""

SWITCH: Final = 45
"""The same where a graph of dynamic shape must change its shape."""

ROWS: Final = (1, 2, 4, 8, 16, 32, 64)
"""Rows of batches planned by shape: few, since each shape keeps memory once it has run."""

STEP: Final = 4
"""Lengths of such batches are multiples of this, and over 64, of a sixteenth of the length."""


LEAST: Final = 2
"""Tokens that a text counts in a pack at least: a pack has room for a text for every two."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of one forward pass.

    ``places`` are the positions of their vectors, ``ids`` is (rows, longest) int32 padded at the
    end, ``lengths`` is (rows,) int32. Rows past ``places`` are padding: their vectors are dropped.
    """

    places: NDArray[np.intp]
    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @property
    def size(self) -> int:
        """The number of tokens that are computed, with padding."""
        return int(self.ids.size)


def plan_batches(
    sequences: Sequence[Ids], places: Sequence[int], budget: int, pad_id: int, lanes: int = 1
) -> Iterator[Batch]:
    """The sequences, longest first, in batches of at most ``budget`` tokens or of one sequence.

    Longest first, so that the largest batch is the first: memory is reserved once. Several batches
    are about equal in size, and as many as keep all ``lanes`` busy to the end; one with much
    padding is split in two.
    """
    lengths = np.fromiter((len(ids) for ids in sequences), np.int32, len(sequences))
    order = np.argsort(-lengths, kind="stable")
    share = _share(int(lengths.sum()), budget, lanes)
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        most = max(min(budget // longest, -(-share // longest)), 1)
        chosen = order[start : start + _cut(lengths[order[start : start + most]])]
        yield _pad([sequences[i] for i in chosen], np.asarray(places)[chosen], pad_id)
        start += len(chosen)


def _share(total: int, budget: int, lanes: int) -> int:
    """The tokens of a batch, out of ``total``, so that each lane runs equally many batches."""
    count = -(-total // budget)
    return -(-total // (-(-count // lanes) * lanes)) if count > 1 else budget


def _cut(lengths: NDArray[np.int32]) -> int:
    """The number of sequences, longest first, to pad to the longest: all, unless splitting pays."""
    saved = (lengths[0] - lengths) * np.arange(len(lengths), 0, -1)
    best = int(saved.argmax())
    return best if saved[best] > PADDING else len(lengths)


def _pad(sequences: Sequence[Ids], places: NDArray[np.intp], pad_id: int) -> Batch:
    lengths = np.fromiter((len(ids) for ids in sequences), np.int32, len(sequences))
    ids = np.full((len(sequences), max(int(lengths.max()), 1)), pad_id, np.int32)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
    return Batch(places, ids, lengths)


def plan_few(
    sequences: Sequence[Ids],
    places: Sequence[int],
    pad_id: int,
    *,
    tiles: Sequence[Shape],
    lanes: int,
    window: int,
) -> list[Batch]:
    """A few sequences in batches that are tiles, or of one of a few other shapes, costliest first.

    Of several plans, the one that ``lanes`` working at once finish first, by START and SWITCH.
    """
    lengths = [max(len(ids), 1) for ids in sequences]
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    falling = [lengths[place] for place in order]
    even = -(-len(order) // lanes)
    plans = [_cover(falling, tiles, most, window) for most in {len(order), even, -(-even // 2)}]
    parts = min(plans, key=lambda plan: _finish(plan, lanes))
    return [
        _fill(sequences, places, order[part.start : part.end], part.shape, pad_id)
        for part in sorted(parts, key=lambda part: -part.cost)
    ]


def plan_packs(
    sequences: Sequence[Ids],
    places: Sequence[int],
    pad_id: int,
    *,
    sizes: Sequence[int],
    lanes: int,
) -> list[Batch]:
    """A few sequences in batches, each for the smallest of ``sizes``, rising, that holds it.

    None of them may be longer than the largest size. Of plans with the same sizes for each of the
    ``lanes``, which work at once, the one that is done first, by START. The largest batch is the
    first.
    """
    if len(sequences) == 1:
        return [_pad(sequences, np.asarray(places, np.intp), pad_id)]
    lengths = [max(len(ids), LEAST) for ids in sequences]
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    plans = _rooms(sum(lengths), tuple(sizes), lanes)
    found = (_fit(order, lengths, rooms) for rooms in plans)
    packs = next(packs for packs in found if packs is not None)
    return [
        _pad([sequences[i] for i in pack], np.asarray([places[i] for i in pack], np.intp), pad_id)
        for pack in packs
    ]


def _rooms(total: int, sizes: tuple[int, ...], lanes: int) -> Iterator[list[int]]:
    """The rooms of packs for so many tokens, for all lanes together, soonest done first."""
    for full in itertools.count(max(total // (sizes[-1] * lanes) - 1, 0)):
        for rooms in _lane_plans(sizes):
            plan = (sizes[-1],) * full + rooms
            if sum(plan) * lanes >= total:
                yield list(plan) * lanes


@cache
def _lane_plans(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Up to three packs that a lane runs one after another, the quickest first."""
    plans = (itertools.combinations_with_replacement(sizes, count) for count in (1, 2, 3))
    return sorted(itertools.chain(*plans), key=lambda plan: START * len(plan) + sum(plan))


def _fit(
    order: Sequence[int], lengths: Sequence[int], rooms: Sequence[int]
) -> list[list[int]] | None:
    """These places, longest first, each where least room is left; None if one has room nowhere."""
    packs: list[list[int]] = [[] for _ in rooms]
    left = sorted((room, pack) for pack, room in enumerate(rooms))
    for place in order:
        tightest = bisect_left(left, (lengths[place], 0))
        if tightest == len(left):
            return None
        room, pack = left.pop(tightest)
        packs[pack].append(place)
        insort(left, (room - lengths[place], pack))
    filled = (pack for pack in packs if pack)
    return sorted(filled, key=lambda pack: -sum(lengths[place] for place in pack))


@dataclass(frozen=True, slots=True)
class _Part:
    """Neighbouring sequences, from ``start`` to ``end``, and the shape that holds them."""

    start: int
    end: int
    shape: Shape
    cost: int


def _cover(lengths: Sequence[int], tiles: Sequence[Shape], most: int, window: int) -> list[_Part]:
    """The cheapest parts for sequences of these falling lengths, about ``most`` rows each."""
    best = [0.0, *[math.inf] * len(lengths)]
    last: dict[int, _Part] = {}
    for start, longest in enumerate(lengths):
        for shape, cost in _offer(longest, tiles, min(most, len(lengths) - start), window):
            end = min(start + shape[0], len(lengths))
            if best[start] + cost < best[end]:
                best[end] = best[start] + cost
                last[end] = _Part(start, end, shape, cost)
    parts = []
    end = len(lengths)
    while end:
        parts.append(last[end])
        end = last[end].start
    return parts


def _offer(
    longest: int, tiles: Sequence[Shape], rows: int, window: int
) -> Iterator[tuple[Shape, int]]:
    """Shapes for up to ``rows`` sequences of at most this length, with their cost in tokens."""
    for shape in tiles:
        if shape[1] >= longest and shape[0] < 2 * rows:
            yield shape, START + shape[0] * shape[1]
    length = _round(longest, window)
    for count in ROWS:
        if count <= rows:
            yield (count, length), SWITCH + count * length


def _round(length: int, window: int) -> int:
    """The next larger length of batches planned by shape, within the window."""
    step = max(STEP, 1 << max((length - 1).bit_length() - 5, 0))
    return max(min(-(-length // step) * step, window), length)


def _finish(parts: Sequence[_Part], lanes: int) -> int:
    """The cost in tokens until all lanes are done, if each takes the costliest part left."""
    busy = [0] * lanes
    for cost in sorted((part.cost for part in parts), reverse=True):
        busy[busy.index(min(busy))] += cost
    return max(busy)


def _fill(
    sequences: Sequence[Ids],
    places: Sequence[int],
    chosen: Sequence[int],
    shape: Shape,
    pad_id: int,
) -> Batch:
    """The chosen sequences as a batch of this shape."""
    ids = np.full(shape, pad_id, np.int32)
    # Empty rows count as full, since some models divide by a row's length.
    lengths = np.full(shape[0], shape[1], np.int32)
    for row, place in enumerate(chosen):
        lengths[row] = len(sequences[place])
        ids[row, : lengths[row]] = sequences[place]
    return Batch(np.asarray([places[place] for place in chosen], np.intp), ids, lengths)
