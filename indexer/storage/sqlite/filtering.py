"""What is read of the facets: which documents pass a filter, and what fields hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
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
    Scalar,
    Some,
    kind_of,
)
from indexer.reports import LONGEST_COMMON, CountedValue, FieldSummary
from indexer.storage.sqlite.facets import (
    EMPTY_LIST,
    KIND_NUMBERS,
    KINDS_BY_NUMBER,
    facet_value,
    scalar_of,
)

_ORDERS: Final = {
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
}


class FacetQueries:
    """The part of a snapshot that reads facets."""

    _connection: sqlite3.Connection

    @property
    def _path(self) -> str:
        return str(self._connection.execute("PRAGMA database_list").fetchone()[2])

    def column(self, field: str) -> dict[int, Scalar]:
        """The value of a field in each document that has one; of a list its least."""
        found = self._connection.execute(
            "SELECT document, kind, value FROM facets WHERE kind != ? AND field ="
            " (SELECT field FROM fields WHERE name = ?) ORDER BY kind DESC, value DESC",
            (EMPTY_LIST, field),
        )
        return {number: scalar_of(kind, value) for number, kind, value in found}

    def matching(self, condition: Filter, size: int) -> NDArray[np.bool_]:
        """(size,) bool by document number: whether the document passes.

        Numbers that no document has are undefined. The meaning is that of filters.matches.
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
            case Condition(field, operator, values) if operator in COMPLEMENTS:
                return ~self.matching(Condition(field, COMPLEMENTS[operator], values), size)
            case Condition():
                return self._holding(condition, size)

    def _holding(self, condition: Condition, size: int) -> NDArray[np.bool_]:
        field = self._connection.execute(
            "SELECT field FROM fields WHERE name = ?", (condition.field,)
        ).fetchone()
        number = -1 if field is None else int(field[0])
        if condition.operator is Operator.EXISTS:
            present = self._mask("field = ?", (number,), size)
            return present if condition.values[0] else ~present
        if condition.operator in _ORDERS:
            value = condition.values[0]
            where = f"field = ? AND kind = ? AND value {_ORDERS[condition.operator]} ?"
            return self._mask(where, (number, KIND_NUMBERS[kind_of(value)], value), size)
        return self._equal(number, condition.values, size)

    def _equal(self, field: int, values: Sequence[Scalar], size: int) -> NDArray[np.bool_]:
        found = np.zeros(size, dtype=np.bool_)
        if None in values:  # as in MongoDB, a missing field equals null
            found |= ~self._mask("field = ?", (field,), size)
        where = "field = ? AND kind = ? AND value = ?"
        for value in values:
            self._mark(found, where, (field, KIND_NUMBERS[kind_of(value)], facet_value(value)))
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

    def _field_summary(self, field: int, name: str, common: int) -> FieldSummary:
        # The key of facets is in this order, so that a field is read once, without sorting.
        kinds = self._connection.execute(
            "SELECT kind, count(*), min(value), max(value) FROM"
            " (SELECT DISTINCT kind, value FROM facets WHERE field = ? AND kind <> ?)"
            " GROUP BY kind ORDER BY kind",
            (field, EMPTY_LIST),
        ).fetchall()
        numbers = [(low, high) for kind, _, low, high in kinds if kind == KIND_NUMBERS[Kind.NUMBER]]
        smallest, largest = numbers[0] if numbers else (None, None)
        return FieldSummary(
            name,
            tuple(KINDS_BY_NUMBER[kind] for kind, *_ in kinds),
            sum(count for _, count, *_ in kinds),
            self._common_values(field, common),
            smallest,
            largest,
        )

    def _common_values(self, field: int, most: int) -> tuple[CountedValue, ...]:
        rows = self._connection.execute(
            "SELECT kind, value, count(*) AS documents FROM facets WHERE field = ? AND kind <> ?"
            " AND (kind <> ? OR length(value) <= ?)"
            " GROUP BY kind, value ORDER BY documents DESC, kind, value LIMIT ?",
            (field, EMPTY_LIST, KIND_NUMBERS[Kind.STRING], LONGEST_COMMON, most),
        )
        return tuple(CountedValue(scalar_of(kind, value), count) for kind, value, count in rows)
