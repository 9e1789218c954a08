"""Searches in stages: what they need is gathered, and given back to whom it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.errors import InvalidQuery
from indexer.queries import Answer, Mode
from indexer.retrieval.sans_io import Need, Searches, Staged, Work


def answer(total: int) -> Answer:
    """An answer that is told by its total."""
    return Answer((), Mode.DENSE, True, total=total)


def adding(*needs: tuple[Work, list[int]]) -> Staged[Answer]:
    """A search that needs these in turn, and answers with the sum of the results."""
    total = 0
    for work, items in needs:
        total += sum((yield Need(work, items)))
    return answer(total)


def test_what_searches_need_at_the_same_time_is_done_together() -> None:
    """Of several kinds the first comes first, so that later ones gather; results find their way."""
    searches = Searches(
        [
            adding((Work.EMBED, [1]), (Work.FIND, [10, 20])),
            adding(),
            adding((Work.FIND, [30])),
            adding((Work.EMBED, [2]), (Work.VECTORS, [])),
        ]
    )
    asked: list[tuple[Work, list[Any]]] = []
    while need := searches.need:
        asked.append((need.work, list(need.items)))
        searches.give(item * 2 for item in need.items)
    assert asked == [
        (Work.EMBED, [1, 2]),
        (Work.FIND, [10, 20, 30]),
        (Work.VECTORS, []),
    ]
    assert [one.total for one in searches.answers] == [62, 0, 60, 4]


def test_no_searches_need_nothing() -> None:
    """There is nothing to do, and no answer."""
    searches = Searches([])
    assert searches.need is None and searches.answers == []


def test_a_search_that_cannot_be_begun_says_so_at_once() -> None:
    """Its error is raised before anything is done for the others."""

    def wrong() -> Staged[Answer]:
        raise InvalidQuery("wrong")
        yield

    with pytest.raises(InvalidQuery, match="wrong"):
        Searches([adding((Work.EMBED, [1])), wrong()])
