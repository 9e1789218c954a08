"""Vectors among the fields of records: those of the record itself, and those that are no metadata.

A record may bring its own vector, in the field ``vector`` or another that is named, or those of its
passages, in ``chunks``. They are taken with the fingerprint of their model beside them, in
``model``, or if the user vouches for them. All other vectors are reported once for each field, and
left out of the metadata: as such they take more room than the text, and no filter can use them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import BroughtVectors, Chunk
from indexer.errors import Unreadable
from indexer.readers.reading import Fields, Rejection, VectorTrust
from indexer.readers.records import METADATA_FIELD

VECTOR_FIELD: Final = "vector"
CHUNKS_FIELD: Final = "chunks"
MODEL_FIELD: Final = "model"
TRUNCATED_FIELD: Final = "truncated"

_NUMBERS: Final = frozenset((float, int))

VECTOR_NUMBERS: Final = 64
"""A list with at least this many numbers that need not be whole is a vector."""

_FINGERPRINT: Final = re.compile(r"[\w:+-]{1,24}\.[\w:+-]{1,24}\.[0-9]{1,6}(?:\.[\w:+-]{0,24})?")


def vector_rejection(source: str, field: str, size: int, fields: Fields) -> Rejection:
    """The rejection that reports a field left out."""
    reason = f"left out: vectors of {size} are not metadata"
    if field == (fields.vector or VECTOR_FIELD):
        reason += (
            ", and nothing tells whose they are: --trust-vectors stores them as the collection's "
            f"own, and so does the model's fingerprint in {MODEL_FIELD!r}"
        )
    return Rejection(f"{source}:field {field}", reason)


def is_fingerprint(value: object) -> bool:
    """Return whether this can be what a collection or an export says of its model."""
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Parted:
    """A record without its vectors; ``told`` reports fields that were seen first."""

    record: object
    brought: BroughtVectors | None = None
    told: Sequence[Rejection] = ()


class VectorFields:
    """The fields of one file's records that hold vectors."""

    def __init__(self, source: str, fields: Fields) -> None:
        self._source = source
        self._fields = fields
        self._told: set[str] = set()

    def apart(self, record: object, place: str) -> Parted:
        """The record and its vectors; raises Unreadable for those that it brings wrongly."""
        if not isinstance(record, dict):
            return Parted(record)
        brought = brought_in(record, self._fields, place)
        if brought is not None or self._fields.vectors is VectorTrust.IGNORED:
            record = without_brought(record, self._fields)
        if brought is not None:
            return Parted(record, brought)
        return self._without_vectors(record)

    def _without_vectors(self, record: dict[str, Any]) -> Parted:
        sizes = {name: len(value) for name, value in record.items() if is_vector(value)}
        inner = record.get(METADATA_FIELD)
        within: dict[str, int] = {}
        if isinstance(inner, dict):
            within = {name: len(value) for name, value in inner.items() if is_vector(value)}
        if not sizes and not within:
            return Parted(record)
        kept: dict[str, Any] = {name: record[name] for name in record if name not in sizes}
        if isinstance(inner, dict):
            kept[METADATA_FIELD] = {name: inner[name] for name in inner if name not in within}
        sizes |= {f"{METADATA_FIELD}.{name}": size for name, size in within.items()}
        new = [name for name in sizes if name not in self._told]
        self._told.update(new)
        told = [vector_rejection(self._source, name, sizes[name], self._fields) for name in new]
        return Parted(kept, told=told)


def brought_in(record: Mapping[str, Any], fields: Fields, place: str) -> BroughtVectors | None:
    """The vectors that a record brings, if they are to be taken; raises Unreadable."""
    own = fields.vector or VECTOR_FIELD
    if fields.vectors is VectorTrust.IGNORED or (
        own not in record and not _is_passages(record.get(CHUNKS_FIELD))
    ):
        return None
    model = record.get(MODEL_FIELD)
    told = is_fingerprint(model)
    if not told and fields.vectors is not VectorTrust.TRUSTED:
        return None
    mark = model if told and isinstance(model, str) else None
    truncated = told and record.get(TRUNCATED_FIELD) is True
    if own not in record or record[own] is None:
        chunks: Any = record.get(CHUNKS_FIELD)
        if not _is_passages(chunks):
            return None
        vectors = stacked([each.get(VECTOR_FIELD) for each in chunks], CHUNKS_FIELD)
        return BroughtVectors(vectors, mark, place, passages_of(chunks), truncated)
    return BroughtVectors(stacked([record[own]], own), mark, place, truncated=truncated)


def without_brought(record: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """The record without the vectors that it brings, and what is said of them."""
    own = fields.vector or VECTOR_FIELD
    out = {own} if isinstance(record.get(own), list | np.ndarray | None) else set()
    if is_fingerprint(record.get(MODEL_FIELD)):
        out |= {MODEL_FIELD, TRUNCATED_FIELD}
    if _is_passages(record.get(CHUNKS_FIELD)):
        out.add(CHUNKS_FIELD)
    return {name: value for name, value in record.items() if name not in out}


def stacked(vectors: Sequence[object], field: str) -> NDArray[np.float64]:
    """(n, d) vectors from lists of numbers; raises Unreadable."""
    if all(isinstance(each, np.ndarray) for each in vectors):
        return _stacked_arrays(vectors, field)
    for each in vectors:
        if not isinstance(each, list) or not each or not _NUMBERS.issuperset(map(type, each)):
            raise Unreadable(f"{field}: a vector is a list of numbers, got {str(each)[:40]}")
    try:
        return np.array(vectors, dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{field}: the vectors are not all of one length") from error


def _stacked_arrays(vectors: Sequence[Any], field: str) -> NDArray[np.float64]:
    """The same of arrays, as programs have them."""
    try:
        rows = np.asarray(vectors[0], np.float64)[None] if len(vectors) == 1 else np.stack(vectors)
        rows = rows.astype(np.float64, copy=False)
    except (ValueError, TypeError) as error:
        raise Unreadable(f"{field}: the vectors are not numbers, or not of one length") from error
    if rows.ndim != 2 or not rows.shape[1]:
        raise Unreadable(
            f"{field}: a vector is a row of numbers, got one of shape {rows.shape[1:]}"
        )
    return rows


def passages_of(chunks: Sequence[Mapping[str, Any]]) -> tuple[Chunk, ...]:
    """The passages that a record tells, in their order."""
    return tuple(
        Chunk(position, each["start"], each["end"], each.get("unknown") is True)
        for position, each in enumerate(chunks)
    )


def _is_passages(value: object) -> bool:
    """Return whether this is a list of passages with their places and vectors."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(each, Mapping)
            and type(each.get("start")) is int
            and type(each.get("end")) is int
            and VECTOR_FIELD in each
            for each in value
        )
    )


def is_vector(value: object) -> bool:
    """True for a list that is a vector."""
    return (
        isinstance(value, list)
        and len(value) >= VECTOR_NUMBERS
        and any(type(each) is float for each in value)
        and all(type(each) in (float, int) for each in value)
    )
