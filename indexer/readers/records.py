"""Records, as in JSON, CSV and Parquet, to documents.

A record is read as follows:

* the id is the field ``_id``, else ``id``, else the record's place; a whole number becomes its
  digits;
* ``text`` is required, and may be empty; ``title`` may be missing or null;
* the fields of an object ``metadata`` (BEIR's habit) are read as if they were fields of the record,
  except that they are never taken for the id, text or title;
* an object within the record becomes fields with dotted names (``author.name``); a list of
  objects becomes lists, like MongoDB's dotted paths (``labels.name``: every label's name);
* an object that represents one value in MongoDB's Extended JSON (``{"$oid": ...}``,
  ``{"$date": ...}``, ``{"$numberLong": ...}``) is that value;
* all other fields are metadata. A field that would occur twice is refused, as is a list of lists.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from indexer.documents import Document
from indexer.errors import BearingError, InvalidDocument, Unreadable
from indexer.filters import Scalar
from indexer.readers.reading import Fields, Rejection

MAX_RECORD_BYTES: Final = 16 * 2**20
"""The longest line of JSON Lines, and the longest record of CSV."""

MAX_NESTING: Final = 16
EXACT_DIGITS: Final = 17
"""A number of no more digits than this is represented by the nearest float."""

MAX_LEAVES: Final = 100_000
UUID_TYPE: Final = "04"
"""The type of MongoDB's binaries that are UUIDs."""

ID_FIELDS: Final = ("_id", "id")
_WITHIN_ID: Final = tuple(f"{name}." for name in ID_FIELDS)
TEXT_FIELD: Final = "text"
TITLE_FIELD: Final = "title"
METADATA_FIELD: Final = "metadata"
IMAGE_FIELD: Final = "image"
TEXT_OPTION: Final = "--text-field"

Record: TypeAlias = Mapping[str, Any]

_NESTED = frozenset((dict, list))
_KEY = re.compile(rb'"\s*:')
_LONG_NUMBER = re.compile(rb"(?:^|[\[:,\s])-?[0-9]{19}")
_EXACT: Final = range(-(2**63), 2**64)
"""The integers that orjson reads as integers; it makes floats of others."""


def parse_record(record: object, fields: Fields, place: str, default_id: str | None) -> Document:
    """The document in a record.

    ``default_id`` is used if the record has no id; with None such a record is refused.
    Raises Unreadable or InvalidDocument; the message begins with the place.
    """
    try:
        return document_of(record, fields, default_id)
    except (Unreadable, InvalidDocument) as error:
        raise type(error)(f"{place}: {error}") from error


def document_or_rejection(
    record: object, fields: Fields, place: str, default_id: str | None
) -> Document | Rejection:
    """The document in a record, or the reason why there is none."""
    try:
        return document_of(record, fields, default_id)
    except BearingError as error:
        return Rejection(place, str(error))


def document_of(record: object, fields: Fields, default_id: str | None) -> Document:
    """Like :func:`parse_record`, with a message that leaves the place to the caller."""
    if not isinstance(record, dict):
        raise Unreadable(f"expected an object with a field 'text', got {_named(record)}")
    record, inner = _apart(record)
    rest = flatten(record)
    if inner:
        inner = flatten(inner)
        rest.update(_named_within(inner, fields, rest))
    text = (
        "" if _is_bare(rest, fields) else _text(_take(rest, fields.text, TEXT_FIELD, TEXT_OPTION))
    )
    title = _title(rest, fields.title)
    id = _id(rest, fields.id, default_id)
    return Document(id, text, title, merged(rest, inner) if inner else rest)


def _is_bare(record: Record, fields: Fields) -> bool:
    """Return whether a record has an image and no text, which it needs not."""
    if not fields.pictures or not isinstance(record.get(IMAGE_FIELD), str):
        return False
    return fields.text is None and TEXT_FIELD not in record


def _apart(record: Record) -> tuple[Record, Record]:
    """The record without its metadata object, and that object."""
    if METADATA_FIELD not in record or not isinstance(record[METADATA_FIELD], dict | None):
        return record, {}
    others = {name: value for name, value in record.items() if name != METADATA_FIELD}
    return others, record.get(METADATA_FIELD) or {}


