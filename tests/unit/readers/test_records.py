"""How a record becomes a document."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import BearingError, InvalidDocument, Unreadable
from indexer.readers import USUAL, Fields, parse_json, parse_record
from indexer.readers.records import flatten, plain


def parse(record: object, fields: Fields = USUAL, default_id: str | None = "default"):
    """The document of a record found here."""
    return parse_record(record, fields, "here", default_id)


def test_beir_record() -> None:
    """BEIR's _id, title, text and metadata object are understood as they are."""
    document = parse({"_id": "7", "title": "T", "text": "words", "metadata": {"url": "u"}})
    assert (document.id, document.title, document.text) == ("7", "T", "words")
    assert document.metadata == {"url": "u"}


def test_all_other_fields_are_metadata() -> None:
    """Whatever is not id, text or title is metadata with its JSON type."""
    document = parse({"id": "7", "text": "", "n": 1, "f": 0.5, "b": True, "z": None, "l": ["a", 1]})
    assert document.id == "7"
    assert document.metadata == {"n": 1, "f": 0.5, "b": True, "z": None, "l": ["a", 1]}


def test_underscore_id_is_before_id() -> None:
    """Where both are there, _id is the id and id is metadata."""
    document = parse({"_id": "a", "id": "b", "text": "t"})
    assert document.id == "a"
    assert document.metadata == {"id": "b"}


def test_default_id() -> None:
    """A record without an id, or with a null one, gets the id that its place gives."""
    assert parse({"text": "t"}).id == "default"
    assert parse({"text": "t", "_id": None}) == parse({"text": "t", "id": None})


def test_whole_number_id() -> None:
    """A whole number becomes its digits."""
    assert parse({"id": 7, "text": "t"}).id == "7"


def test_named_fields() -> None:
    """Fields given by name are taken; the usual names are then metadata like any other."""
    fields = Fields(id="key", text="body", title="head")
    document = parse({"key": "k", "body": "b", "head": "h", "title": "x", "id": 3}, fields)
    assert (document.id, document.text, document.title) == ("k", "b", "h")
    assert document.metadata == {"title": "x", "id": 3}


def test_dotted_field() -> None:
    """A field within an object can be named with dots."""
    assert parse({"page": {"body": "b", "n": 1}}, Fields(text="page.body")).text == "b"


def test_metadata_names_are_not_roles() -> None:
    """A title within the metadata object is metadata, not the title."""
    document = parse({"text": "t", "metadata": {"title": "x", "text": "y"}})
    assert document.title is None
    assert document.metadata == {"title": "x", "text": "y"}


def test_metadata_that_is_no_object() -> None:
    """A field metadata that holds no object is metadata called metadata; null is nothing."""
    assert parse({"text": "t", "metadata": "m"}).metadata == {"metadata": "m"}
    assert parse({"text": "t", "metadata": None}).metadata == {}


def test_nested_objects_get_dotted_names() -> None:
    """Objects within a record become fields with dotted names; lists of objects become lists."""
    record = {
        "text": "t",
        "author": {"name": "n", "home": {"city": "c"}},
        "labels": [{"name": "a", "color": "r"}, {"name": "b"}],
        "empty": {},
    }
    assert parse(record).metadata == {
        "author.name": "n",
        "author.home.city": "c",
        "labels.name": ["a", "b"],
        "labels.color": ["r"],
    }


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([1], "expected an object with a field 'text', got a list"),
        ("x", "got a string"),
        (
            {"title": "T", "body": "b"},
            "no field 'text', but 'title', 'body'; for `bearing index`, --text-field",
        ),
        ({"text": None}, "the text must be a string, got null"),
        ({"text": 3}, "the text must be a string, got a number"),
        ({"text": ["a"]}, "the text must be a string, got a list"),
        ({"text": "t", "title": 3}, "the title must be a string or null, got a number"),
        ({"text": "t", "id": 1.5}, "the id must be a string or a whole number, got a number"),
        ({"text": "t", "id": True}, "the id must be a string or a whole number, got a boolean"),
        ({"text": "t", "x": [[1]]}, "'x' is a list that holds a list beside objects or lists"),
        ({"text": "t", "x": [{"a": 1}, 2]}, "'x' is a list that holds a number"),
        ({"text": "t", "a.b": 1, "a": {"b": 2}}, "'a.b' is there twice"),
        ({"text": "t", "a": 1, "metadata": {"a": 2}}, "'a' is there twice"),
    ],
)
def test_unreadable_records(record: object, reason: str) -> None:
    """A record that means no document is refused, naming the place and what was found."""
    with pytest.raises(Unreadable) as caught:
        parse(record)
    assert str(caught.value).startswith("here: ")
    assert reason in str(caught.value)


