"""The filter language against a second reading of it, written from its description alone.

The oracle reads the JSON itself, without parsing it into conditions, and holds exact tagged
values against each other, so that it shares no step with what it judges.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st
from local import create_local
from samples import make_identity, random_units
from tries import tries

from indexer.analysis.field_summaries import least_of, summarise
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import InvalidFilter
from indexer.filters import MAX_INTEGER, Metadata, matches, parse_filter

FIELDS = ["a", "b", "c.d", "ü", " "]

# Few values, so that fields and operands often meet, with the neighbours that types confuse.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 0.0, -0.0, 1.0, 0.5, 1e308, 5e-324),
    *(2**53, 2**53 + 1, float(2**53), MAX_INTEGER, -MAX_INTEGER - 1, 2.0**63, -(2.0**63)),
    *("", "1", "true", "a", "A", "b", "ab", "null", "é", "e\u0301", "\x00", "a\x00b"),
    *("\U0001f9ed", "\uffff"),  # in UTF-16, but not by code point, the first is the smaller
    *("2024-03-01T00:00:00+02:00", "2024-02-29T22:00:00Z", "2024-02-29t22:00:00.5z"),
    *("2024-03-01", "2024-03-01T00:00:00", "2024-03-01 00:00:00.000Z", "2024-02-29T22:00:01Z"),
    *("2024", "2024-03", "2024-02-30", "2024-02-29T22:00:00Zz", "2024-03-01!", "3000"),
]
scalars = st.sampled_from(VALUES) | st.floats(allow_nan=False, allow_infinity=False)
orderable = scalars.filter(lambda v: v is not None and not isinstance(v, bool))
metadatas = st.dictionaries(st.sampled_from(FIELDS), scalars | st.lists(scalars, max_size=3))


@st.composite
def operators(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """An object of operators on one field."""
    entries: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(OPERANDS), min_size=1, max_size=3, unique=True)):
        entries[name] = draw(OPERAND_STRATEGIES[name])
    if depth and draw(st.booleans()):
        entries["$not"] = draw(operators(depth - 1))
    return entries


OPERAND_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("$eq", "$ne"), scalars),
    **dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), orderable),
    **{name: st.lists(scalars, max_size=4) for name in ("$in", "$nin")},
    "$exists": st.booleans(),
}
OPERANDS = sorted(OPERAND_STRATEGIES)

fields = st.dictionaries(st.sampled_from(FIELDS), scalars | operators(), max_size=3)
filters = st.recursive(
    fields,
    lambda inner: st.builds(
        lambda base, extra: {**base, **extra},
        fields,
        st.fixed_dictionaries(
            {},
            optional={
                "$and": st.lists(inner, min_size=1, max_size=3),
                "$or": st.lists(inner, min_size=1, max_size=3),
                "$not": inner,
            },
        ),
    ),
    max_leaves=6,
)


def moment_of(value: str) -> datetime | None:
    """The moment that a string names, of those above, as Python reads it."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def tagged(value: Any) -> tuple[str, Any]:
    """A value with its kind, numbers as exact fractions: 1 is 1.0, and not true or "1"."""
    match value:
        case None:
            return ("null", None)
        case bool():
            return ("boolean", value)
        case str():
            moment = moment_of(value)
            letters = [ord(character) for character in value]
            return ("string", letters) if moment is None else ("moment", moment)
        case _:
            return ("number", Fraction(value))


def expected(given_: dict[str, Any], metadata: Metadata) -> bool:
    """What the description of the language says of a filter, as it was given."""
    verdicts = []
    for key, value in given_.items():
        if key == "$and":
            verdicts.append(False not in [expected(part, metadata) for part in value])
        elif key == "$or":
            verdicts.append(True in [expected(part, metadata) for part in value])
        elif key == "$not":
            verdicts.append(not expected(value, metadata))
        else:
            operators_ = value if isinstance(value, dict) else {"$eq": value}
            verdicts.append(expected_of_field(key, operators_, metadata))
    return False not in verdicts


def expected_of_field(field: str, operators_: dict[str, Any], metadata: Metadata) -> bool:
    """The verdict of all operators on one field."""
    missing = field not in metadata
    held: Any = metadata.get(field)
    values = held if isinstance(held, list) else [held]
    elements = [tagged(v) for v in values]
    verdicts = []
    for name, operand in operators_.items():
        match name:
            case "$not":
                verdict = not expected_of_field(field, operand, metadata)
            case "$exists":
                verdict = missing != operand
            case "$eq" | "$ne":
                # A missing field counts as null here, as in MongoDB.
                verdict = (tagged(operand) in elements) == (name == "$eq")
            case "$in" | "$nin":
                met = [v for v in operand if tagged(v) in elements]
                verdict = bool(met) == (name == "$in")
            case _:
                verdict = not missing and any(ordered(name, v, operand) for v in values)
        verdicts.append(verdict)
    return all(verdicts)


def ordered(name: str, value: Any, bound: Any) -> bool:
    """An order holds between two numbers, two moments, or any string and one that names none."""
    element, operand = tagged(value), tagged(bound)
    if operand[0] == "string" and isinstance(value, str):
        element = ("string", [ord(character) for character in value])
    if element[0] != operand[0] or element[0] not in ("number", "string", "moment"):
        return False
    sign = (element[1] > operand[1]) - (element[1] < operand[1])
    return sign in {"$gt": {1}, "$gte": {0, 1}, "$lt": {-1}, "$lte": {-1, 0}}[name]