def _named_within(inner: dict[str, Any], fields: Fields, others: Record) -> dict[str, Any]:
    """Take the fields named as id, text or title out of the metadata object: ``metadata.text``."""
    prefix = f"{METADATA_FIELD}."
    named = {name for name in (fields.id, fields.text, fields.title) if name}
    wanted = [name for name in named if name.startswith(prefix) and name not in others]
    return {
        name: inner.pop(name.removeprefix(prefix))
        for name in wanted
        if name.removeprefix(prefix) in inner
    }


def parse_json(data: bytes) -> object:
    """The value of a JSON text.

    Stricter than most parsers: duplicate fields, integers beyond 64 bits (which others round), NaN
    and Infinity, lone surrogates, bytes that are not UTF-8, and nesting deeper than 1,024 raise
    Unreadable.
    """
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        where = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise Unreadable(f"not JSON: {error.msg} at {where}") from error
    check_exact(data, value)
    return value


def check_exact(data: bytes, value: object) -> None:
    """Raise Unreadable unless ``value``, which orjson read, holds everything in the text."""
    # Each field has a quote before its colon. As many such pairs as fields: no duplicates.
    # There may be more inside strings; then look closely (rare, and slower).
    if _LONG_NUMBER.search(data) or len(_KEY.findall(data)) > _count_fields(value):
        _check_closely(data)


def _count_fields(value: object) -> int:
    if isinstance(value, dict) and _NESTED.isdisjoint(map(type, value.values())):
        return len(value)
    count, waiting = 0, [value]
    while waiting:
        here = waiting.pop()
        inner: Iterable[object] = ()
        if isinstance(here, dict):
            count += len(here)
            inner = here.values()
        elif isinstance(here, list):
            inner = here
        waiting.extend(each for each in inner if type(each) in _NESTED)
    return count


def _check_closely(data: bytes) -> None:
    try:
        json.loads(data, object_pairs_hook=_unique, parse_int=_exact)
    except RecursionError as error:
        raise Unreadable("not JSON that can be read: nested too deeply") from error


def _exact(digits: str) -> int:
    # This many digits are out of range anyway, and Python is slow at reading millions of them.
    if len(digits) > 21 or int(digits) not in _EXACT:
        raise Unreadable(
            f"the integer {digits[:24]}{'…' * (len(digits) > 24)} does not fit 64 bits, and would "
            "be rounded: write it as a string, or with a decimal point"
        )
    return int(digits)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise Unreadable(f"the field {twice!r} is there twice")
    return found


def flatten(record: Record) -> dict[str, Any]:
    """The record with dotted names in place of nested objects; see the module.

    Raises Unreadable for a list of lists, a duplicate field, and too many fields or levels.
    """
    if _NESTED.isdisjoint(map(type, record.values())):
        return dict(record)
    flat: dict[str, Any] = {}
    for name, value in _leaves(record, "", 0, [MAX_LEAVES]):
        _add(flat, name, value)
    return flat


def _leaves(
    record: Record, prefix: str, depth: int, left: list[int]
) -> Iterable[tuple[str, object]]:
    if depth > MAX_NESTING:
        raise Unreadable(f"the field {prefix[:80]!r} is nested deeper than {MAX_NESTING}")
    for key, value in record.items():
        left[0] -= 1
        if left[0] < 0:
            raise Unreadable(f"more than {MAX_LEAVES:,} fields")
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            value = _extended(value)
        elif isinstance(value, list):
            value = [_extended(each) if isinstance(each, Mapping) else each for each in value]
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.", depth + 1, left)
        elif isinstance(value, list) and any(isinstance(element, dict | list) for element in value):
            yield from _columns(value, name, depth, left).items()
        else:
            yield name, value


def _extended(value: Record) -> object:
    """The value of an object of MongoDB's Extended JSON; any other object unchanged."""
    if len(value) != 1:
        return value
    ((kind, given),) = value.items()
    if kind == "$date" and isinstance(given, Mapping):
        given = _extended(given)  # canonical: milliseconds as {"$numberLong": "..."}
    if kind == "$binary" and isinstance(given, Mapping) and given.get("subType") == UUID_TYPE:
        given = given.get("base64")
    convert = _EXTENDED.get(kind)
    if convert is None or not isinstance(given, str | int | float):
        return value
    try:
        return convert(given)
    except (ValueError, ArithmeticError) as error:
        raise Unreadable(f"{kind} {given!r:.80}: {error}") from error


def _moment(given: str | float) -> str:
    if isinstance(given, str):
        return given
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return _date(epoch + datetime.timedelta(milliseconds=given))


