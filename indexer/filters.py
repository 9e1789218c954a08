"""The filter language: conditions on metadata, parsed from JSON, checked, and evaluated.

A filter is a JSON object in the operators of Chroma, Pinecone and MongoDB::

    {"year": {"$gte": 2020}, "$or": [{"kind": "class"}, {"tags": {"$in": ["io", "net"]}}]}

Keys of one object are joined by *and*. A field that holds a list matches a condition if one of its
elements does. Types do not mix: ``1`` equals ``1.0`` but neither ``true`` nor ``"1"``, and an order
(``$gt`` and the like) holds between two numbers or two strings only. Strings that name moments
(see ``moments``) are equal if the moments are, and an order by one holds for moments only; by any
other string it holds for all strings, moments as they are written. A missing field fails every
condition except ``$ne``, ``$nin``, ``{"$exists": false}`` and, as in MongoDB, equality with null.
``$ne`` and ``$nin`` are the exact complements of ``$eq`` and ``$in``.

:func:`matches` defines the language, and is the oracle of every faster evaluation.
"""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from indexer.errors import InvalidFilter
from indexer.moments import moment_key

Scalar: TypeAlias = str | int | float | bool | None
"""A value that metadata may hold, alone or in a list."""

Metadata: TypeAlias = Mapping[str, Scalar | Sequence[Scalar]]
"""A flat JSON object."""

MAX_DEPTH: Final = 16
MAX_CONDITIONS: Final = 1_000
MAX_LIST: Final = 10_000
MAX_VALUES: Final = 100_000
MAX_INTEGER: Final = 2**63 - 1


class Operator(StrEnum):
    """The operators of a condition."""

    EQ = "$eq"
    NE = "$ne"
    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"
    IN = "$in"
    NIN = "$nin"
    EXISTS = "$exists"


ORDERS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
}
COMPLEMENTS: Final[Mapping[Operator, Operator]] = {
    Operator.NE: Operator.EQ,
    Operator.NIN: Operator.IN,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one field; ``values`` has one element except for $in and $nin."""

    field: str
    operator: Operator
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """True if all parts are; so also without parts."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True if at least one part is."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is false."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Pictured:
    """True of documents with a picture. It has no form in JSON: searches ask by it (``of``)."""


Filter: TypeAlias = Condition | Every | Some | Not | Pictured


class Kind(StrEnum):
    """The types kept apart: a value is equal to, or ordered against, its own kind only."""

    NULL = "null"
    BOOLEAN = "boolean"
    NUMBER = "number"
    STRING = "string"
    MOMENT = "moment"


Key: TypeAlias = tuple[Kind, Scalar]
"""A value as compared within its kind: two texts of one moment have the same key."""


def kind_of(value: Scalar) -> Kind:
    """The kind of a scalar."""
    return key_of(value)[0]


def key_of(value: Scalar) -> Key:
    """The key of a scalar: the moment of a text that names one, else the value itself."""
    if isinstance(value, str):
        moment = moment_key(value)
        return (Kind.STRING, value) if moment is None else (Kind.MOMENT, moment)
    if value is None:
        return Kind.NULL, None
    return Kind.BOOLEAN if isinstance(value, bool) else Kind.NUMBER, value


def parse_filter(given: object) -> Filter | None:
    """The filter for a JSON value; None for null and for the empty object.

    Raises InvalidFilter, which names the place and what is allowed there.
    """
    if given is None or given == {}:
        return None
    budget = _Budget()
    return _parse_object(given, "filter", 0, budget)


def fields_of(condition: Filter | None) -> frozenset[str]:
    """The metadata fields that a filter names."""
    match condition:
        case None | Pictured():
            return frozenset()
        case Condition(field):
            return frozenset({field})
        case Not(part):
            return fields_of(part)
        case Every(parts) | Some(parts):
            return frozenset().union(*map(fields_of, parts))


def matches(condition: Filter | None, metadata: Metadata, *, pictured: bool = False) -> bool:
    """Return whether a document with this metadata passes; the definition of the language.

    ``pictured`` says that it has a picture.
    """
    match condition:
        case None:
            return True
        case Pictured():
            return pictured
        case Every(parts):
            return all(matches(part, metadata, pictured=pictured) for part in parts)
        case Some(parts):
            return any(matches(part, metadata, pictured=pictured) for part in parts)
        case Not(part):
            return not matches(part, metadata, pictured=pictured)
        case Condition():
            return _holds(condition, metadata)


def _holds(condition: Condition, metadata: Metadata) -> bool:
    op = condition.operator
    if op in COMPLEMENTS:
        positive = Condition(condition.field, COMPLEMENTS[op], condition.values)
        return not _holds(positive, metadata)
    present = condition.field in metadata
    if op is Operator.EXISTS:
        return present is condition.values[0]
    if not present:
        return op in (Operator.EQ, Operator.IN) and None in condition.values
    held = metadata[condition.field]
    elements = held if isinstance(held, Sequence) and not isinstance(held, str) else [held]
    if op in ORDERS:
        return any(_ordered(element, op, condition.values[0]) for element in elements)
    keys = {key_of(element) for element in elements}
    return any(key_of(value) in keys for value in condition.values)


def _ordered(element: Scalar, op: Operator, value: Scalar) -> bool:
    kind, bound = key_of(value)
    if kind is Kind.STRING:  # by code points, moment or not
        return isinstance(element, str) and ORDERS[op](element, bound)
    held = key_of(element)
    return held[0] is kind and ORDERS[op](held[1], bound)


class _Budget:
    """Counts conditions, and values in lists, over the whole filter."""

    def __init__(self) -> None:
        self.conditions = MAX_CONDITIONS
        self.values = MAX_VALUES

    def take(self, values: int = 1) -> None:
        self.conditions -= 1
        if self.conditions < 0:
            raise InvalidFilter(f"filter: more than {MAX_CONDITIONS} conditions")
        self.values -= values
        if self.values < 0:
            raise InvalidFilter(f"filter: more than {MAX_VALUES} values in all lists")


def _parse_object(given: object, place: str, depth: int, budget: _Budget) -> Filter:
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"{place}: nested deeper than {MAX_DEPTH}")
    if not isinstance(given, Mapping):
        raise InvalidFilter(f"{place}: expected an object, got {_shown(given)}")
    if not given:
        budget.take()  # it has no condition inside, yet costs as much as one
    parts = [_parse_entry(key, value, place, depth, budget) for key, value in given.items()]
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _parse_entry(key: object, value: object, place: str, depth: int, budget: _Budget) -> Filter:
    if not isinstance(key, str) or not key:
        raise InvalidFilter(f"{place}: a key must be a non-empty string, got {_shown(key)}")
    if not is_encodable(key):
        raise InvalidFilter(f"{place}: key {_shown(key)} holds a lone surrogate, not valid Unicode")
    here = f"{place}.{key:.80}"
    if key in ("$and", "$or"):
        if not isinstance(value, list) or not value:
            raise InvalidFilter(f"{here}: expected a non-empty list, got {_shown(value)}")
        parts = tuple(
            _parse_object(part, f"{here}[{i}]", depth + 1, budget) for i, part in enumerate(value)
        )
        return Every(parts) if key == "$and" else Some(parts)
    if key == "$not":
        return Not(_parse_object(value, here, depth + 1, budget))
    if key.startswith("$"):
        raise InvalidFilter(f"{here}: unknown operator; here $and, $or, $not or a field's name")
    if not isinstance(value, Mapping):
        budget.take()
        return Condition(key, Operator.EQ, (_scalar(value, here),))
    return _parse_field(key, value, here, depth, budget)


