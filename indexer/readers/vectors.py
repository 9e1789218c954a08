"""Vectors among the fields of records: reported once for each field, and left out of the metadata.

Files written by other systems often contain the embeddings those computed. Stored as metadata they
take more room than the text, and no filter can use them.
"""

from __future__ import annotations

from typing import Any, Final

from indexer.readers.reading import Rejection
from indexer.readers.records import METADATA_FIELD

VECTOR_NUMBERS: Final = 64
"""A list with at least this many numbers that need not be whole is a vector."""


def vector_rejection(source: str, field: str, size: int) -> Rejection:
    """The rejection that reports a field left out."""
    return Rejection(f"{source}:field {field}", f"left out: vectors of {size} are not metadata")


class VectorFields:
    """The fields of one file's records that hold vectors."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: set[str] = set()

    def apart(self, record: object) -> tuple[object, list[Rejection]]:
        """The record without its vectors, and rejections that report fields seen first."""
        if not isinstance(record, dict):
            return record, []
        sizes = {name: len(value) for name, value in record.items() if is_vector(value)}
        inner = record.get(METADATA_FIELD)
        within: dict[str, int] = {}
        if isinstance(inner, dict):
            within = {name: len(value) for name, value in inner.items() if is_vector(value)}
        if not sizes and not within:
            return record, []
        kept: dict[str, Any] = {name: record[name] for name in record if name not in sizes}
        if isinstance(inner, dict):
            kept[METADATA_FIELD] = {name: inner[name] for name in inner if name not in within}
        sizes |= {f"{METADATA_FIELD}.{name}": size for name, size in within.items()}
        new = [name for name in sizes if name not in self._told]
        self._told.update(new)
        return kept, [vector_rejection(self._source, name, sizes[name]) for name in new]


def is_vector(value: object) -> bool:
    """True for a list that is a vector."""
    return (
        isinstance(value, list)
        and len(value) >= VECTOR_NUMBERS
        and any(type(each) is float for each in value)
        and all(type(each) in (float, int) for each in value)
    )
