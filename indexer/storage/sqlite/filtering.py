"""Queries of the facets: the documents that pass a filter, and the values of fields."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.errors import Damaged
from indexer.filters import (
    COMPLEMENTS,
    Condition,
    Every,
    Filter,
    Kind,
    Not,
    Operator,
    Pictured,
    Scalar,
    Some,
    key_of,
)
from indexer.reports import LONGEST_COMMON, CountedValue, FieldSummary
from indexer.storage.sqlite.facets import (
    EMPTY_LIST,
    KEY_ENDS,
    KIND_NUMBERS,
    KINDS_BY_NUMBER,
    facet_line,
    scalar_of,
)

_ORDERS: Final = {
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
}
_MOMENT: Final = KIND_NUMBERS[Kind.MOMENT]
_BEHIND: Final = chr(ord(KEY_ENDS) + 1)
"""A key followed by this sorts after all lines of its moment, and before those of a later one."""
_GIVEN: Final = "substr(value, instr(value, ' ') + 1)"
"""The text that a moment's line was given as."""

# The key of facets is in this order, so that a field is read once, without sorting.
_KINDS: Final = (
    "SELECT kind, count(*), min(value), max(value) FROM"
    " (SELECT DISTINCT kind, value FROM facets WHERE field = ? AND kind NOT IN (?, ?))"
    " GROUP BY kind"
    " UNION ALL SELECT kind, count(DISTINCT substr(value, 1, instr(value, ' '))),"
    " min(value), max(value) FROM facets WHERE field = ? AND kind = ? GROUP BY kind ORDER BY kind"
)
_COMMON: Final = (
    "SELECT kind, value, count(*) AS documents FROM facets WHERE field = ?"
    " AND kind NOT IN (?, ?) AND (kind <> ? OR length(value) <= ?) GROUP BY kind, value"
    " UNION ALL SELECT kind, min(value), count(DISTINCT document) FROM facets"
    " WHERE field = ? AND kind = ? GROUP BY substr(value, 1, instr(value, ' '))"
    " ORDER BY documents DESC, kind, value LIMIT ?"
)


