"""What training does not see."""

from __future__ import annotations

from collections import Counter

import pytest

from indexer.learning.split import Part, Splitting, by_document, by_query

QUERIES = {f"q{number}": f"query about {number}" for number in range(2_000)}


def test_parts_have_the_shares_they_were_given() -> None:
    """Within what chance allows."""
    splitting = Splitting(held_out=0.2, validation=0.1)
    parts = Counter(splitting.of_query(text) for text in QUERIES.values())
    assert parts[Part.HELD_OUT] == pytest.approx(400, abs=60)
    assert parts[Part.VALIDATION] == pytest.approx(200, abs=45)
    folds = Counter(splitting.fold(text, 5) for text in QUERIES.values())
    assert set(folds) == set(range(5)) and min(folds.values()) > 320


def test_a_query_is_on_one_side_however_it_is_written() -> None:
    """Case and spaces make no other query of it, and other queries do not move it."""
    splitting = Splitting(0.5, 0.1)
    for text in list(QUERIES.values())[:50]:
        assert splitting.of_query(f"  {text.upper()} ") is splitting.of_query(text)
        assert splitting.fold(text.upper(), 5) == splitting.fold(text, 5)


def test_another_salt_is_another_split() -> None:
    """So that a second opinion can be had."""
    one, other = Splitting(0.5, 0.0, "a"), Splitting(0.5, 0.0, "b")
    same = sum(one.of_query(text) is other.of_query(text) for text in QUERIES.values())
    assert same == pytest.approx(1_000, abs=120)


def test_a_pair_is_trained_on_if_neither_side_is_held_out() -> None:
    """Nor is the query kept for validation."""
    splitting = Splitting(0.3, 0.2)
    pairs = [(text, f"d{number}") for number, text in enumerate(QUERIES.values())]
    for query, document in pairs:
        parts = {splitting.of_query(query), splitting.of_document(document)}
        assert splitting.trains(query, document) == (parts == {Part.TRAIN})
    assert sum(splitting.trains(*pair) for pair in pairs) == pytest.approx(700, abs=80)


@pytest.mark.parametrize("shares", [(0.9, 0.1), (-0.1, 0.1), (0.1, float("nan"))])
def test_shares_leave_something_to_train_on(shares: tuple[float, float]) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"share|left"):
        Splitting(*shares)


def test_by_document_counts_only_what_training_did_not_see() -> None:
    """What it saw is left out of a ranking if it is relevant, and stays a distractor if not."""
    queries = {"q": "query", "known": "all of it known", "none": "nothing relevant"}
    qrels = {"q": {"a": 1, "b": 2, "c": 0}, "known": {"a": 1, "b": 0}, "none": {"a": 0}}
    held = by_document(queries, qrels, {"a", "c"})
    assert dict(held.queries) == {"q": "query"}
    assert held.qrels["q"] == {"b": 2, "c": 0}
    assert held.ignored["q"] == {"a"}
    assert set(by_query(queries, qrels).queries) == {"q", "known"}
