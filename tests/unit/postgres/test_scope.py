"""Scopes of filters that come again."""

from __future__ import annotations

import itertools

from indexer.postgres.scope import REMEMBERED, KnownScopes, PostgresScope


class Counting:
    """Counts documents, and how often it was asked."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.asked = 0

    def __call__(self) -> PostgresScope:
        """As many as ever."""
        self.asked += 1
        return PostgresScope(self.total)


def test_a_filter_is_counted_once_in_a_state() -> None:
    """And anew in the next; an older state that asks late counts for itself."""
    known, old, new = KnownScopes(), Counting(3), Counting(4)
    assert [known.get((1, 0), "a", old).total for _ in range(3)] == [3, 3, 3]
    assert known.get((1, 1), "a", new).total == 4
    assert known.get((1, 1), "a", old).total == 4
    assert known.get((1, 0), "a", old).total == 3
    assert (old.asked, new.asked) == (2, 1)


def test_the_last_filters_are_remembered() -> None:
    """The one that was not asked for longest goes first."""
    known, counting = KnownScopes(), Counting(1)
    for number in range(REMEMBERED):
        known.get((1,), number, counting)
    known.get((1,), 0, counting)
    known.get((1,), "one more", counting)
    before = counting.asked
    for number in itertools.chain([0], range(2, REMEMBERED)):
        known.get((1,), number, counting)
    assert counting.asked == before
    known.get((1,), 1, counting)
    assert counting.asked == before + 1
