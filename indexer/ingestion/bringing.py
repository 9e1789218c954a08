"""Vectors that documents bring along: checked, made unit vectors, and taken for their own.

Whoever brings a vector has embedded the title and the text of a document as its model does. Only
that it is of the model, a direction, and of a document that the model takes as a whole can be told.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import (
    BroughtVectors,
    Chunk,
    Document,
    EmbeddedDocument,
    Vectors,
    normalise,
)
from indexer.embedding.embedder import Embedder, Identity, Tokens
from indexer.errors import InvalidVector
from indexer.ingestion.chunking import fits
from indexer.pictures import Developed
from indexer.readers.reading import Illustrated, Read, Rejection

UNIT: Final = 1e-6
"""A vector whose length differs by no more from 1 is taken as it is, to the last bit."""


def unit(document: Document, brought: BroughtVectors, identity: Identity) -> BroughtVectors:
    """The same with unit vectors; raises InvalidVector unless they are of this model."""
    if brought.model is not None and not identity.made(brought.model):
        raise InvalidVector(
            f"a vector of the model {brought.model}, but the collection is of {identity.name!r}, "
            f"{identity.mark}: leave the vector out, or ignore it (--ignore-vectors), to have the "
            "text embedded"
        )
    if brought.vectors.shape[1] != identity.dimension:
        raise InvalidVector(
            f"a vector of {brought.vectors.shape[1]} numbers, but those of {identity.name!r} have "
            f"{identity.dimension}"
        )
    for one in brought.chunks or ():
        if not 0 <= one.start <= one.end <= len(document.text):
            raise InvalidVector(
                f"a passage from {one.start} to {one.end} in a text of {len(document.text)} "
                "characters"
            )
    rows = _unit_rows(np.asarray(brought.vectors, dtype=np.float64))
    return BroughtVectors(rows, brought.model, brought.place, brought.chunks, brought.truncated)


def _unit_rows(given: NDArray[np.float64]) -> Vectors:
    with np.errstate(over="ignore", invalid="ignore"):
        is_unit = all(map(_is_unit, given))
    return given.astype(np.float32) if is_unit else normalise(given)


def _is_unit(row: NDArray[np.float64]) -> bool:
    """Return whether a length is 1: for few rows, np.linalg.norm takes five times as long."""
    return abs(math.sqrt(np.dot(row, row)) - 1.0) <= UNIT


def admitted(reads: Iterable[Read], identity: Identity) -> Generator[Read, None, None]:
    """The same reads, in order, with unit vectors; a rejection of what brings others."""
    try:
        for read in reads:
            item = read.item.document if isinstance(read.item, Illustrated) else read.item
            if read.brought is None or not isinstance(item, Document):
                yield read
                continue
            try:
                brought = unit(item, read.brought, identity)
            except InvalidVector as error:
                yield replace(read, item=Rejection(read.brought.place, str(error)), brought=None)
                continue
            yield Read(read.item, read.consumed, read.developed, brought)
    finally:
        if isinstance(reads, Generator):
            reads.close()


def with_vectors(
    embedder: Embedder,
    documents: Sequence[Document],
    brought: Sequence[BroughtVectors],
    developed: Sequence[Developed | None],
) -> list[EmbeddedDocument | InvalidVector]:
    """The documents with the unit vectors that they bring, in order.

    An error in place of one that does not fit the model as a whole, and brings one vector.
    """
    whole = [
        one.content
        for one, its, seen in zip(documents, brought, developed, strict=True)
        if its.chunks is None and seen is None
    ]
    tokens = iter(embedder.tokenize(whole) if whole else ())
    model = _Model(embedder.room, embedder.identity.mark)
    return [
        _embedded(model, one, its, seen, next(tokens) if _is_asked(its, seen) else None)
        for one, its, seen in zip(documents, brought, developed, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Model:
    """The tokens that a model takes at a time, and its fingerprint."""

    room: int
    mark: str


def _is_asked(brought: BroughtVectors, developed: Developed | None) -> bool:
    return brought.chunks is None and developed is None


def _embedded(
    model: _Model,
    document: Document,
    brought: BroughtVectors,
    developed: Developed | None,
    tokens: Tokens | None,
) -> EmbeddedDocument | InvalidVector:
    if tokens is not None and not fits(tokens, model.room):
        return InvalidVector(
            f"document {document.id!r} has one vector, but {len(tokens.spans):,} tokens, of which "
            f"the model takes {model.room:,} at a time: leave the vector out to have it "
            "embedded by passages, or give passages with their vectors as chunks"
        )
    unknown = tokens is not None and tokens.unknown
    chunks = brought.chunks or (Chunk(0, 0, len(document.text), unknown),)
    files = developed.files if developed else None
    vectors: Vectors = np.asarray(brought.vectors, dtype=np.float32)
    return EmbeddedDocument(document, chunks, vectors, brought.truncated, model.mark, files)
