"""Values as what a picture is coloured by."""

from __future__ import annotations

from indexer.analysis.colouring import FEW_NUMBERS, MOST_CATEGORIES, OTHERS, ColumnKind, column_of


def test_words_are_categories_by_their_frequency() -> None:
    """A value is its category's place; a document without one has none."""
    column = column_of(["b", "a", "b", None, "c", "b", "a"])
    assert column.kind is ColumnKind.CATEGORY
    assert column.categories == (("b", 3), ("a", 2), ("c", 1))
    assert column.values == [0, 1, 0, None, 2, 0, 1]


def test_the_rare_of_many_words_are_others() -> None:
    """A legend has no room for them."""
    given = [f"w{i % (MOST_CATEGORIES + 5):03}" for i in range(1_000)] + ["rare"]
    column = column_of(given)
    assert len(column.categories) == MOST_CATEGORIES
    assert column.values[-1] == OTHERS


def test_many_numbers_are_amounts_and_few_are_categories() -> None:
    """Years are on a scale, a handful of grades is not; a word among years has no place."""
    years = list(range(1990, 1990 + FEW_NUMBERS + 1))
    column = column_of([*years, "unknown", None])
    assert column.kind is ColumnKind.NUMBER
    assert column.values == [*years, None, None]
    assert column_of(years[:-1]).kind is ColumnKind.CATEGORY


def test_true_is_not_one() -> None:
    """They are different values, though Python thinks them equal."""
    column = column_of([True, 1, 1, False, 0])
    assert len(column.categories) == 4
    assert column.categories[0] == (1, 2)
    assert column.values[0] != column.values[1]