class FacetQueries:
    """The part of a snapshot that queries facets."""

    _connection: sqlite3.Connection

    @property
    def _path(self) -> str:
        return str(self._connection.execute("PRAGMA database_list").fetchone()[2])

    def column(self, field: str) -> dict[int, Scalar]:
        """The value of a field in each document that has one; of a list, its smallest."""
        found = self._connection.execute(
            "SELECT document, kind, value FROM facets WHERE kind != ? AND field ="
            " (SELECT field FROM fields WHERE name = ?) ORDER BY kind DESC, value DESC",
            (EMPTY_LIST, field),
        )
        return {number: scalar_of(kind, value) for number, kind, value in found}

    def matching(self, condition: Filter, size: int) -> NDArray[np.bool_]:
        """(size,) bool by document number: whether the document passes.

        Numbers that no document has are undefined. filters.matches defines the result.
        """
        match condition:
            case Every(parts):
                passing = np.ones(size, dtype=np.bool_)
                for part in parts:
                    passing &= self.matching(part, size)
                return passing
            case Some(parts):
                passing = np.zeros(size, dtype=np.bool_)
                for part in parts:
                    passing |= self.matching(part, size)
                return passing
            case Not(part):
                return ~self.matching(part, size)
            case Pictured():
                return self._pictured(size)
            case Condition(field, operator, values) if operator in COMPLEMENTS:
                return ~self.matching(Condition(field, COMPLEMENTS[operator], values), size)
            case Condition():
                return self._holding(condition, size)

    def _pictured(self, size: int) -> NDArray[np.bool_]:
        found = self._connection.execute("SELECT number FROM documents WHERE picture IS NOT NULL")
        mask = np.zeros(size, dtype=np.bool_)
        mask[[number for (number,) in found]] = True
        return mask

    def _holding(self, condition: Condition, size: int) -> NDArray[np.bool_]:
        field = self._connection.execute(
            "SELECT field FROM fields WHERE name = ?", (condition.field,)
        ).fetchone()
        number = -1 if field is None else int(field[0])
        if condition.operator is Operator.EXISTS:
            present = self._mask("field = ?", (number,), size)
            return present if condition.values[0] else ~present
        if condition.operator in _ORDERS:
            return self._ordered(number, condition.operator, condition.values[0], size)
        return self._equal(number, condition.values, size)

    def _ordered(
        self, field: int, operator: Operator, value: Scalar, size: int
    ) -> NDArray[np.bool_]:
        kind, bound = key_of(value)
        sign = _ORDERS[operator]
        where = "field = ? AND kind = ? AND "
        if kind is Kind.MOMENT:
            behind = operator in (Operator.GT, Operator.LTE)
            end = f"{bound}{_BEHIND if behind else KEY_ENDS}"  # no line equals this
            return self._mask(f"{where} value {sign} ?", (field, _MOMENT, end), size)
        found = self._mask(f"{where} value {sign} ?", (field, KIND_NUMBERS[kind], bound), size)
        if kind is Kind.STRING:
            self._mark(found, f"{where} {_GIVEN} {sign} ?", (field, _MOMENT, bound))
        return found

    def _equal(self, field: int, values: Sequence[Scalar], size: int) -> NDArray[np.bool_]:
        found = np.zeros(size, dtype=np.bool_)
        if None in values:  # as in MongoDB, a missing field equals null
            found |= ~self._mask("field = ?", (field,), size)
        where = "field = ? AND kind = ? AND value = ?"
        within = "field = ? AND kind = ? AND value > ? AND value < ?"
        for value in values:
            kind, key = key_of(value)
            if kind is Kind.MOMENT:
                ends = (f"{key}{KEY_ENDS}", f"{key}{_BEHIND}")
                self._mark(found, within, (field, _MOMENT, *ends))
            else:
                self._mark(found, where, (field, *facet_line(value)))
        return found

    def _mask(self, where: str, parameters: Sequence[Scalar], size: int) -> NDArray[np.bool_]:
        mask = np.zeros(size, dtype=np.bool_)
        self._mark(mask, where, parameters)
        return mask

    def _mark(self, mask: NDArray[np.bool_], where: str, parameters: Sequence[Scalar]) -> None:
        # one long string is read several times faster than as many lines
        joined = self._connection.execute(
            f"SELECT group_concat(document, ' ') FROM facets WHERE {where}",  # noqa: S608 - the text is ours
            parameters,
        ).fetchone()[0]
        if joined is not None:
            numbers = np.fromstring(joined, dtype=np.int64, sep=" ")
            if numbers.max() >= len(mask):
                raise Damaged(f"{self._path} has metadata of no document: see `bearing verify`")
            mask[numbers] = True

    def fields(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name that a document has, with their common values."""
        found = self._connection.execute(
            "SELECT field, name FROM fields WHERE EXISTS"
            " (SELECT 1 FROM facets WHERE facets.field = fields.field) ORDER BY name LIMIT ?",
            (limit,),
        ).fetchall()
        return [self._field_summary(number, name, common) for number, name in found]

    def known_fields(self, names: Collection[str]) -> set[str]:
        """Those of these metadata fields that a document has."""
        known = (
            "SELECT 1 FROM facets WHERE field = (SELECT field FROM fields WHERE name = ?) LIMIT 1"
        )
        return {name for name in names if self._connection.execute(known, (name,)).fetchone()}

    def _field_summary(self, field: int, name: str, common: int) -> FieldSummary:
        found = self._connection.execute(
            _KINDS,
            (field, EMPTY_LIST, _MOMENT, field, _MOMENT),
        ).fetchall()
        kinds = {KINDS_BY_NUMBER[kind]: rest for kind, *rest in found}
        smallest, largest = None, None
        for kind in (Kind.MOMENT, Kind.NUMBER):
            if kind in kinds:
                number = KIND_NUMBERS[kind]
                smallest, largest = (scalar_of(number, line) for line in kinds[kind][1:])
        return FieldSummary(
            name,
            tuple(kinds),
            sum(count for count, *_ in kinds.values()),
            self._common_values(field, common),
            smallest,
            largest,
        )

    def _common_values(self, field: int, most: int) -> tuple[CountedValue, ...]:
        rows = self._connection.execute(
            _COMMON,
            (
                *(field, EMPTY_LIST, _MOMENT, KIND_NUMBERS[Kind.STRING], LONGEST_COMMON),
                *(field, _MOMENT, most),
            ),
        )
        return tuple(CountedValue(scalar_of(kind, value), count) for kind, value, count in rows)
