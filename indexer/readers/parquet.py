"""Parquet: one record a row, in bounded batches.

Nested columns become dotted fields as in ``records``; null and NaN are no field at all;
dates and times become ISO 8601 strings, durations seconds, decimals numbers. Columns of vectors
are not metadata: they are reported and left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from indexer.documents import Document
from indexer.errors import Unreadable
from indexer.readers.parquet_vectors import Brings
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
from indexer.readers.vectors import VECTOR_NUMBERS, vector_rejection

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS: Final = 1024
MAX_PARQUET_BYTES: Final = 2**40
"""Bytes after decompression, which are held in a temporary file while it is read."""


def read_parquet(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each row; the n-th has the id ``name:n`` if it has none."""
    import pyarrow
    import pyarrow.parquet

    with source.unpacked(MAX_PARQUET_BYTES) as file:
        try:
            table = pyarrow.parquet.ParquetFile(file)
            yield from table_reads(source, fields, table, table.metadata.num_rows)
        except pyarrow.ArrowException as error:
            raise Unreadable(f"not a Parquet file that can be read: {error}") from error


def table_reads(
    source: Source,
    fields: Fields,
    table: Any,  # noqa: ANN401 - a ParquetFile, or what is asked like one
    rows: int,
) -> Iterator[Read]:
    """The document of each row of a table of about this many rows; raises Arrow's errors."""
    _check_columns(table.schema_arrow.names, fields)
    total = max(rows, 1)
    brings = Brings.of(table, fields)
    vectors = _vectors(table, brings.columns)
    for name, size in vectors.items():
        yield source.gives(vector_rejection(source.name, name, size, fields), 0)
    names = [name for name in table.schema_arrow.names if name not in vectors]
    batches = table.iter_batches(BATCH_ROWS, columns=names, use_threads=False)
    joined_rows = (
        joined
        for batch in batches
        for joined in brings.joined(batch, _rows([brings.others(batch)]))
    )
    for number, (row, given) in enumerate(joined_rows, start=1):
        place = f"{source.name}:row {number}"
        try:
            brought = given.brought(place)
            item = _item(row, source, number, fields)
        except Unreadable as error:
            item, brought = Rejection(place, str(error)), None
        yield source.gives(item, source.size * number // total, brought)
    if brings.unvouched:
        yield source.gives(vector_rejection(source.name, brings.own, brings.unvouched, fields))


def read_parquet_rows(source: Source) -> Iterator[tuple[int, object]]:
    """The values of each row with its number, without nulls; an error in place of a broken row."""
    import pyarrow
    import pyarrow.parquet

    with source.unpacked(MAX_PARQUET_BYTES) as file:
        try:
            table = pyarrow.parquet.ParquetFile(file)
            batches = table.iter_batches(BATCH_ROWS, use_threads=False)
            for number, row in enumerate(_rows(batches), start=1):
                whole = row if isinstance(row, Unreadable) else _present(row)
                yield number, whole
        except pyarrow.ArrowException as error:
            raise Unreadable(f"not a Parquet file that can be read: {error}") from error


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


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
    """Each row as JSON, or the reason it cannot be read."""
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
    except (ValueError, ArithmeticError) as error:  # a moment beyond Python's, bad UTF-8
        return Unreadable(f"a value that cannot be read: {error}")


def _in_microseconds(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """The batch with times in microseconds, which Python supports, instead of nanoseconds."""
    import pyarrow

    kinds = [field.with_type(_microseconds(field.type)) for field in batch.schema]
    return batch.cast(pyarrow.schema(kinds), safe=False)


def _microseconds(kind: pyarrow.DataType) -> pyarrow.DataType:
    """The type with microseconds in place of nanoseconds, in nested types too."""
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(kind) and kind.unit == "ns":
        return pyarrow.timestamp("us", kind.tz)
    if types.is_time64(kind) and kind.unit == "ns":
        return pyarrow.time64("us")
    if types.is_duration(kind) and kind.unit == "ns":
        return pyarrow.duration("us")
    if types.is_struct(kind):
        return pyarrow.struct([each.with_type(_microseconds(each.type)) for each in kind])
    if types.is_map(kind):
        return pyarrow.map_(_microseconds(kind.key_type), _microseconds(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pyarrow.list_(_microseconds(kind.value_type), kind.list_size)
    if types.is_large_list(kind):
        return pyarrow.large_list(_microseconds(kind.value_type))
    if types.is_list(kind):
        return pyarrow.list_(_microseconds(kind.value_type))
    return kind


def _vectors(table: pyarrow.parquet.ParquetFile, brought: Collection[str]) -> dict[str, int]:
    """The other columns that hold vectors in the first rows, with their lengths."""
    from pyarrow import types

    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    numbers = [
        field.name
        for field in table.schema_arrow
        if field.name not in brought
        and any(is_list(field.type) for is_list in lists)
        and types.is_floating(field.type.value_type)
    ]
    first = next(table.iter_batches(BATCH_ROWS, columns=numbers, use_threads=False), None)
    if not numbers or first is None:
        return {}
    sizes = {
        name: max((len(each) for each in column if each.is_valid), default=0)
        for name, column in zip(first.schema.names, first.columns, strict=True)
    }
    return {name: size for name, size in sizes.items() if size >= VECTOR_NUMBERS}


def _check_columns(names: Iterable[str], fields: Fields) -> None:
    """Raise Unreadable at once for a required column that does not exist."""
    names = list(names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unreadable(f"two columns are called {twice!r}")
    text = fields.text or TEXT_FIELD
    if text.split(".")[0] not in names:
        raise Unreadable(missing_field(text, names, "--text-field"))