def test_named_field_must_be_there() -> None:
    """A field that was named is not replaced by a usual one."""
    for fields in (Fields(id="x"), Fields(text="x"), Fields(title="x")):
        with pytest.raises(Unreadable, match="no field 'x'"):
            parse({"id": "1", "text": "t", "title": "T"}, fields)


def test_no_id_and_no_default() -> None:
    """Without an id and a default the record is refused."""
    with pytest.raises(Unreadable, match="no field '_id'"):
        parse({"text": "t"}, default_id=None)


@pytest.mark.parametrize(
    "record",
    [
        {"id": "", "text": "t"},
        {"id": "a\nb", "text": "t"},
        {"id": "x" * 513, "text": "t"},
        {"id": "1", "text": "\ud800"},
        {"id": "1", "text": "t", "n": 2**63},
        {"id": "1", "text": "t", "$x": 1},
    ],
)
def test_what_documents_refuse(record: object) -> None:
    """What a document may not be is refused with the place in front."""
    with pytest.raises(InvalidDocument, match=r"^here: "):
        parse(record)


def test_nesting_is_bounded() -> None:
    """Objects nested deeper than 16 are refused."""
    nested: dict[str, object] = {"leaf": 1}
    for _ in range(20):
        nested = {"a": nested}
    with pytest.raises(Unreadable, match="nested deeper than 16"):
        parse({"text": "t", **nested})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        (b'{"a": 1e999}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": 1} {"a": 2}', "not JSON"),
        (b"[" * 2000 + b"]" * 2000, "not JSON"),
        (b'{"a": 1, "a": 2}', "the field 'a' is there twice"),
        (b'{"a": 1, "b": {"c": 1, "c" : 2}}', "the field 'c' is there twice"),
        (b'{"\\u0061": 1, "a"\t: 2}', "the field 'a' is there twice"),
        (b'[{"a": 1, "a": 1}]', "the field 'a' is there twice"),
        (b'{"a": 18446744073709551616}', "18446744073709551616 does not fit 64 bits"),
        (b'{"a": [-9223372036854775809]}', "does not fit 64 bits"),
        (b"99999999999999999999", "does not fit 64 bits"),
        (b'{"a":' + b"9" * 300 + b"}", "does not fit 64 bits"),
    ],
)
def test_strict_json(line: bytes, reason: str) -> None:
    """What other parsers let pass, or settle silently, is refused."""
    with pytest.raises(Unreadable, match=reason):
        parse_json(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 18446744073709551615}',
        b'{"a": -9223372036854775808}',
        b'{"a": "99999999999999999999"}',
        b'{"a": [0.1234567890123456789012, 99999999999999999999.0, 1e20]}',
    ],
)
def test_long_numbers_that_lose_nothing_are_read(line: bytes) -> None:
    """Integers of 64 bits, and digits of strings and of fractions, are no reason to refuse."""
    assert parse_json(line) == json.loads(line)


@given(JSON, st.booleans())
def test_json_that_is_fine(value: object, ascii: bool) -> None:
    """Any JSON value without doubled fields is read as the standard library reads it."""
    encoded = json.dumps(value, ensure_ascii=ascii).encode()
    assert parse_json(encoded) == value


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6))
def test_flattening_gives_flat_fields_or_a_reason(record: dict[str, object]) -> None:
    """No object is left within a flattened record, and each leaf is found under its path."""
    try:
        flat = flatten(record)
    except BearingError:
        return
    for name, value in record.items():
        if not isinstance(value, dict | list):
            assert flat[name] == value
    for value in flat.values():
        assert not isinstance(value, dict)
        assert not isinstance(value, list) or not any(isinstance(e, dict | list) for e in value)


