"""The order of documents by a field's values, or as they were added, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from indexer.filters import Kind
from indexer.ordering import LONGEST_KEY, RANKS, Order, Place, SortKey
from indexer.postgres.facts import Tag, whole_bytes
from indexer.postgres.field_values import field_number
from indexer.postgres.reading import Reading

_HELD: Final = (
    "FROM @fact f WHERE f.field = %s"
    f" AND f.value >= '\\x0{Tag.BOOLEAN:d}'::bytea AND f.value < '\\x0{Tag.WRITTEN:d}'::bytea"
)
"""The facts of a field's values; longer ones than are compared begin with what is."""


def ordered_numbers(
    reading: Reading,
    passing: tuple[str, Sequence[Any]],
    order: Order,
    after: Place | None,
    limit: int,
) -> list[int]:
    """The numbers of the next documents after a place in an order.

    ``passing`` is the condition on ``f.document`` that they pass, with its arguments.
    """
    field = None if order.field is None else field_number(reading, order.field)
    found: list[int] = []
    if after is None or after.key is not None:
        if field is not None:
            found = _of_values(reading, field, passing, order, after, limit)
        after = None
    if len(found) < limit:
        found += _of_others(reading, field, passing, order, after, limit - len(found))
    return found


def _of_values(
    reading: Reading,
    field: int,
    passing: tuple[str, Sequence[Any]],
    order: Order,
    after: Place | None,
    limit: int,
) -> list[int]:
    """Those that have a value, each by its first in the order."""
    way, sign = ("DESC", "<") if order.descending else ("ASC", ">")
    condition, arguments = passing
    later, place = "true", []
    if after is not None and after.key is not None:
        later, place = f"(v.key, v.document) {sign} (%s, %s)", [_bytes(after.key), after.number]
    rows = reading.rows(
        "SELECT v.document FROM (SELECT DISTINCT ON (f.document) f.document,"  # noqa: S608
        f" substring(f.value FROM 1 FOR {LONGEST_KEY + 1}) AS key {_HELD} AND {condition}"
        f" ORDER BY f.document, key {way}) v"
        f" WHERE {later} ORDER BY v.key {way}, v.document {way} LIMIT %s",
        [field, *arguments, *place, limit],
    )
    return [number for (number,) in rows]


def _of_others(
    reading: Reading,
    field: int | None,
    passing: tuple[str, Sequence[Any]],
    order: Order,
    after: Place | None,
    limit: int,
) -> list[int]:
    """Those without a value."""
    way, sign = ("DESC", "<") if order.descending else ("ASC", ">")
    condition, arguments = passing
    parts, given = [condition], list(arguments)
    if field is not None:
        parts.append(f"f.document NOT IN (SELECT f.document {_HELD})")
        given.append(field)
    if after is not None:
        parts.append(f"f.document {sign} %s")
        given.append(after.number)
    rows = reading.rows(
        "SELECT f.document FROM (SELECT number AS document FROM @document) f"  # noqa: S608
        f" WHERE {' AND '.join(parts)} ORDER BY f.document {way} LIMIT %s",
        [*given, limit],
    )
    return [number for (number,) in rows]


def _bytes(key: SortKey) -> bytes:
    """A key as the bytes of facts that are compared."""
    rank, value = key
    if rank == RANKS[Kind.BOOLEAN]:
        return whole_bytes(bool(value))
    if isinstance(value, bytes):
        return Tag.STRING.first + value
    if isinstance(value, str):
        return Tag.MOMENT.first + value.encode()
    return whole_bytes(value)
