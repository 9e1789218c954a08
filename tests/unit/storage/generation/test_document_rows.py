"""The rows of documents, held against a look at every row's owner."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from indexer.storage.generation.document_rows import rows_of, spans_of, with_spans
from indexer.storage.sqlite.records import NOBODY, Owners


def looked_up(owners: Owners, numbers: list[int]) -> list[tuple[int, int]]:
    """Document and row of each chunk, found by comparing all."""
    owned = [(row, owner) for row, owner in enumerate(owners.tolist()) if owner != NOBODY]
    return [(n, row) for n in numbers for row, owner in owned if n == owner]


def pairs(spans: np.ndarray, numbers: list[int]) -> list[tuple[int, int]]:
    """The same, found by the rows of documents."""
    owners, rows = rows_of(spans, numbers)
    return list(zip(owners.tolist(), rows.tolist(), strict=True))


@settings(max_examples=tries(60), deadline=None)
@given(st.data())
def test_rows_follow_whatever_is_written(data: st.DataObject) -> None:
    """Documents come, get other chunks and go; what was held before stays as it was."""
    owners, last = np.empty(0, np.int32), -1
    spans, seen = spans_of(owners), []
    for _ in range(data.draw(st.integers(1, 6))):
        held = sorted({one for one in owners.tolist() if one != NOBODY})
        gone = data.draw(st.lists(st.sampled_from(held), unique=True)) if held else []
        again = data.draw(st.lists(st.sampled_from(gone), unique=True)) if gone else []
        new = [last + 1 + step for step in range(data.draw(st.integers(0, 4)))]
        last = max([last, *new])
        added = [n for n in [*again, *new] for _ in range(data.draw(st.integers(1, 3)))]
        kept = np.where(np.isin(owners, gone), NOBODY, owners)
        known, owners = len(owners), np.append(kept, added).astype(np.int32)
        freed = np.array(gone, np.int32) if gone else None
        spans = with_spans(spans, owners, known, freed)
        seen.append((spans, owners))
    asked = data.draw(st.lists(st.integers(-2, last + 3), unique=True))
    for held_then, owners_then in seen:
        assert pairs(held_then, asked) == looked_up(owners_then, asked)
        assert pairs(spans_of(owners_then), asked) == looked_up(owners_then, asked)


def test_documents_that_come_copy_nothing() -> None:
    """As long as there is room, the rows of known ones are the same memory."""
    owners = np.repeat(np.arange(100, dtype=np.int32), 2)
    first = with_spans(spans_of(owners[:100]), owners[:140], 100)
    assert np.shares_memory(first, second := with_spans(first, owners, 140))
    assert not np.shares_memory(second, with_spans(second, owners, 200, owners[:1]))