@given(filters, metadatas)
@settings(deadline=None, max_examples=tries(60))
@example({"a": None}, {})
@example({"a": {"$ne": None}}, {})
@example({"a": {"$nin": [None]}}, {"a": []})
@example({"a": {"$in": []}}, {})
@example({"a": {"$gt": 1, "$lt": 1}}, {"a": [0, 2]})
@example({"a": {"$not": {"$gt": 1}}}, {})
@example({"$not": {}}, {})
def test_matches_means_what_its_description_says(
    given_: dict[str, Any], metadata: Metadata
) -> None:
    """Every filter passes exactly the metadata that the description says it passes."""
    verdict = expected(given_, metadata)
    event(f"verdict {verdict}")
    assert matches(parse_filter(given_), metadata) is verdict


def documents() -> list[Document]:
    """Documents whose metadata holds every value alone, in lists, and beside others."""
    random_ = random.Random(0)
    held: list[Any] = [*VALUES, [], *([v] for v in VALUES)]
    held += [random_.choices(VALUES, k=random_.randint(2, 4)) for _ in range(60)]
    metadata = [{"a": value} for value in held]
    for _ in range(300):
        present = random_.sample(FIELDS, random_.randint(0, len(FIELDS)))
        metadata.append({name: random_.choice(held) for name in present})
    return [Document(str(i), "", metadata=value) for i, value in enumerate(metadata)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, list[Document]]]:
    """A collection of those documents, and they themselves."""
    folder = tmp_path_factory.mktemp("filters") / "things"
    given_, vectors = documents(), random_units(1)
    with create_local(folder, make_identity()) as collection:
        collection.put([EmbeddedDocument(d, (Chunk(0, 0, 0),), vectors) for d in given_])
        yield collection, given_


@given(given_=filters)
@settings(deadline=None, max_examples=tries(40))
def test_a_collection_finds_what_matches(
    stored: tuple[Collection, list[Document]], given_: dict[str, Any]
) -> None:
    """A stored collection's filter passes the very documents that the definition passes."""
    collection, all_ = stored
    parsed = parse_filter(given_)
    passing = [d.id for d in all_ if matches(parsed, d.metadata)]
    found = collection.page(parsed, limit=len(all_)).documents
    assert [document.id for document in found] == passing


def test_both_engines_count_fields_alike(stored: tuple[Collection, list[Document]]) -> None:
    """What is counted by a query of the store is what is counted one document at a time."""
    collection, all_ = stored
    assert collection.fields(common=1_000) == summarise(all_, 100, 1_000)
    for field in FIELDS:
        held = {d.id: d.metadata[field] for d in all_ if field in d.metadata}
        least = {id: one for id, values in held.items() for one in least_of(values)}
        assert collection.column(field) == least


@given(filters, metadatas)
@settings(deadline=None)
def test_not_is_the_complement(given_: dict[str, Any], metadata: Metadata) -> None:
    """A document passes a filter or its $not, never both or neither."""
    assume(given_)
    assert matches(parse_filter({"$not": given_}), metadata) is not matches(
        parse_filter(given_), metadata
    )


@given(filters, filters, metadatas)
@settings(deadline=None)
def test_de_morgan(first: dict[str, Any], second: dict[str, Any], metadata: Metadata) -> None:
    """Not (A and B) is (not A) or (not B)."""
    joined = parse_filter({"$not": {"$and": [first, second]}})
    split = parse_filter({"$or": [{"$not": first}, {"$not": second}]})
    assert matches(joined, metadata) is matches(split, metadata)


@given(filters, metadatas)
@settings(deadline=None)
def test_the_order_of_keys_does_not_matter(given_: dict[str, Any], metadata: Metadata) -> None:
    """A filter is a JSON object: its keys have no order."""
    backwards = dict(reversed(given_.items()))
    assert matches(parse_filter(backwards), metadata) is matches(parse_filter(given_), metadata)


@given(filters, metadatas)
@settings(deadline=None)
def test_parsing_survives_json(given_: dict[str, Any], metadata: Metadata) -> None:
    """A filter means the same after a trip through JSON, and parsing does not change it."""
    before = json.dumps(given_)
    parsed = parse_filter(given_)
    assert json.dumps(given_) == before
    assert parse_filter(json.loads(before)) == parsed
    assert matches(parse_filter(json.loads(before)), json.loads(json.dumps(metadata))) is matches(
        parsed, metadata
    )


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=4)
    | st.sampled_from([*OPERANDS, "$not", "$and", "$or", "$where", "$"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*OPERANDS, "$not", "$and", "$or", "$where", "$", "", "a"]) | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything, metadatas)
@settings(deadline=None, max_examples=tries(60))
def test_any_json_is_a_filter_or_refused(given_: Any, metadata: Metadata) -> None:
    """Whatever is given either parses, and then gives a verdict, or raises InvalidFilter."""
    try:
        parsed = parse_filter(given_)
    except InvalidFilter as refusal:
        event("refused")
        assert str(refusal).startswith("filter")
        return
    assert matches(parsed, metadata) in (True, False)
