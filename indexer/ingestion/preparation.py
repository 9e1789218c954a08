"""Documents cut into chunks, tokenised and embedded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.embedding.embedder import Embedder, Tokens
from indexer.errors import InvalidVector
from indexer.ingestion.chunking import chunk, chunk_content, fits, heading
from indexer.pictures import Developed

_SHRINK: Final = 0.8
_LEAST_ROOM: Final = 8


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be embedded: the tokens of each chunk's content, and their number."""

    document: Document
    chunks: tuple[Chunk, ...]
    tokens: tuple[Tokens, ...]
    weight: int
    truncated: bool
    developed: Developed | None = None

    @property
    def nbytes(self) -> int:
        """The memory that its picture takes, in bytes."""
        return self.developed.nbytes if self.developed else 0


def prepare(
    embedder: Embedder,
    documents: Sequence[Document],
    developed: Sequence[Developed | None] | None = None,
) -> list[Prepared]:
    """The documents in chunks that fit the model's window; those that fit are tokenised once.

    ``developed`` is what each document's picture was made into: it is embedded, and not the text.
    """
    pictures = developed or [None] * len(documents)
    worded = [one for one, seen in zip(documents, pictures, strict=True) if seen is None]
    tokens = iter(embedder.tokenize([one.content for one in worded]) if worded else ())
    room = _room(embedder)
    return [
        _of_picture(document, seen) if seen else _of_text(embedder, document, next(tokens), room)
        for document, seen in zip(documents, pictures, strict=True)
    ]


def _of_text(embedder: Embedder, document: Document, whole: Tokens, room: int) -> Prepared:
    chunks = chunk(document, whole, room, embedder.identity.chunking)
    if len(chunks) > 1 or not fits(whole, room):
        return _cut(embedder, document, whole)
    return Prepared(document, chunks, (whole,), len(whole.ids), truncated=False)


def _room(embedder: Embedder) -> int:
    """The number of tokens that a chunk may have."""
    size = embedder.identity.chunking.size
    return embedder.room if size is None else min(size, embedder.room)


def _of_picture(document: Document, developed: Developed) -> Prepared:
    """A picture's document: one chunk over all of its caption, whose vector is the picture's."""
    chunks = (Chunk(0, 0, len(document.text)),)
    return Prepared(document, chunks, (), 0, truncated=False, developed=developed)


def _cut(embedder: Embedder, document: Document, whole: Tokens) -> Prepared:
    """A document that does not fit, in chunks that do, each tokenised as its own text.

    A chunk cut inside a word can take more tokens by itself than in its context; then the room for
    all chunks is reduced until they fit.
    """
    room, how = _room(embedder), embedder.identity.chunking
    while True:
        top = heading(document, whole, room)
        chunks = chunk(document, whole, room, how)
        tokens = embedder.tokenize([chunk_content(document, one, top) for one in chunks])
        cut = any(one.truncated for one in tokens)
        if not cut or room <= _LEAST_ROOM:
            weight = sum(len(one.ids) for one in tokens)
            return Prepared(document, chunks, tuple(tokens), weight, truncated=cut or top.cut)
        room = int(room * _SHRINK)


def embed_documents(
    embedder: Embedder,
    documents: Sequence[Document],
    developed: Sequence[Developed | None] | None = None,
) -> list[EmbeddedDocument]:
    """The documents with the vectors of their chunks, in order; see prepare.

    Raises InvalidVector, naming the document, if the model gives a zero or non-finite vector.
    """
    return embed_prepared(embedder, prepare(embedder, documents, developed))


def embed_prepared(embedder: Embedder, prepared: Sequence[Prepared]) -> list[EmbeddedDocument]:
    """The documents with the vectors of their chunks, in order; see embed_documents."""
    if not prepared:
        return []
    try:
        vectors = _vectors(embedder, prepared)
    except InvalidVector as error:
        if len(prepared) == 1:
            raise InvalidVector(f"document {prepared[0].document.id!r}: {error}") from error
        return [embed_prepared(embedder, [one])[0] for one in prepared]
    return list(_assemble(prepared, vectors, embedder.identity.mark))


def _assemble(
    prepared: Sequence[Prepared], vectors: Vectors, model: str
) -> Iterator[EmbeddedDocument]:
    start = 0
    for one in prepared:
        end = start + len(one.chunks)
        seen = one.developed
        chunks = one.chunks if seen else tuple(map(_with_unknown, one.chunks, one.tokens))
        own, files = vectors[start:end], seen.files if seen else None
        yield EmbeddedDocument(one.document, chunks, own, one.truncated, model, files)
        start = end


def _vectors(embedder: Embedder, prepared: Sequence[Prepared]) -> Vectors:
    """The vectors of all chunks, in order, of texts and of pictures."""
    pictures = [one.developed.fitted for one in prepared if one.developed is not None]
    tokens = [tokens for one in prepared for tokens in one.tokens]
    if not pictures:
        return embedder.embed(tokens).vectors
    seen = embedder.embed_images(pictures)
    vectors = np.empty((len(seen) + len(tokens), seen.shape[1]), np.float32)
    is_seen = np.repeat(
        [one.developed is not None for one in prepared], [len(one.chunks) for one in prepared]
    )
    vectors[is_seen] = seen
    if tokens:
        vectors[~is_seen] = embedder.embed(tokens).vectors
    return vectors


def _with_unknown(chunk: Chunk, tokens: Tokens) -> Chunk:
    return replace(chunk, unknown=True) if tokens.unknown else chunk
