"""Documents cut into chunks, tokenised and embedded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.embedding.embedder import Embedder, Tokens
from indexer.errors import InvalidVector
from indexer.ingestion.chunking import chunk, chunk_content, fits, heading

_SHRINK: Final = 0.8
_LEAST_ROOM: Final = 8


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be embedded: the tokens of each chunk's content."""

    document: Document
    chunks: tuple[Chunk, ...]
    tokens: tuple[Tokens, ...]
    truncated: bool

    @property
    def weight(self) -> int:
        """The number of tokens to embed."""
        return sum(len(tokens.ids) for tokens in self.tokens)


def prepare(embedder: Embedder, documents: Sequence[Document]) -> list[Prepared]:
    """The documents in chunks that fit the model's window; those that fit are tokenised once."""
    tokens = embedder.tokenize([document.content for document in documents])
    return [
        Prepared(document, chunk(document, whole, embedder.room), (whole,), truncated=False)
        if fits(whole, embedder.room)
        else _cut(embedder, document, whole)
        for document, whole in zip(documents, tokens, strict=True)
    ]


def _cut(embedder: Embedder, document: Document, whole: Tokens) -> Prepared:
    """A document that does not fit, in chunks that do, each tokenised as its own text.

    A chunk cut inside a word can take more tokens by itself than in its context; then the room for
    all chunks is reduced until they fit.
    """
    room = embedder.room
    while True:
        top = heading(document, whole, room)
        chunks = chunk(document, whole, room)
        tokens = embedder.tokenize([chunk_content(document, one, top) for one in chunks])
        cut = any(one.truncated for one in tokens)
        if not cut or room <= _LEAST_ROOM:
            return Prepared(document, chunks, tuple(tokens), truncated=cut or top.cut)
        room = int(room * _SHRINK)


def embed_documents(embedder: Embedder, documents: Sequence[Document]) -> list[EmbeddedDocument]:
    """The documents with the vectors of their chunks, in order.

    Raises InvalidVector, naming the document, if the model gives a zero or non-finite vector.
    """
    return embed_prepared(embedder, prepare(embedder, documents))


def embed_prepared(embedder: Embedder, prepared: Sequence[Prepared]) -> list[EmbeddedDocument]:
    """The documents with the vectors of their chunks, in order; see embed_documents."""
    try:
        vectors = embedder.embed([tokens for one in prepared for tokens in one.tokens]).vectors
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
        chunks = tuple(map(_with_unknown, one.chunks, one.tokens))
        yield EmbeddedDocument(one.document, chunks, vectors[start:end], one.truncated, model)
        start = end


def _with_unknown(chunk: Chunk, tokens: Tokens) -> Chunk:
    return replace(chunk, unknown=True) if tokens.unknown else chunk