def _date(given: datetime.date | datetime.time) -> str:
    """ISO 8601, with the given offset: filters compare moments whatever the offset."""
    text = str(given.isoformat())
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


_EXTENDED: Final[Mapping[str, Callable[[Any], Scalar]]] = {
    "$oid": str,
    "$uuid": str,
    "$binary": lambda given: str(uuid.UUID(bytes=base64.b64decode(given, validate=True))),
    "$symbol": str,
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
    "$numberDecimal": lambda given: _decimal(decimal.Decimal(given)),
    "$date": _moment,
}


def _columns(
    elements: list[Any], name: str, depth: int, left: list[int]
) -> Mapping[str, list[object]]:
    columns: dict[str, list[object]] = {}
    for element in elements:
        if not isinstance(element, Mapping):
            raise Unreadable(
                f"the field {name[:80]!r} is a list that holds {_named(element)} beside objects "
                "or lists: a list may hold strings, numbers, booleans and nulls, or objects"
            )
        for inner, value in _leaves(element, f"{name}.", depth + 1, left):
            column = columns.setdefault(inner, [])
            column.extend(value if isinstance(value, list) else [value])
    return columns


def merged(fields: Record, others: Record) -> dict[str, Any]:
    """Both together; raises Unreadable for a field in both."""
    both = dict(fields)
    for name, value in others.items():
        _add(both, name, value)
    return both


def _add(fields: dict[str, Any], name: str, value: object) -> None:
    if name in fields:
        raise Unreadable(f"the field {name!r} is there twice, once of them within another field")
    fields[name] = value


def _take(record: dict[str, Any], given: str | None, usual: str, option: str) -> object:
    name = usual if given is None else given
    if name not in record:
        raise Unreadable(missing_field(name, record, option))
    return record.pop(name)


def missing_field(name: str, there: Iterable[str], option: str) -> str:
    """The message about a missing field: the fields there are, and how to name another."""
    found = ", ".join(repr(field[:40]) for field in list(there)[:12]) or "no other field"
    return f"no field {name!r}, but {found}; for `bearing index`, {option} names another"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"the text must be a string, got {_named(value)}")
    return value


def _title(record: dict[str, Any], given: str | None) -> str | None:
    if given is None:
        value = record.pop(TITLE_FIELD, None)
    else:
        value = _take(record, given, TITLE_FIELD, "--title-field")
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"the title must be a string or null, got {_named(value)}")
    return value


def _id(record: dict[str, Any], given: str | None, default: str | None) -> str:
    if given is not None:
        return _id_text(_take(record, given, given, "--id-field"))
    for name in ID_FIELDS:
        if record.get(name) is not None:
            return _id_text(record.pop(name))
    within = next((name for name in record if name.startswith(_WITHIN_ID)), None)
    if within is not None:
        raise Unreadable(
            f"the id is an object: for `bearing index`, --id-field names what tells records apart, "
            f"such as {within[:40]!r}"
        )
    if default is None:
        raise Unreadable(missing_field(ID_FIELDS[0], record, "--id-field"))
    for name in ID_FIELDS:
        record.pop(name, None)
    return default


def _id_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Unreadable(f"the id must be a string or a whole number, got {_named(value)}")
    return value


def plain(value: object) -> object:
    """A value of YAML, TOML or Parquet as JSON.

    Dates and times become ISO 8601 strings, with their own offset, durations seconds, decimals
    numbers, UUIDs and UTF-8 bytes strings, NaN null, tuples and sets lists. Raises Unreadable for
    other bytes.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(element) for element in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    raise Unreadable(f"a {type(value).__name__} cannot be a field of a document")


def _decimal(value: decimal.Decimal) -> Scalar:
    if value.is_nan():
        return None
    whole = value.is_finite() and value == value.to_integral_value()
    digits = len(value.as_tuple().digits)
    if not whole and digits > EXACT_DIGITS and decimal.Decimal(repr(float(value))) != value:
        raise Unreadable(f"a decimal of {digits} digits would be rounded: write it as a string")
    return int(value) if whole else float(value)


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("bytes that are not UTF-8 cannot be a field of a document") from error


_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], Scalar]], ...]] = (
    ((datetime.date, datetime.time), _date),
    (datetime.timedelta, lambda duration: float(duration.total_seconds())),
    (decimal.Decimal, _decimal),
    (bytes, _utf8),
    (uuid.UUID, str),
)


def _named(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case Mapping():
            return "an object"
    return f"a {type(value).__name__}"