def _parse_field(
    key: str, value: Mapping[object, object], here: str, depth: int, budget: _Budget
) -> Filter:
    if not value:
        raise InvalidFilter(f"{here}: no operator; one of {', '.join(Operator)}")
    if depth >= MAX_DEPTH:
        raise InvalidFilter(f"{here}: nested deeper than {MAX_DEPTH}")
    parts: list[Filter] = []
    for name, operand in value.items():
        if name == "$not":
            if not isinstance(operand, Mapping):
                raise InvalidFilter(f"{here}.$not: expected an object of operators")
            parts.append(Not(_parse_field(key, operand, f"{here}.$not", depth + 1, budget)))
            continue
        budget.take(len(operand) if isinstance(operand, list) else 1)
        parts.append(_parse_condition(key, name, operand, here))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _parse_condition(key: str, name: object, operand: object, here: str) -> Condition:
    try:
        op = Operator(name)  # type: ignore[arg-type]
    except ValueError:
        allowed = ", ".join(Operator)
        raise InvalidFilter(f"{here}: unknown operator {_shown(name)}; one of {allowed}") from None
    here = f"{here}.{op}"
    if op in (Operator.IN, Operator.NIN):
        if not isinstance(operand, list) or len(operand) > MAX_LIST:
            raise InvalidFilter(f"{here}: expected a list of at most {MAX_LIST} values")
        return Condition(key, op, tuple(_scalar(v, f"{here}[{i}]") for i, v in enumerate(operand)))
    if op is Operator.EXISTS:
        if not isinstance(operand, bool):
            raise InvalidFilter(f"{here}: expected true or false, got {_shown(operand)}")
        return Condition(key, op, (operand,))
    value = _scalar(operand, here)
    if op in ORDERS and kind_of(value) in (Kind.NULL, Kind.BOOLEAN):
        raise InvalidFilter(f"{here}: expected a number or a string, got {_shown(operand)}")
    return Condition(key, op, (value,))


def _scalar(value: object, place: str) -> Scalar:
    if value is not None and not isinstance(value, str | int | float):
        hint = " (for a list use $in)" if isinstance(value, list) else ""
        raise InvalidFilter(f"{place}: expected a string, number, boolean or null{hint}")
    problem = scalar_problem(value)
    if problem:
        raise InvalidFilter(f"{place}: {problem}")
    return value


def scalar_problem(value: Scalar) -> str | None:
    """The reason why a scalar cannot be stored or compared; None if it can."""
    if isinstance(value, str) and not is_encodable(value):
        return "the string holds a lone surrogate, which is not valid Unicode"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    if isinstance(value, int) and not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
        return "the integer does not fit 64 bits"
    return None


def is_encodable(text: str) -> bool:
    """Return whether a string is valid Unicode, that is without lone surrogates."""
    if text.isascii():  # known without a look at the text
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    return reprlib.repr(value)  # bounded in depth too, unlike repr
