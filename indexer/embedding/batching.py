"""Which texts share a forward pass: equal ones once, like lengths together, a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.tokenizing import Ids

SORT_WINDOW: Final = 8192
"""Texts sorted by length together: enough that batches are even, and a bound on memory."""

PADDING: Final = 64
"""Tokens of padding that a batch may hold rather than become two; one more costs 10 to 20."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of one forward pass.

    ``places`` says where their vectors belong, ``ids`` is (n, longest) int32 padded at the end,
    ``lengths`` is (n,) int32.
    """

    places: NDArray[np.intp]
    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]


def plan_batches(
    sequences: Sequence[Ids], places: Sequence[int], budget: int, pad_id: int, lanes: int = 1
) -> Iterator[Batch]:
    """The sequences, longest first, in batches of at most ``budget`` tokens or of one sequence.

    Longest first, so that the largest batch is the first: memory is reserved once. Where there
    are several, they are about equal, and as many as keep all ``lanes`` busy to the end; one that
    would be much padded becomes two.
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
    """How many of ``total`` tokens a batch gets, so that each lane runs equally many batches."""
    count = -(-total // budget)
    return -(-total // (-(-count // lanes) * lanes)) if count > 1 else budget


def _cut(lengths: NDArray[np.int32]) -> int:
    """How many of these sequences, longest first, to pad to the longest: all, unless it costs."""
    saved = (lengths[0] - lengths) * np.arange(len(lengths), 0, -1)
    best = int(saved.argmax())
    return best if saved[best] > PADDING else len(lengths)


def _pad(sequences: Sequence[Ids], places: NDArray[np.intp], pad_id: int) -> Batch:
    lengths = np.fromiter((len(ids) for ids in sequences), np.int32, len(sequences))
    ids = np.full((len(sequences), max(int(lengths.max()), 1)), pad_id, np.int32)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
    return Batch(places, ids, lengths)
