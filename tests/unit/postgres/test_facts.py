"""Values as bytes: they sort as values do, and come back."""

from __future__ import annotations

import itertools

import pytest

from indexer.filters import Scalar
from indexer.postgres.facts import LONGEST_KEY, facts_of, key_bytes, scalar_of, whole_bytes

NUMBERS: list[float] = [
    *(-1.7976931348623157e308, -(2**63), -(2**53) - 1, -(2**53), -1.5, -1, -5e-324, 0),
    *(5e-324, 0.1, 1, 1.5, 2**53, 2**53 + 1, 2**53 + 2, 2**62 + 1, 2**63 - 1, 2.0**63, 1e300),
]


def test_numbers_sort_exactly() -> None:
    """Whole ones and floats among each other, also where floats have gaps."""
    keys = [whole_bytes(number) for number in NUMBERS]
    for (a, left), (b, right) in itertools.pairwise(zip(NUMBERS, keys, strict=True)):
        assert a < b and left < right, (a, b)
    assert whole_bytes(0.0) == whole_bytes(-0.0) == whole_bytes(0)
    assert whole_bytes(3.0) == whole_bytes(3)
    assert whole_bytes(True) != whole_bytes(1)


@pytest.mark.parametrize("value", [None, True, False, "", "a\x00b", "2024-03-01", *NUMBERS])
def test_a_value_comes_back(value: Scalar) -> None:
    """Of the same type, as it was written."""
    (fact,) = [one for one in facts_of({"f": value}) if one.value == key_bytes(whole_bytes(value))]
    told = scalar_of(fact.whole or fact.value, fact.given[0] if fact.given else None)
    assert told == value
    assert type(told) is type(value)


def test_long_texts_have_short_keys_of_their_own() -> None:
    """Two that begin alike are told apart, and sort by what they begin with."""
    one, two = ("x" * 3_000 + end for end in "ab")
    keys = [key_bytes(whole_bytes(text)) for text in (one, two)]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {LONGEST_KEY + 16}
    assert all(key < key_bytes(whole_bytes("y")) for key in keys)
