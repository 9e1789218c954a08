"""Queries that count the values of a field, in some documents or in all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from indexer.facets import LONGEST_COMMON, CountedValue, FieldCounts
from indexer.filters import Kind
from indexer.storage.sqlite.facets import KEY_ENDS, KIND_NUMBERS, scalar_of

_MOMENT: Final = KIND_NUMBERS[Kind.MOMENT]
_HELD: Final = f"FROM facets WHERE field = :field AND kind > {KIND_NUMBERS[Kind.NULL]}"
_AMONG: Final = " AND document IN (SELECT value FROM json_each(:among))"


def count_values(
    connection: sqlite3.Connection, field: str, among: Sequence[int] | None, most: int
) -> FieldCounts:
    """A field with its most common values, in the documents of these numbers, or in all."""
    number = connection.execute("SELECT field FROM fields WHERE name = ?", (field,)).fetchone()
    if number is None:
        return FieldCounts(field, 0, 0, ())
    given: dict[str, Any] = {
        "field": number[0],
        "among": None if among is None else json.dumps(among),
        "most": most,
    }
    held = _HELD + ("" if among is None else _AMONG)
    # A document has one facet of each value, but one of each text of a moment.
    groups = (
        f"SELECT kind, value, count(*) AS documents {held} AND kind <> {_MOMENT}"
        " GROUP BY kind, value"
        f" UNION ALL SELECT kind, min(value), count(DISTINCT document) {held} AND kind = {_MOMENT}"
        f" GROUP BY substr(value, 1, instr(value, '{KEY_ENDS}'))"
    )
    counted = "SELECT (SELECT count(*) FROM ({})), (SELECT count(DISTINCT document) {})"
    distinct, documents = connection.execute(counted.format(groups, held), given).fetchone()
    rows = connection.execute(
        f"SELECT kind, value, documents FROM ({groups})"  # noqa: S608 - constants
        f" WHERE kind <> {KIND_NUMBERS[Kind.STRING]} OR length(value) <= {LONGEST_COMMON}"
        " ORDER BY documents DESC, kind, value LIMIT :most",
        given,
    )
    values = tuple(CountedValue(scalar_of(kind, value), count) for kind, value, count in rows)
    return FieldCounts(field, documents, distinct, values)
