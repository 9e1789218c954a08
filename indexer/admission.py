"""Checks that every engine makes of documents before it stores them."""

from __future__ import annotations

from collections.abc import Sequence
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
from indexer.errors import InvalidInput, InvalidVector, ModelChanged

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


def newest_lines(lines: list[bytes], most: int) -> list[bytes]:
    """The last lines, at most so many and of so many bytes; the last one whatever its length."""
    room, kept = most * LINE_BYTES, 0
    for line in reversed(lines[-most:]):
        room -= len(line) + 1
        if room < 0:
            break
        kept += 1
    return lines[-max(1, kept) :]
