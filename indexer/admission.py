"""Checks that every engine makes of documents before it stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from indexer.documents import (
    Change,
    Document,
    EmbeddedDocument,
    Vectors,
    check_unit,
)
from indexer.embedding.embedder import Identity
from indexer.errors import Conflict, InvalidInput, InvalidVector, ModelChanged
from indexer.filters import Filter, matches

LINE_BYTES: Final = 2_048
"""Bytes of a kept line on average: of longer ones fewer are kept."""


def joined_vectors(documents: Sequence[EmbeddedDocument], identity: Identity) -> Vectors:
    """All vectors of these documents, (n, d) float32, checked to be valid for a model's collection.

    Raises ModelChanged or InvalidVector, naming the document.
    """
    marks = {one.model for one in documents}
    others = {mark for mark in marks if mark is not None and not identity.made(mark)}
    for one in documents:
        if one.model in others:
            raise ModelChanged(
                f"the vectors of {one.document.id!r} are of another model than "
                f"{identity.name!r}, the collection's: embed it again"
            )
        if one.vectors.ndim != 2 or one.vectors.shape[1] != identity.dimension:
            raise InvalidVector(
                f"the vectors of {one.document.id!r} have shape {one.vectors.shape}; "
                f"those of {identity.name!r} have {identity.dimension} components"
            )
    vectors: Vectors = np.concatenate([one.vectors for one in documents]).astype(np.float32)
    check_unit(vectors, [one.document.id for one in documents for _ in one.chunks])
    return vectors


def change_of(document: Document, old: tuple[bytes, tuple[str, str | None]] | None) -> Change:
    """The change that storing a document makes, given the old one's hash and encoded facts."""
    if old is None:
        return Change.NEW
    content_hash, facts = old
    if content_hash != document.content_hash:
        return Change.CONTENT
    return Change.NOTHING if facts == document.facts else Change.METADATA


def require_stored(document: Document, change: Change) -> None:
    """Raise InvalidInput unless a document whose metadata is to be amended is stored unchanged."""
    if change in (Change.NEW, Change.CONTENT):
        raise InvalidInput(f"document {document.id!r} is not stored with this content")


def is_within(condition: Filter | None, facts: tuple[str, str | None]) -> bool:
    """Return whether a stored document passes a filter, given its encoded metadata and picture."""
    metadata, picture = facts
    if condition is None:
        return True
    return matches(condition, json.loads(metadata), pictured=picture is not None)


def require_within(condition: Filter | None, old: Mapping[str, tuple[str, str | None]]) -> None:
    """Raise Conflict unless stored documents, by id, may be replaced by whoever sees a part.

    ``old`` are their encoded facts, and the part is of what passes the filter.
    """
    for id, facts in old.items():
        if not is_within(condition, facts):
            raise taken(id)


def taken(id: str) -> Conflict:
    """The error for an id that a document has which is not seen."""
    return Conflict(f"document {id!r}: this id is taken; use another")


def newest_lines(lines: list[bytes], most: int) -> list[bytes]:
    """The last lines, at most so many and of so many bytes; the last one whatever its length."""
    room, kept = most * LINE_BYTES, 0
    for line in reversed(lines[-most:]):
        room -= len(line) + 1
        if room < 0:
            break
        kept += 1
    return lines[-max(1, kept) :]
