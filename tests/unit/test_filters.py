"""The filter language by example, and what it refuses, with the place and what is allowed."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from indexer.errors import InvalidFilter
from indexer.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_LIST,
    MAX_VALUES,
    Condition,
    Every,
    Operator,
    matches,
    parse_filter,
)

BOOK = {"year": 2020, "kind": "book", "tags": ["io", "net"], "price": 9.5, "out": False, "by": None}


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        ({"year": 2020}, True),
        ({"year": 2020.0}, True),
        ({"year": "2020"}, False),
        ({"year": {"$gt": 2019, "$lt": 2021}}, True),
        ({"year": {"$gt": 2020}}, False),
        ({"year": {"$gte": 2020}}, True),
        ({"price": {"$lte": 9}}, False),
        ({"kind": {"$gt": "bo"}}, True),
        ({"kind": {"$gt": 0}}, False),
        ({"kind": {"$ne": "film"}}, True),
        ({"kind": {"$in": ["film", "book"]}}, True),
        ({"kind": {"$nin": ["film", "book"]}}, False),
        ({"kind": {"$in": []}}, False),
        ({"kind": {"$nin": []}}, True),
        ({"tags": "io"}, True),
        ({"tags": {"$ne": "io"}}, False),
        ({"tags": {"$in": ["http", "net"]}}, True),
        ({"tags": {"$gt": "k"}}, True),
        ({"out": False}, True),
        ({"out": 0}, False),
        ({"out": None}, False),
        ({"by": None}, True),
        ({"by": {"$exists": True}}, True),
        ({"by": {"$gte": 0}}, False),
        ({"year": 2020, "kind": "film"}, False),
        ({"$or": [{"kind": "film"}, {"year": 2020}]}, True),
        ({"$and": [{"kind": "book"}, {"$not": {"out": True}}]}, True),
        ({"year": {"$not": {"$lt": 2000}}}, True),
        ({"year": {"$not": {"$gte": 2000, "$lt": 2030}}}, False),
        ({"$not": {}}, False),
        ({"$and": [{}]}, True),
    ],
)
def test_a_book_passes_or_not(condition: dict[str, Any], passes: bool) -> None:
    """Each operator means what users of Chroma, Pinecone and MongoDB expect."""
    assert matches(parse_filter(condition), BOOK) is passes


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        ({"isbn": "x"}, False),
        ({"isbn": {"$ne": "x"}}, True),
        ({"isbn": {"$nin": ["x"]}}, True),
        ({"isbn": {"$in": ["x"]}}, False),
        ({"isbn": {"$gt": 0}}, False),
        ({"isbn": {"$lte": ""}}, False),
        ({"isbn": None}, True),
        ({"isbn": {"$in": ["x", None]}}, True),
        ({"isbn": {"$ne": None}}, False),
        ({"isbn": {"$exists": False}}, True),
        ({"isbn": {"$exists": True}}, False),
        ({"isbn": {"$not": {"$gt": 0}}}, True),
    ],
)
def test_a_missing_field_equals_null_and_nothing_else(
    condition: dict[str, Any], passes: bool
) -> None:
    """A field that is not there counts as null for equality, and fails every order."""
    assert matches(parse_filter(condition), BOOK) is passes


def test_an_empty_list_holds_no_value_but_is_there() -> None:
    """A list without elements equals nothing, not even null, and exists."""
    empty = {"tags": []}
    assert not matches(parse_filter({"tags": None}), empty)
    assert matches(parse_filter({"tags": {"$ne": "io"}}), empty)
    assert matches(parse_filter({"tags": {"$exists": True}}), empty)


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_filter_passes_everything(nothing: object) -> None:
    """Null and the empty object are no filter."""
    assert parse_filter(nothing) is None
    assert matches(None, BOOK)


def test_keys_of_one_object_are_joined() -> None:
    """Several keys, and several operators of one field, become one conjunction."""
    assert parse_filter({"a": 1, "b": {"$gt": 2, "$lt": 3}}) == Every(
        (
            Condition("a", Operator.EQ, (1,)),
            Every((Condition("b", Operator.GT, (2,)), Condition("b", Operator.LT, (3,)))),
        )
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], r"filter: expected an object, got \[\]"),
        ("year", "filter: expected an object, got 'year'"),
        (0, "filter: expected an object, got 0"),
        (False, "filter: expected an object, got False"),
        ({"": 1}, "filter: a key must be a non-empty string, got ''"),
        ({1: 1}, "filter: a key must be a non-empty string, got 1"),
        ({"$where": "x"}, r"filter\.\$where: unknown operator; here \$and, \$or, \$not"),
        ({"$gt": 1}, r"filter\.\$gt: unknown operator; here"),
        ({"a": {"$regex": "x"}}, r"filter\.a: unknown operator '\$regex'; one of \$eq, \$ne"),
        ({"a": {"b": 1}}, r"filter\.a: unknown operator 'b'; one of"),
        ({"a": {}}, r"filter\.a: no operator; one of \$eq"),
        ({"a": [1]}, r"filter\.a: expected a string, number, boolean or null \(for a list use"),
        ({"a": {"$eq": {}}}, r"filter\.a\.\$eq: expected a string, number, boolean or null$"),
        ({"a": {"$in": 1}}, r"filter\.a\.\$in: expected a list of at most 10000 values"),
        ({"a": {"$in": "abc"}}, r"filter\.a\.\$in: expected a list"),
        ({"a": {"$nin": [[1]]}}, r"filter\.a\.\$nin\[0\]: expected a string"),
        (
            {"a": {"$in": [0] * (MAX_LIST + 1)}},
            r"filter\.a\.\$in: expected a list of at most 10000",
        ),
        ({"a": {"$exists": 1}}, r"filter\.a\.\$exists: expected true or false, got 1"),
        ({"a": {"$gt": None}}, r"filter\.a\.\$gt: expected a number or a string, got None"),
        ({"a": {"$lte": True}}, r"filter\.a\.\$lte: expected a number or a string, got True"),
        ({"a": {"$not": 1}}, r"filter\.a\.\$not: expected an object of operators"),
        ({"$and": []}, r"filter\.\$and: expected a non-empty list, got \[\]"),
        ({"$or": {"a": 1}}, r"filter\.\$or: expected a non-empty list"),
        ({"$or": [{"a": 1}, 2]}, r"filter\.\$or\[1\]: expected an object, got 2"),
        ({"$not": [1]}, r"filter\.\$not: expected an object"),
        ({"a": math.nan}, r"filter\.a: nan is not a finite number"),
        ({"a": {"$lt": math.inf}}, r"filter\.a\.\$lt: inf is not a finite number"),
        ({"a": MAX_INTEGER + 1}, r"filter\.a: the integer does not fit 64 bits"),
        (
            {"a": {"$in": [0, -MAX_INTEGER - 2]}},
            r"filter\.a\.\$in\[1\]: the integer does not fit 64",
        ),
        ({"a": "\ud800"}, r"filter\.a: the string holds a lone surrogate"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(given: object, message: str) -> None:
    """The message says where, what was given, and what is allowed there."""
    with pytest.raises(InvalidFilter, match=f"^{message}"):
        parse_filter(given)


def test_bounds_are_inclusive() -> None:
    """As many conditions, list elements, levels and bits as allowed are taken."""
    parse_filter({"$or": [{"a": i} for i in range(MAX_CONDITIONS)]})
    parse_filter({"a": {"$in": [0] * MAX_LIST}})
    parse_filter({"a": {"$in": [MAX_INTEGER, -MAX_INTEGER - 1]}})
    parse_filter(nested(MAX_DEPTH))


def nested(depth: int) -> dict[str, Any]:
    """A filter of so many levels."""
    given: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        given = {"$not": given}
    return given


def test_more_than_the_bounds_is_refused() -> None:
    """Conditions are counted over the whole filter, and levels of either kind of $not."""
    half = {"$or": [{"a": 1}] * (MAX_CONDITIONS // 2 + 1)}
    with pytest.raises(InvalidFilter, match=f"more than {MAX_CONDITIONS} conditions"):
        parse_filter({"$and": [half, half]})
    for empty in ({}, {"$not": {}}):
        with pytest.raises(InvalidFilter, match=f"more than {MAX_CONDITIONS} conditions"):
            parse_filter({"$and": [empty] * (MAX_CONDITIONS + 1)})
    lists = [{"a": {"$in": [0] * MAX_LIST}}] * (MAX_VALUES // MAX_LIST)
    parse_filter({"$or": lists})
    with pytest.raises(InvalidFilter, match=f"more than {MAX_VALUES} values"):
        parse_filter({"$or": [*lists, {"a": 1, "b": {"$eq": 1}}]})
    with pytest.raises(InvalidFilter, match=f"nested deeper than {MAX_DEPTH}"):
        parse_filter(nested(MAX_DEPTH + 1))
    inside: dict[str, Any] = {"$eq": 1}
    for _ in range(MAX_DEPTH + 1):
        inside = {"$not": inside}
    with pytest.raises(InvalidFilter, match=f"nested deeper than {MAX_DEPTH}"):
        parse_filter({"a": inside})


def test_deeply_nested_rubbish_is_refused() -> None:
    """Nesting as deep as Python recurses does not exhaust the stack."""
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit()):
        deep = [deep]
    for given in (deep, {"$and": deep}, {"a": {"$in": deep}}, {"a": {"$exists": deep}}):
        with pytest.raises(InvalidFilter):
            parse_filter(given)


def test_messages_do_not_repeat_what_is_long() -> None:
    """A field, operator or value of any length is cut in the message."""
    long = "x" * 10_000
    for given in ({"$" + long: 1}, {long: []}, {"a": {long: 1}}, {"a": {"$exists": long}}):
        with pytest.raises(InvalidFilter) as caught:
            parse_filter(given)
        assert len(str(caught.value)) < 300


def test_a_field_must_be_valid_unicode() -> None:
    """A name with a lone surrogate, which no stored field can have, is refused."""
    for given in ({"\ud800": 1}, {"\ud800": {"$exists": False}}):
        with pytest.raises(InvalidFilter, match="lone surrogate"):
            parse_filter(given)
