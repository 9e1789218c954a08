"""Arrow's files, and datasets of Hugging Face's that were saved to disk in them: one record a row.

Rows are read as those of Parquet are. A dataset says of a column of classes what they are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import orjson

from indexer.errors import Unreadable
from indexer.readers.parquet import MAX_PARQUET_BYTES, table_reads
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

if TYPE_CHECKING:
    import pyarrow

FILE_MARK: Final = b"ARROW1"
"""The beginning of Arrow's random access format; its stream format has none of its own."""

ABOUT: Final = ("dataset_info.json", "state.json", "dataset_dict.json")
"""The files that tell about a dataset, beside its Arrow files or above their folders."""


def read_arrow(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each row; the n-th has the id ``name:n`` if it has none."""
    import pyarrow

    with source.unpacked(MAX_PARQUET_BYTES) as file:
        try:
            table = _Table.of(file)
            yield from table_reads(source, fields, table, table.rows())
        except (pyarrow.ArrowException, OSError) as error:
            raise Unreadable(f"not an Arrow file that can be read: {error}") from error


def is_about_dataset(path: Path) -> bool:
    """Return whether a file of JSON only tells about a dataset that was saved to disk."""
    if path.name not in ABOUT:
        return False
    inside = "*/*.arrow" if path.name == "dataset_dict.json" else "*.arrow"
    return next(path.parent.glob(inside), None) is not None


@dataclass(frozen=True, slots=True)
class _Table:
    """A file in either of Arrow's formats, asked like one of Parquet."""

    file: BinaryIO
    is_stream: bool
    schema_arrow: pyarrow.Schema
    classes: dict[str, list[str]]

    @classmethod
    def of(cls, file: BinaryIO) -> _Table:
        is_stream = file.read(len(FILE_MARK)) != FILE_MARK
        schema = _opened(file, is_stream).schema
        return cls(file, is_stream, schema, _classes(schema))

    def rows(self) -> int:
        """The number of rows; the heads of all batches are read for it."""
        return sum(batch.num_rows for batch in self._batches())

    def iter_batches(
        self,
        size: int,
        columns: Sequence[str],
        use_threads: bool,  # noqa: ARG002 - as Parquet has it
    ) -> Iterator[pyarrow.RecordBatch]:
        """The rows from the beginning, checked, in batches of at most this many."""
        for batch in self._batches():
            batch.validate(full=True)
            named = self._named(batch.select(list(columns)))
            for start in range(0, named.num_rows, size):
                yield named.slice(start, size)

    def _batches(self) -> Iterator[pyarrow.RecordBatch]:
        reader = _opened(self.file, self.is_stream)
        if self.is_stream:
            yield from reader
        else:
            yield from (reader.get_batch(index) for index in range(reader.num_record_batches))

    def _named(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """The batch with the names of classes in place of their numbers."""
        import pyarrow

        for name in self.classes.keys() & set(batch.schema.names):
            names = self.classes[name]
            told = [
                names[number] if number is not None and 0 <= number < len(names) else None
                for number in batch.column(name).to_pylist()
            ]
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(place, name, pyarrow.array(told, pyarrow.string()))
        return batch


def _opened(file: BinaryIO, is_stream: bool) -> Any:  # noqa: ANN401 - pyarrow is not typed
    import pyarrow.ipc

    file.seek(0)
    return pyarrow.ipc.open_stream(file) if is_stream else pyarrow.ipc.open_file(file)


def _classes(schema: pyarrow.Schema) -> dict[str, list[str]]:
    """The names of classes of each column of whole numbers, as a dataset tells them."""
    from pyarrow import types

    try:
        told = orjson.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {name: each["names"] for name, each in told.items() if "names" in each}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {
        name: names
        for name, names in found.items()
        if name in schema.names
        and types.is_integer(schema.field(name).type)
        and isinstance(names, list)
        and all(isinstance(one, str) for one in names)
    }
