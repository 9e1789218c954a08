"""Records of tables as they are, without making documents of them: a mapping for each line or row.

For what is not documents, such as pairs to train by. Formats that hold no records are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from indexer.errors import Unreadable
from indexer.readers.delimited import read_csv_rows, read_tsv_rows
from indexer.readers.json_array import read_json_values
from indexer.readers.json_lines import read_json_line_values
from indexer.readers.parquet import read_parquet_rows
from indexer.readers.paths import find
from indexer.readers.reading import Fields, Rejection
from indexer.readers.sources import Source

Values: TypeAlias = Iterator[tuple[int, object]]
"""Numbers of lines or rows, each with its value, or with the error that stands in its place."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its place, a path with a line or row, and the folder of its file."""

    place: str
    values: Mapping[str, Any]
    folder: Path


_READERS: Final[Mapping[str, Callable[[Source, str], Values]]] = MappingProxyType(
    {
        "JSON Lines": lambda source, _: read_json_line_values(source),
        "JSON": read_json_values,
        "CSV": read_csv_rows,
        "TSV": read_tsv_rows,
        "Parquet": lambda source, _: read_parquet_rows(source),
    }
)
"""The formats of records, by their names in the table of formats."""


def read_records(path: Path, named: str) -> Iterator[Record | Rejection]:
    """The records of a file, or of all files of a folder, and what is refused, in order.

    ``named`` is the field that a table must have to be recognised where its form is in doubt. In
    CSV and TSV all values are strings.
    """
    for found in find(str(path), fields=Fields(text=named)):
        if isinstance(found, Rejection):
            yield found
            continue
        source, format = found
        read = _READERS.get(format.name)
        if read is None:
            reason = f"{format.name} holds no records: give {', '.join(_READERS)}"
            yield Rejection(source.name, reason)
            continue
        yield from _read(source, read(source, named))


def _read(source: Source, values: Values) -> Iterator[Record | Rejection]:
    try:
        for number, value in values:
            place = f"{source.name}:{number}"
            if isinstance(value, Unreadable):
                yield Rejection(place, str(value))
            elif isinstance(value, Mapping):
                yield Record(place, value, source.path.parent)
            else:
                yield Rejection(place, "expected an object with named fields")
    except Unreadable as error:
        yield Rejection(source.name, str(error))
