"""The values of a field counted, in some documents or in all, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from indexer.facets import LONGEST_COMMON, CountedValue, FieldCounts
from indexer.postgres.facts import Tag, scalar_of
from indexer.postgres.field_values import field_number
from indexer.postgres.reading import Reading

_COUNTED: Final = f"""
WITH h AS MATERIALIZED (
    SELECT f.value, f.document, f.given, f.whole FROM @fact f WHERE f.field = %s
    AND f.value >= '\\x0{Tag.BOOLEAN:d}'::bytea AND f.value < '\\x0{Tag.WRITTEN:d}'::bytea
    AND {{condition}}),
v AS (
    SELECT value, count(*) AS documents, min(given[1] COLLATE "C") AS given,
        bool_or(whole IS NOT NULL) AS is_long
    FROM h GROUP BY value)
SELECT (SELECT count(DISTINCT document) FROM h), (SELECT count(*) FROM v),
    c.value, c.given, c.documents
FROM (SELECT true) one LEFT JOIN (
    SELECT * FROM v WHERE get_byte(value, 0) <> {Tag.STRING:d} OR NOT is_long AND CASE
        WHEN length(value) <= {LONGEST_COMMON + 1} THEN true
        WHEN position('\\x00'::bytea IN value) > 0 THEN false -- it cannot be converted
        ELSE length(convert_from(substring(value FROM 2), 'UTF8')) <= {LONGEST_COMMON} END
    ORDER BY documents DESC, value LIMIT %s) c ON true
ORDER BY c.documents DESC, c.value
"""  # noqa: S608 - constants, and a condition of ours


def count_values(
    reading: Reading, field: str, among: tuple[str, Sequence[Any]], most: int
) -> FieldCounts:
    """A field with its most common values, in documents that pass a condition on f.document."""
    number = field_number(reading, field)
    if number is None:
        return FieldCounts(field, 0, 0, ())
    condition, arguments = among
    rows = reading.rows(_COUNTED.format(condition=condition), [number, *arguments, most])
    documents, distinct, *_ = rows[0]
    values = tuple(
        CountedValue(scalar_of(value, given), count)
        for _, _, value, given, count in rows
        if value is not None
    )
    return FieldCounts(field, documents, distinct, values)
