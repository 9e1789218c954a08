"""Haystack's filters translated to Bearing's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from haystack.errors import FilterError

from indexer.errors import InvalidFilter
from indexer.filters import parse_filter
from indexer.moments import moment_key
from indexer.workspace import Where

KEPT: Final = "_haystack"
"""The metadata field that holds, as JSON, an embedding and metadata that is not flat."""

META: Final = "meta."
NOT_META: Final = frozenset(
    ("id", "content", "blob", "meta", "score", "embedding", "sparse_embedding")
)
EQUALITIES: Final[Mapping[str, str]] = {"==": "$eq", "!=": "$ne"}
ORDERS: Final[Mapping[str, str]] = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
MEMBERSHIPS: Final[Mapping[str, str]] = {"in": "$in", "not in": "$nin"}
COMPARISONS: Final[Mapping[str, str]] = {**EQUALITIES, **ORDERS, **MEMBERSHIPS}
JOINS: Final = ("AND", "OR", "NOT")


class UntranslatableFilter(InvalidFilter, FilterError):
    """A Haystack filter that is malformed, or that Bearing cannot evaluate."""


def translate_filter(filters: Mapping[str, Any] | None) -> Where:
    """Haystack's filters in Bearing's language; raises UntranslatableFilter."""
    if not filters:
        return None
    where = _condition(filters)
    try:
        parse_filter(where)
    except InvalidFilter as error:
        raise UntranslatableFilter(str(error)) from error
    return where


def _condition(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise UntranslatableFilter(f"a filter is an object, got {given!r}")
    return _comparison(given) if "field" in given else _joined(given)


def _joined(given: Mapping[str, Any]) -> dict[str, Any]:
    operator, conditions = given.get("operator"), given.get("conditions")
    if operator not in JOINS or not isinstance(conditions, list):
        raise UntranslatableFilter(
            "a filter has 'field', 'operator' and 'value', or an 'operator' of "
            f"{', '.join(JOINS)} and 'conditions', a list; got {given!r}"
        )
    parts = [_condition(one) for one in conditions]
    if operator == "OR":
        return {"$or": parts} if parts else {"$not": {}}
    every = {"$and": parts} if parts else {}
    return {"$not": every} if operator == "NOT" else every


def _comparison(given: Mapping[str, Any]) -> dict[str, Any]:
    if "value" not in given or given.get("operator") not in COMPARISONS:
        raise UntranslatableFilter(
            f"a comparison has a 'value' and an 'operator' of {', '.join(COMPARISONS)}; "
            f"got {given!r}"
        )
    field, operator, value = _field(given["field"]), given["operator"], given["value"]
    if operator in ORDERS:
        return _order(field, operator, value)
    if operator in MEMBERSHIPS:
        if not isinstance(value, list):
            raise UntranslatableFilter(f"filter on {field!r}: {operator!r} takes a list")
        return {field: {COMPARISONS[operator]: [_plain(one) for one in value]}}
    return {field: {COMPARISONS[operator]: _plain(value)}}


def _field(given: object) -> str:
    if not isinstance(given, str) or given.partition(".")[0] in NOT_META - {"meta"}:
        raise UntranslatableFilter(f"only fields of meta are filtered on, got {given!r}")
    field = given.removeprefix(META)
    if field in ("", "meta", KEPT):
        raise UntranslatableFilter(f"a field of meta is called like 'meta.year', got {given!r}")
    return field


def _order(field: str, operator: str, value: object) -> dict[str, Any]:
    """Numbers by size and dates by time; nothing is above or below None."""
    if value is None:
        return {field: {"$in": []}}
    plain = _plain(value)
    if isinstance(plain, str) and moment_key(plain) is None:
        plain = _date(plain)
        if plain is None:
            raise UntranslatableFilter(
                f"filter on {field!r}: {operator!r} takes a number or a date in ISO form, "
                f"got {value!r}"
            )
    return {field: {ORDERS[operator]: plain}}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _date(text: str) -> str | None:
    """A date in another of ISO's forms as one that Bearing takes for a moment; None for others."""
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None
