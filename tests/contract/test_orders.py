"""Lists of documents in an order, on every engine, against a sort in Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cmp_to_key
from typing import Any

import pytest
from samples import random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import InvalidInput
from indexer.facets import Count
from indexer.filters import Kind, Scalar, kind_of, matches, parse_filter
from indexer.moments import moment_key
from indexer.ordering import LONGEST_KEY, NEWEST, Order

LONG = "x" * LONGEST_KEY
VALUES: tuple[Any, ...] = (
    *(None, [], [None], True, False, 0, -1.5, 2**62, 2**62 + 1, 1e300, -0.0, 1, 1.0),
    *("", "b", "B", "é", "\x00", "a\x00b", "a\x00a", "\ue000", "🧭", f"{LONG}b", f"{LONG}a", LONG),
    *("2024-03-01", "2024-02-29T23:00:00-01:00", "2024-03-01T00:00:00.5Z", "2023-12-31"),
    *([3, 1, 2], ["b", 7], [True, "2024-01-01", "z"], [None, "m"], [1, 1]),
)
KINDS = (Kind.BOOLEAN, Kind.NUMBER, Kind.STRING, Kind.MOMENT)
ORDERS = [Order("f"), Order("f", descending=True), NEWEST, Order("gone", descending=True)]


def compare(one: Scalar, other: Scalar) -> int:
    """The oracle's order of two values, negative where the first comes first."""
    kinds = KINDS.index(kind_of(one)), KINDS.index(kind_of(other))
    if kinds[0] != kinds[1]:
        return kinds[0] - kinds[1]
    a, b = (
        moment_key(str(value))
        if kind_of(value) is Kind.MOMENT
        else value.encode()[:LONGEST_KEY]
        if isinstance(value, str)
        else value
        for value in (one, other)
    )
    return (a > b) - (a < b)  # type: ignore[operator]


def values(document: Document, field: str = "f") -> list[Any]:
    """The values of a document's field but null."""
    held: Any = document.metadata.get(field)
    return [one for one in (held if isinstance(held, list) else [held]) if one is not None]


def expected(documents: list[Document], order: Order) -> list[str]:
    """The ids in an order; ``documents`` are in insertion order."""
    given = [*reversed(documents)] if order.descending else documents
    key = cmp_to_key(compare)
    pick = max if order.descending else min
    held: dict[str, Any] = {}
    for one in given:
        found = values(one, order.field or "")
        if found:
            held[one.id] = key(pick(found, key=key))
    # A reversed sort keeps equals as they were given.
    valued = sorted(held, key=held.__getitem__, reverse=order.descending)
    return valued + [one.id for one in given if one.id not in held]


def paged(
    collection: Collection, order: Order, condition: object = None, limit: int = 7
) -> Iterator[str]:
    """The ids of all pages."""
    cursor: str | None = None
    while True:
        page = collection.page(parse_filter(condition), cursor, limit, order)
        yield from [one.id for one in page.documents]
        cursor = page.cursor
        if cursor is None:
            return
        assert len(page.documents) == limit


def put(collection: Collection, documents: list[Document]) -> None:
    """Store documents with random vectors."""
    vectors = random_units(len(documents))
    collection.put(
        [
            EmbeddedDocument(one, (Chunk(0, 0, 1),), vectors[place : place + 1])
            for place, one in enumerate(documents)
        ]
    )


@pytest.fixture
def documents(collection: Collection) -> list[Document]:
    """Documents of every kind of value, each twice, and some without one, as they were added."""
    values = [*VALUES, *VALUES]
    random.Random(7).shuffle(values)
    made = [Document(f"d{i}", "t", None, {"f": value, "n": i}) for i, value in enumerate(values)]
    made += [Document(f"e{i}", "t", None, {"n": i}) for i in range(5)]
    put(collection, made)
    return made


def test_pages_are_in_the_order_that_a_sort_gives(
    collection: Collection, documents: list[Document]
) -> None:
    """Kinds, ties, lists and missing values stand where they should, filtered or not."""
    condition = {"n": {"$gte": 2}, "$not": {"n": {"$in": [7, 11]}}}
    passing = [one for one in documents if matches(parse_filter(condition), one.metadata)]
    for order in ORDERS:
        assert list(paged(collection, order)) == expected(documents, order), order
        assert list(paged(collection, order, condition)) == expected(passing, order), order


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_pages_go_on_while_documents_are_written(
    collection: Collection, documents: list[Document], order: Order
) -> None:
    """What stays comes once, and in order, though the last of a page is deleted or changed."""
    pages = paged(collection, order, limit=10)
    given = [next(pages) for _ in range(10)]
    collection.delete([given[-1], given[3], "d1"])
    changed = Document(given[-2], "t", None, {"f": "moved"})
    collection.amend([changed])
    put(collection, [Document("new", "t", None, {"f": LONG})])
    rest = list(pages)
    stays = [one for one in documents if one.id not in {*given, "d1"}]
    left = [id for id in rest if id not in {"new", given[-2]}]
    assert left == expected(stays, order)
    assert "new" not in rest or order.field is not None


def test_an_order_knows_its_cursors(collection: Collection, documents: list[Document]) -> None:
    """A cursor of another order, or one made up, is refused."""
    cursor = collection.page(None, None, 3, Order("f")).cursor
    assert cursor is not None
    for order in (Order("f", descending=True), Order("n"), NEWEST):
        with pytest.raises(InvalidInput, match="another order"):
            collection.page(None, cursor, 3, order)
    for forged in ("", "7", "x", cursor[:-2], "W10", "bnVsbA", cursor + "é"):
        with pytest.raises(InvalidInput):
            collection.page(None, forged, 3, Order("f"))


def test_a_page_is_counted_where_that_is_asked(
    collection: Collection, documents: list[Document]
) -> None:
    """The total is of all pages, and unknown fields are named."""
    count = Count(("n", "f"), 1)
    page = collection.page(parse_filter({"n": {"$lt": 3}}), None, 2, Order("gone"), count=count)
    assert (page.total, page.unknown_fields) == (6, ("gone",))
    assert [(one.field, one.documents, len(one.values)) for one in page.facets] == [
        ("n", 6, 1),
        ("f", sum(bool(values(one)) for one in documents if one.metadata["n"] < 3), 1),
    ]
    assert collection.page(order=NEWEST).total is None
