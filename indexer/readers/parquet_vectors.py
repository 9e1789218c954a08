"""The vectors that the rows of a Parquet file bring, as arrays rather than lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from indexer.documents import BroughtVectors
from indexer.errors import Unreadable
from indexer.readers.reading import Fields, VectorTrust
from indexer.readers.records import METADATA_FIELD, parse_json
from indexer.readers.vectors import (
    CHUNKS_FIELD,
    MODEL_FIELD,
    TRUNCATED_FIELD,
    VECTOR_FIELD,
    is_fingerprint,
    passages_of,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    import pyarrow.parquet
    from numpy.typing import NDArray

EXPORT_FORMAT: Final = b"bearing.export"
EXPORT_MODEL: Final = b"bearing.model"
"""The facts of a file that was exported: its format's version, and the model's fingerprint."""

Row: TypeAlias = "dict[str, Any] | Unreadable"
"""A row as JSON, or the reason it cannot be read."""


@dataclass(frozen=True, slots=True)
class Given:
    """The vectors that a row brings: its own, or its passages with theirs, in Arrow's values."""

    vector: Any = None
    chunks: Any = None
    model: str | None = None
    truncated: bool = False

    def brought(self, place: str) -> BroughtVectors | None:
        """Its vectors; raises Unreadable for those that are no numbers."""
        try:
            return self._brought(place)
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable(f"the vectors cannot be read: {error}") from error

    def _brought(self, place: str) -> BroughtVectors | None:
        if self.vector is not None:
            row = _numbers(self.vector.values)[None, :]
            return BroughtVectors(row, self.model, place, truncated=self.truncated)
        if self.chunks is None:
            return None
        inside = self.chunks.values
        vectors = _numbers(inside.field(VECTOR_FIELD).flatten()).reshape(len(inside), -1)
        facts = [
            {name: inside.field(name)[place].as_py() for name in ("start", "end", "unknown")}
            for place in range(len(inside))
        ]
        return BroughtVectors(vectors, self.model, place, passages_of(facts), self.truncated)


def _numbers(values: pyarrow.Array) -> NDArray[np.floating]:
    if values.null_count:
        raise ValueError("a null among the numbers")
    numbers: NDArray[np.floating] = values.to_numpy(zero_copy_only=False)
    return numbers


@dataclass(slots=True)
class Brings:
    """The columns of a file with the vectors that its rows bring.

    ``own`` is the field of a row's vector, ``columns`` are all that are not metadata, ``model`` is
    the fingerprint that is told for the whole file. Of a file that was exported, ``exported``,
    metadata are JSON. None is taken if they are to be ``ignored``. ``unvouched`` is the length of
    vectors that were left out.
    """

    own: str
    columns: frozenset[str]
    model: str | None
    trusted: bool
    exported: bool
    ignored: bool
    unvouched: int = 0

    @classmethod
    def of(cls, table: pyarrow.parquet.ParquetFile, fields: Fields) -> Self:
        """The columns that are there; raises Unreadable for one of another type."""
        schema = table.schema_arrow
        facts = schema.metadata or {}
        model = facts.get(EXPORT_MODEL, b"").decode() or None
        own = fields.vector or VECTOR_FIELD
        ignored = fields.vectors is VectorTrust.IGNORED
        trusted = fields.vectors is VectorTrust.TRUSTED
        told = model is not None or MODEL_FIELD in schema.names
        columns: set[str] = set()
        if ignored or trusted or told:
            columns = {name for name in (own, CHUNKS_FIELD) if _is_brought(schema, name)}
        if columns and MODEL_FIELD in schema.names and model is None:
            columns.add(MODEL_FIELD)
        exported = EXPORT_FORMAT in facts
        if exported:
            columns |= {CHUNKS_FIELD, TRUNCATED_FIELD} & set(schema.names)
        return cls(own, frozenset(columns), model, trusted, exported, ignored)

    def others(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """The batch without these columns."""
        return batch.select([name for name in batch.schema.names if name not in self.columns])

    def joined(
        self, batch: pyarrow.RecordBatch, rows: Iterable[Row]
    ) -> Iterator[tuple[Row, Given]]:
        """Each row of the other columns, and what it brings."""
        brought = {name: batch.column(name) for name in self.columns}
        for index, row in enumerate(rows):
            given = {name: column[index] for name, column in brought.items()}
            told = given[MODEL_FIELD].as_py() if MODEL_FIELD in given else None
            if MODEL_FIELD in given and not is_fingerprint(told) and isinstance(row, dict):
                row[MODEL_FIELD] = told  # a field like any other
            yield self._decoded(row), self._given(given, told)

    def _given(self, given: dict[str, Any], told: object) -> Given:
        vector, chunks = _present_value(given, self.own), _present_value(given, CHUNKS_FIELD)
        model = told if isinstance(told, str) and is_fingerprint(told) else self.model
        if self.ignored or (vector is None and chunks is None):
            return Given()
        if model is None and not self.trusted:
            self.unvouched = len(vector.values) if vector is not None else 0
            return Given()
        cut = TRUNCATED_FIELD in given and given[TRUNCATED_FIELD].as_py() is True
        return Given(vector, chunks, model, cut)

    def _decoded(self, row: Row) -> Row:
        """The row of an exported file with its metadata as an object."""
        if not self.exported or not isinstance(row, dict):
            return row
        try:
            return {**row, METADATA_FIELD: parse_json(row[METADATA_FIELD].encode())}
        except (KeyError, AttributeError, Unreadable) as error:
            return Unreadable(f"the metadata are not those of an export: {error}")


def _present_value(given: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - Arrow's, untyped
    value = given.get(name)
    return value if value is not None and value.is_valid else None


def _is_brought(schema: pyarrow.Schema, name: str) -> bool:
    """Return whether a column holds vectors, or passages with theirs."""
    from pyarrow import types

    if name not in schema.names:
        return False
    kind = schema.field(name).type
    if not any(is_list(kind) for is_list in (types.is_list, types.is_large_list, _is_fixed)):
        return False
    if name != CHUNKS_FIELD:
        return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))
    return types.is_struct(kind.value_type) and {"start", "end", "unknown", VECTOR_FIELD} <= {
        inner.name for inner in kind.value_type
    }


def _is_fixed(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_fixed_size_list(kind))
