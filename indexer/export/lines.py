"""Documents as lines of JSON."""

from __future__ import annotations

from typing import Any, Final

import orjson

from indexer.errors import TooLarge
from indexer.export.stored import Exported
from indexer.readers.records import IMAGE_FIELD, MAX_RECORD_BYTES, METADATA_FIELD
from indexer.readers.vectors import CHUNKS_FIELD, MODEL_FIELD, TRUNCATED_FIELD, VECTOR_FIELD

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def line_of(one: Exported, model: str) -> bytes:
    """A document as a line that indexes to the same; raises TooLarge for one that would not."""
    document = one.stored.document
    record: dict[str, Any] = {"id": document.id, "text": document.text}
    if document.title is not None:
        record["title"] = document.title
    record[METADATA_FIELD] = dict(document.metadata)
    if one.image is not None:
        record[IMAGE_FIELD] = one.image
    line = orjson.dumps(record | _vectors(one) | {MODEL_FIELD: model}, option=_OPTIONS)
    if len(line) > MAX_RECORD_BYTES:
        raise TooLarge(
            f"document {document.id!r} is a line of {len(line):,} bytes, and at most "
            f"{MAX_RECORD_BYTES:,} are read: export to Parquet instead"
        )
    return line


def _vectors(one: Exported) -> dict[str, Any]:
    stored = one.stored
    if one.is_whole:
        return {VECTOR_FIELD: stored.vectors[0]}
    chunks: list[dict[str, Any]] = [
        {"start": chunk.start, "end": chunk.end, VECTOR_FIELD: vector}
        | ({"unknown": True} if chunk.unknown else {})
        for chunk, vector in zip(stored.chunks, stored.vectors, strict=True)
    ]
    return {CHUNKS_FIELD: chunks} | ({TRUNCATED_FIELD: True} if stored.truncated else {})
