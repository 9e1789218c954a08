"""LanceDB: a folder of its tables, or whatever its library connects to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import MissingExtra, Unreadable
from indexer.readers.records import plain
from indexer.sources.systems.holding import PAGE, Entry, Holding, Place, Vector, one_vector, only

if TYPE_CHECKING:
    import pyarrow


@contextmanager
def open_lance(place: Place) -> Iterator[Holding]:
    """A table of LanceDB; each row is a record, without its columns of vectors."""
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtra("lancedb", "lancedb") from error
    if "://" not in place.at and not Path(place.at).is_dir():
        raise Unreadable(f"no such folder: {place.at!r}")
    database = lancedb.connect(place.at)
    name = only("table", list(database.list_tables().tables), place.name)
    table = database.open_table(name)
    vectors = _vectors(table.schema)
    own = one_vector(vectors, place.vector)

    def entries() -> Iterator[Entry]:
        for batch in table.search().to_batches(PAGE):
            yield from _entries(batch, vectors, own)

    yield Holding(name, table.count_rows(), entries)


def _vectors(schema: pyarrow.Schema) -> list[str]:
    """The columns of lists of a fixed number of floats."""
    from pyarrow import types

    return [
        one.name
        for one in schema
        if types.is_fixed_size_list(one.type) and types.is_floating(one.type.value_type)
    ]


def _entries(batch: pyarrow.RecordBatch, vectors: list[str], own: str | None) -> Iterator[Entry]:
    others = [name for name in batch.schema.names if name not in vectors]
    for index in range(batch.num_rows):
        record = {name: plain(batch.column(name)[index].as_py()) for name in others}
        there: dict[str, Any] = {name: one for name, one in record.items() if one is not None}
        yield Entry(None, there, None if own is None else _vector(batch.column(own)[index]))


def _vector(given: Any) -> Vector | None:  # noqa: ANN401 - a scalar of Arrow's
    if not given.is_valid:
        return None
    numbers: Vector = given.values.to_numpy(zero_copy_only=False)
    return numbers