LIMA = datetime.timezone(datetime.timedelta(hours=-5))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.UTC), "2024-02-29T01:02:03Z"),
        (datetime.datetime(2024, 2, 29, 1, 2, tzinfo=LIMA), "2024-02-29T01:02:00-05:00"),
        (datetime.time(1, 2), "01:02:00"),
        (datetime.timedelta(minutes=1.5), 90.0),
        (decimal.Decimal("12"), 12),
        (decimal.Decimal("1.25"), 1.25),
        (decimal.Decimal("NaN"), None),
        (float("nan"), None),
        (b"caf\xc3\xa9", "café"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({1: (1, 2)}, {"1": [1, 2]}),
    ],
)
def test_values_that_json_lacks(value: object, expected: object) -> None:
    """Values of YAML, TOML and Parquet become what JSON has for them."""
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


@pytest.mark.parametrize("value", [b"\xff", object()])
def test_values_that_cannot_be(value: object) -> None:
    """Bytes that are no text, and whatever else there may be, are refused."""
    with pytest.raises(Unreadable):
        plain(value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"$oid": "65f0c1"}, "65f0c1"),
        ({"$numberLong": "9007199254740993"}, 9007199254740993),
        ({"$numberInt": "7"}, 7),
        ({"$numberDouble": "0.5"}, 0.5),
        ({"$numberDecimal": "12.50"}, 12.5),
        ({"$date": "2024-01-02T03:04:05Z"}, "2024-01-02T03:04:05Z"),
        ({"$date": {"$numberLong": "1704164645678"}}, "2024-01-02T03:04:05.678000Z"),
        (
            {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "04"}},
            "00000000-0000-0000-0000-000000000001",
        ),
        ([{"$oid": "a"}, {"$oid": "b"}], ["a", "b"]),
    ],
)
def test_extended_json(value: object, read: object) -> None:
    """What MongoDB exports as an object for one value is that value, also as the id."""
    document = parse_record({"text": "x", "f": value}, USUAL, "p", "p")
    assert document.metadata == {"f": read}
    exported = {"_id": {"$oid": "65f0c1"}, "text": "x"}
    assert parse_record(exported, USUAL, "p", None).id == "65f0c1"


def test_extended_json_that_is_none() -> None:
    """A number that is none is refused, an object with more fields is one."""
    with pytest.raises(Unreadable, match="numberLong"):
        parse_record({"text": "x", "f": {"$numberLong": "many"}}, USUAL, "p", "p")
    with pytest.raises(Unreadable, match="binary"):
        binary = {"base64": "AAAA", "subType": "04"}
        parse_record({"text": "x", "f": {"$binary": binary}}, USUAL, "p", "p")


@pytest.mark.parametrize("name", ["_id", "id"])
def test_an_id_of_several_fields(name: str) -> None:
    """An object as the id is refused, and what is said of it helps; another id may be beside it."""
    record = {"text": "x", name: {"shop": 1, "item": "y"}}
    with pytest.raises(Unreadable, match=rf"--id-field .* '{name}\.shop'"):
        parse_record(record, USUAL, "p", "p")
    assert parse_record(record, Fields(id=f"{name}.item"), "p", "p").id == "y"
    other = {"_id": "id", "id": "_id"}[name]
    assert parse_record({**record, other: "z"}, USUAL, "p", "p").id == "z"


def test_text_within_the_metadata() -> None:
    """The text, title or id may be named within the metadata object, and is then none of it."""
    record = {"id": "a", "metadata": {"text": "x", "title": "T", "year": 2024}}
    fields = Fields(text="metadata.text", title="metadata.title")
    document = parse_record(record, fields, "p", None)
    assert (document.text, document.title, document.metadata) == ("x", "T", {"year": 2024})
    with pytest.raises(Unreadable, match=r"metadata\.body"):
        parse_record(record, Fields(text="metadata.body"), "p", None)
