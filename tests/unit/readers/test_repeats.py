"""Ids that an input gives more than once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexer.readers.repeats import Repeats


@given(st.lists(st.lists(st.integers(0, 30).map(str), max_size=20), max_size=12))
def test_as_a_set_would_count(batches: list[list[str]]) -> None:
    """However the ids come, as many are repeated as a set would say."""
    repeats = Repeats()
    seen: set[str] = set()
    for batch in batches:
        expected = 0
        for id in batch:
            expected += id in seen
            seen.add(id)
        assert repeats.count(batch) == expected


def test_a_long_input_without_repeats() -> None:
    """No two of many ids pass for one."""
    repeats = Repeats()
    assert sum(repeats.count([f"{n}:{k}" for k in range(500)]) for n in range(200)) == 0
    assert repeats.count(["7:7"]) == 1
