"""The rows of each document of a generation: they are neighbours, as it was written at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.storage.generation.room import extended, with_room
from indexer.storage.sqlite.records import NOBODY, Owners

Spans: TypeAlias = NDArray[np.uint32]
"""(numbers, 2) uint32, by a document's number: its first row, and the one after its last.

Both are 0 for a number that no document has.
"""


def spans_of(owners: Owners) -> Spans:
    """The rows of all documents."""
    return with_spans(np.empty((0, 2), np.uint32), owners, 0)


def with_spans(held: Spans, owners: Owners, known_rows: int, freed: Owners | None = None) -> Spans:
    """The rows of documents, given those before some rows were ``freed`` and others added.

    ``freed`` are the documents that no longer own their rows, which may own new ones. Where there
    are none, what is held stays as it is, and only what is new is written, if there is room.
    """
    added = owners[known_rows:]
    firsts = np.ones(len(added), np.bool_)
    np.not_equal(added[1:], added[:-1], out=firsts[1:])
    begins = firsts.nonzero()[0]
    numbers, ends = added[begins], np.append(begins[1:], len(added))
    owned = numbers != NOBODY
    numbers = numbers[owned]
    size = max(len(held), int(numbers.max(initial=NOBODY)) + 1)
    spans = extended(held, size) if freed is None else with_room(held, size)
    spans[len(held) :] = 0
    if freed is not None:
        spans[freed] = 0
    spans[numbers, 0] = begins[owned] + known_rows
    spans[numbers, 1] = ends[owned] + known_rows
    return spans


def rows_of(spans: Spans, numbers: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Document and row of each chunk of those of these documents that exist, in this order."""
    wanted = np.array(numbers, np.int64)
    there = (wanted >= 0) & (wanted < len(spans))
    if not there.all():
        wanted = wanted[there]
    begins, ends = spans.take(wanted, axis=0).astype(np.int64).T
    counts = ends - begins
    if (counts == 1).all():
        return wanted, begins
    lasts = counts.cumsum()
    rows = np.arange(int(counts.sum())) + (begins - lasts + counts).repeat(counts)
    return wanted.repeat(counts), rows
