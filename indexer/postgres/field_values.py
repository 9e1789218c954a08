"""The values of metadata fields over all documents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, TypeAlias

from indexer.filters import Filter, Kind, Scalar, fields_of
from indexer.postgres.facts import KINDS, Tag, scalar_of
from indexer.postgres.reading import Reading
from indexer.postgres.texts import plain_text, storable_text
from indexer.reports import LONGEST_COMMON, CountedValue, FieldSummary

_TOLD: Final = f"f.value >= '\\x0{Tag.NULL:d}'::bytea AND f.value < '\\x0{Tag.WRITTEN:d}'::bytea"
_FIRST_FIELDS: Final = """
SELECT d.number, d.name FROM @field d
WHERE EXISTS (SELECT FROM @fact f WHERE f.field = d.number) ORDER BY d.name LIMIT %s
"""
_VALUES: Final = f"""
WITH v AS MATERIALIZED (
    SELECT field, value, count(*) AS documents FROM @fact f
    WHERE field = ANY(%s) AND {_TOLD} GROUP BY field, value)
SELECT field, count(*), array_agg(DISTINCT get_byte(value, 0)),
    min(value) FILTER (WHERE get_byte(value, 0) = {Tag.NUMBER:d}),
    max(value) FILTER (WHERE get_byte(value, 0) = {Tag.NUMBER:d}),
    min(value) FILTER (WHERE get_byte(value, 0) = {Tag.MOMENT:d}),
    max(value) FILTER (WHERE get_byte(value, 0) = {Tag.MOMENT:d})
FROM v GROUP BY field
"""  # noqa: S608 - constants
_COMMON: Final = f"""
SELECT field, value, documents FROM (
    SELECT field, value, count(*) AS documents,
        row_number() OVER (PARTITION BY field ORDER BY count(*) DESC, value) AS place
    FROM @fact f WHERE field = ANY(%s) AND {_TOLD} AND NOT (
        get_byte(value, 0) = {Tag.STRING:d} AND (whole IS NOT NULL OR (
        length(value) > {LONGEST_COMMON + 1} AND
        length(convert_from(substring(value FROM 2), 'UTF8')) > {LONGEST_COMMON})))
    GROUP BY field, value) c
WHERE place <= %s ORDER BY field, place
"""  # noqa: S608 - constants
_GIVEN: Final = """
SELECT field, value, min(g COLLATE "C"), max(g COLLATE "C") FROM @fact f, unnest(given) AS g
WHERE (field, value) IN (SELECT * FROM unnest(%s::integer[], %s::bytea[])) GROUP BY field, value
"""


Rows: TypeAlias = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Gives the rows of a statement with these arguments."""

_COLUMN: Final = f"""
SELECT DISTINCT ON (f.document) d.id, coalesce(f.whole, f.value), f.given[1]
FROM @fact f JOIN @document d ON d.number = f.document
WHERE f.field = %s AND {_TOLD} ORDER BY f.document, f.value
"""  # noqa: S608 - constants


def field_numbers(rows: Rows, condition: Filter) -> dict[str, int]:
    """The numbers of a filter's fields, of those that any document ever had."""
    names = fields_of(condition)
    return _numbers(rows, names) if names else {}


def field_number(reading: Reading, name: str) -> int | None:
    """The number of a field; None if no document ever had it."""
    return _numbers(reading.rows, [name]).get(name)


def _numbers(ask: Rows, names: Iterable[str]) -> dict[str, int]:
    stored = {storable_text(name): name for name in names}
    rows = ask("SELECT name, number FROM @field WHERE name = ANY(%s)", [list(stored)])
    return {stored[name]: number for name, number in rows}


def known(reading: Reading, names: Collection[str]) -> set[str]:
    """Those of these fields that a document has."""
    stored = {storable_text(name): name for name in names}
    rows = reading.rows(
        "SELECT d.name FROM @field d WHERE d.name = ANY(%s) "
        "AND EXISTS (SELECT FROM @fact f WHERE f.field = d.number)",
        [list(stored)],
    )
    return {stored[name] for (name,) in rows}


def column(reading: Reading, field: str) -> dict[str, Scalar]:
    """The value of a field by document id; of a list, its smallest."""
    number = field_number(reading, field)
    if number is None:
        return {}
    rows = reading.rows(_COLUMN, [number])
    return {id: scalar_of(whole, given) for id, whole, given in rows}


def summaries(reading: Reading, limit: int, common: int) -> list[FieldSummary]:
    """The first fields by name, each with its most common values."""
    names = dict(reading.rows(_FIRST_FIELDS, [limit]))
    asked = [list(names)]
    if not names:
        return []
    values = {row[0]: row[1:] for row in reading.rows(_VALUES, asked)}
    counted: dict[int, list[tuple[bytes, int]]] = {}
    for field, value, documents in reading.rows(_COMMON, [*asked, common]):
        counted.setdefault(field, []).append((value, documents))
    told = _Told(reading, values, counted)
    return [
        _summary(field, plain_text(name), values.get(field), counted.get(field, []), told)
        for field, name in names.items()
    ]


class _Told:
    """The values of summaries as they were given, where their bytes do not tell."""

    def __init__(
        self,
        reading: Reading,
        values: dict[int, Any],
        counted: dict[int, list[tuple[bytes, int]]],
    ) -> None:
        pairs = {(field, value) for field, own in counted.items() for value, _ in own}
        pairs |= {(field, end) for field, own in values.items() for end in own[2:] if end}
        fields, told = [field for field, _ in pairs], [value for _, value in pairs]
        self._given = {
            (field, value): ends for field, value, *ends in reading.rows(_GIVEN, [fields, told])
        }

    def least(self, field: int, value: bytes) -> Any:  # noqa: ANN401 - a scalar
        """The value, by the least of its spellings."""
        return scalar_of(value, self._given.get((field, value), (None, None))[0])

    def most(self, field: int, value: bytes) -> Any:  # noqa: ANN401 - a scalar
        """The value, by the greatest of its spellings."""
        return scalar_of(value, self._given.get((field, value), (None, None))[1])


def _summary(
    field: int,
    name: str,
    values: Any,  # noqa: ANN401 - a row, or None
    counted: list[tuple[bytes, int]],
    told: _Told,
) -> FieldSummary:
    if values is None:
        return FieldSummary(name, (), 0, (), None, None)
    distinct, tags, *ends = values
    smallest, largest = ends[:2] if ends[0] is not None else ends[2:]
    kinds: tuple[Kind, ...] = tuple(KINDS[tag] for tag in sorted(tags))
    return FieldSummary(
        name,
        kinds,
        distinct,
        tuple(CountedValue(told.least(field, value), own) for value, own in counted),
        None if smallest is None else told.least(field, smallest),
        None if largest is None else told.most(field, largest),
    )
