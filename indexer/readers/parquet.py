"""Parquet: one record a row, in bounded batches.

Nested columns become dotted fields as in ``records``; null and NaN are no field at all;
dates and times become ISO 8601 strings, durations seconds, decimals numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from indexer.documents import Document
from indexer.errors import Unreadable
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.records import (
    ID_FIELDS,
    TEXT_FIELD,
    TITLE_FIELD,
    document_or_rejection,
    missing_field,
    plain,
)
from indexer.readers.sources import Source

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS: Final = 1024


def read_parquet(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each row; the n-th has the id ``name:n`` if it has none."""
    import pyarrow
    import pyarrow.parquet

    with source.opened() as opened:
        try:
            table = pyarrow.parquet.ParquetFile(opened.stream)
            _check_columns(table.schema_arrow.names, fields)
            total = max(table.metadata.num_rows, 1)
            batches = table.iter_batches(BATCH_ROWS, use_threads=False)
            for number, row in enumerate(_rows(batches), start=1):
                yield source.gives(
                    _item(row, source, number, fields), source.size * number // total
                )
        except pyarrow.ArrowException as error:
            raise Unreadable(f"not a Parquet file that can be read: {error}") from error


def _item(
    row: dict[str, Any] | Unreadable, source: Source, number: int, fields: Fields
) -> Document | Rejection:
    place = f"{source.name}:row {number}"
    if isinstance(row, Unreadable):
        return Rejection(place, str(row))
    roles = {fields.id, fields.text or TEXT_FIELD, fields.title, TITLE_FIELD, *ID_FIELDS}
    record = {name: value for name, value in row.items() if value is not None or name in roles}
    return document_or_rejection(record, fields, place, f"{source.name}:{number}")


def _rows(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[dict[str, Any] | Unreadable]:
    """Each row as JSON would have it, or why it cannot be had."""
    for batch in batches:
        exact = _in_microseconds(batch)
        for index in range(exact.num_rows):
            yield _row(exact, index)


def _row(batch: pyarrow.RecordBatch, index: int) -> dict[str, Any] | Unreadable:
    try:
        return {
            name: plain(column[index].as_py(maps_as_pydicts="lossy"))
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
    except Unreadable as error:
        return error
    except (ValueError, OverflowError) as error:  # a moment beyond Python's, a string not UTF-8
        return Unreadable(f"a value that cannot be read: {error}")


def _in_microseconds(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """The batch with times to the microsecond, as Python knows them, instead of nanoseconds."""
    import pyarrow
    from pyarrow import types

    fields = []
    for field in batch.schema:
        kind = field.type
        if types.is_timestamp(kind) and kind.unit == "ns":
            kind = pyarrow.timestamp("us", kind.tz)
        elif types.is_time64(kind) and kind.unit == "ns":
            kind = pyarrow.time64("us")
        elif types.is_duration(kind) and kind.unit == "ns":
            kind = pyarrow.duration("us")
        fields.append(field.with_type(kind))
    return batch.cast(pyarrow.schema(fields), safe=False)


def _check_columns(names: Iterable[str], fields: Fields) -> None:
    """Raise Unreadable at once for a column that every row would lack."""
    text = fields.text or TEXT_FIELD
    if text.split(".")[0] not in names:
        raise Unreadable(missing_field(text, names, "--text-field"))
