"""Documents as rows of Parquet, with the identity of their model in the file's facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from indexer.documents import Vectors, encode_metadata
from indexer.embedding.embedder import Identity
from indexer.export.stored import Exported
from indexer.readers.parquet_vectors import EXPORT_FORMAT, EXPORT_MODEL
from indexer.readers.records import IMAGE_FIELD, METADATA_FIELD
from indexer.readers.vectors import CHUNKS_FIELD, TRUNCATED_FIELD, VECTOR_FIELD

if TYPE_CHECKING:
    import pyarrow

FORMAT: Final = b"1"
IDENTITY: Final = b"bearing.identity"
"""The fact that holds the model's identity as JSON."""

GROUP_BYTES: Final = 32 * 2**20
"""Bytes of texts, vectors and pictures that are held to be written together, roughly."""


class ParquetTarget:
    """A Parquet file that is being written: rows are gathered, and written in groups."""

    def __init__(self, file: BinaryIO, identity: Identity) -> None:
        import pyarrow.parquet

        self._dimension = identity.dimension
        self._schema = _schema(identity)
        self._writer = pyarrow.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Exported] = []
        self._size = 0

    def add(self, one: Exported) -> None:
        """Add a row."""
        self._waiting.append(one)
        document = one.stored.document
        self._size += one.stored.vectors.nbytes + 2 * len(document.text) + len(one.image or "")
        if self._size >= GROUP_BYTES:
            self._write()

    def finish(self) -> None:
        """Write the rest."""
        if self._waiting:
            self._write()

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()

    def _write(self) -> None:
        rows, self._waiting, self._size = self._waiting, [], 0
        self._writer.write_table(_table(rows, self._schema, self._dimension))


def _schema(identity: Identity) -> pyarrow.Schema:
    import pyarrow as pa

    vector = pa.list_(pa.float32(), identity.dimension)
    chunk = pa.struct(
        [
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("unknown", pa.bool_()),
            (VECTOR_FIELD, vector),
        ]
    )
    facts = {
        EXPORT_FORMAT: FORMAT,
        EXPORT_MODEL: identity.mark.encode(),
        IDENTITY: identity.encode().encode(),
    }
    columns = [
        ("id", pa.string()),
        ("text", pa.string()),
        ("title", pa.string()),
        (METADATA_FIELD, pa.string()),
        (IMAGE_FIELD, pa.string()),
        (VECTOR_FIELD, vector),
        (CHUNKS_FIELD, pa.list_(chunk)),
        (TRUNCATED_FIELD, pa.bool_()),
    ]
    return pa.schema(columns, metadata=facts)


def _table(rows: Sequence[Exported], schema: pyarrow.Schema, dimension: int) -> pyarrow.Table:
    import pyarrow as pa

    documents = [one.stored.document for one in rows]
    columns = [
        pa.array([one.id for one in documents], pa.string()),
        pa.array([one.text for one in documents], pa.string()),
        pa.array([one.title for one in documents], pa.string()),
        pa.array([encode_metadata(one.metadata) for one in documents], pa.string()),
        pa.array([one.image for one in rows], pa.string()),
        _whole_vectors(rows, dimension),
        _chunks(rows, schema.field(CHUNKS_FIELD).type, dimension),
        pa.array([one.stored.truncated for one in rows], pa.bool_()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _whole_vectors(rows: Sequence[Exported], dimension: int) -> pyarrow.Array:
    import pyarrow as pa

    vectors = np.zeros((len(rows), dimension), np.float32)
    missing = np.array([not one.is_whole for one in rows])
    for place, one in enumerate(rows):
        if one.is_whole:
            vectors[place] = one.stored.vectors[0]
    return pa.FixedSizeListArray.from_arrays(vectors.ravel(), dimension, mask=pa.array(missing))


def _chunks(rows: Sequence[Exported], kind: pyarrow.DataType, dimension: int) -> pyarrow.Array:
    import pyarrow as pa

    several = [() if one.is_whole else one.stored.chunks for one in rows]
    offsets = np.cumsum([0, *map(len, several)], dtype=np.int32)
    chunks = [chunk for its in several for chunk in its]
    empty: Vectors = np.empty((0, dimension), np.float32)
    vectors = np.concatenate([empty, *(one.stored.vectors for one in rows if not one.is_whole)])
    fields = [
        pa.array([one.start for one in chunks], pa.int64()),
        pa.array([one.end for one in chunks], pa.int64()),
        pa.array([one.unknown for one in chunks], pa.bool_()),
        pa.FixedSizeListArray.from_arrays(vectors.ravel(), dimension),
    ]
    inner = pa.StructArray.from_arrays(fields, fields=list(kind.value_type))
    missing = pa.array([one.is_whole for one in rows])
    return pa.ListArray.from_arrays(pa.array(offsets), inner, type=kind, mask=missing)
