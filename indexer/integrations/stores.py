"""The stores beneath the frameworks' own: a collection here, or a service through its client.

A collection's vectors come from Bearing's own model, or from the framework's, which embeds whole
texts: Bearing then neither chunks nor measures them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

from indexer.collection import Collection
from indexer.config import Config, place_of
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.embedding.embedder import (
    CANARIES,
    Embedder,
    Embeddings,
    Identity,
    Image,
    Input,
    Modality,
    Runtime,
    TextRole,
    Tokens,
)
from indexer.embedding.engine import texts_only
from indexer.errors import ModelError
from indexer.ingestion.changes import store
from indexer.library import Library
from indexer.pictures import Fit
from indexer.queries import Hit, Passage, Query
from indexer.retrieval.search import search
from indexer.workspace import Where, documents_of, query_of

Sought: TypeAlias = str | Sequence[float]
"""A text, or a vector of any length but zero."""


class StoreBackend(Protocol):
    """Documents that can be stored, fetched and searched."""

    def put(self, documents: Sequence[Document]) -> None:
        """Add or replace documents."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those that exist, and return their number."""
        ...

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, None where there is none."""
        ...

    def count(self) -> int:
        """The number of documents."""
        ...

    def documents(self, where: Where = None) -> Iterator[Document]:
        """All documents that pass a filter, in insertion order."""
        ...

    def search(self, sought: Sought, where: Where, how: Mapping[str, Any]) -> Sequence[Hit]:
        """The best documents; ``how`` are further fields of a Query."""
        ...

    def close(self) -> None:
        """Release what this store has opened."""
        ...


class ForeignEmbedder:
    """A framework's own embedding model, as an Embedder of whole texts.

    It is identified by its name and its vectors of known texts; its tokens are not known.
    """

    room = 1_000_000
    runtime = Runtime("foreign", "elsewhere", "f32", 0)

    def __init__(
        self,
        name: str,
        embed_documents: Callable[[list[str]], Sequence[Sequence[float]]],
        embed_query: Callable[[str], Sequence[float]],
    ) -> None:
        self._name = name
        self._embed_documents = embed_documents
        self._embed_query = embed_query

    @cached_property
    def identity(self) -> Identity:
        """The identity of the model; known texts are embedded at the first call."""
        canaries = self.embed(CANARIES).vectors
        dimension = canaries.shape[1]
        digest = hashlib.sha256(f"{self._name} {dimension}".encode()).hexdigest()
        return Identity(self._name, digest, digest, dimension, 0, "foreign", {}, canaries)

    def tokenize(self, texts: Sequence[str], role: TextRole = TextRole.DOCUMENT) -> list[Tokens]:  # noqa: ARG002
        """Raise ModelError: only the framework knows its tokens."""
        raise ModelError(f"{self._name} embeds texts without giving their tokens")

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """Unit vectors in the order of the texts; see Embedder."""
        texts = [given for given in inputs if isinstance(given, str)]
        if role is TextRole.QUERY:
            given = [self._embed_query(text) for text in texts]
        else:
            given = list(self._embed_documents(texts))
        return Embeddings(normalise(np.asarray(given, dtype=np.float64)), (), 0)

    @property
    def modalities(self) -> frozenset[Modality]:
        """Texts: frameworks hand on nothing else."""
        return frozenset((Modality.TEXT,))

    @property
    def fit(self) -> Fit:
        """Raise InvalidInput: there is none."""
        raise texts_only(self._name)

    def embed_images(self, images: Sequence[Image]) -> Vectors:  # noqa: ARG002
        """Raise InvalidInput: only texts are handed on."""
        raise texts_only(self._name)

    def warm(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to release."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class CollectionStore:
    """A collection on this machine, with its model; closes the library if it was opened for it."""

    def __init__(
        self, collection: Collection, embedder: Embedder, library: Library | None = None
    ) -> None:
        self._collection = collection
        self._embedder = embedder
        self._library = library

    @classmethod
    def open(
        cls, data: Path | str, name: str, embedder: Embedder | None, model: str | None = None
    ) -> Self:
        """A store over a collection in a data directory, created if there is none.

        Its vectors come from ``embedder``, or from Bearing's model of this name (None: the
        default). Raises ModelMismatch if another model filled it.
        """
        library = Library(Config(data=place_of("data", str(data))))
        try:
            if embedder is not None:
                return cls(library.adopt(name, embedder.identity), embedder, library)
            collection = library.obtain(name, model)
            return cls(collection, library.embedder(collection), library)
        except BaseException:
            library.close()
            raise

    def put(self, documents: Sequence[Document]) -> None:
        """Add or replace documents."""
        if not isinstance(self._embedder, ForeignEmbedder):
            store(self._collection, self._embedder, documents)
        elif documents:
            embedded = self._embedder.embed([document.content for document in documents])
            self.put_vectors(documents, embedded.vectors)

    def put_vectors(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """Add or replace documents whose vectors, (n, d) unit rows, are known."""
        self._collection.put(
            [
                EmbeddedDocument(document, (Chunk(0, 0, len(document.text)),), vector[None])
                for document, vector in zip(documents, vectors, strict=True)
            ]
        )

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those that exist, and return their number."""
        return self._collection.delete(ids)

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, None where there is none."""
        return self._collection.get(ids)

    def count(self) -> int:
        """The number of documents."""
        return self._collection.describe().documents

    def documents(self, where: Where = None) -> Iterator[Document]:
        """All documents that pass a filter, in insertion order."""
        return documents_of(self._collection, where)

    def search(self, sought: Sought, where: Where, how: Mapping[str, Any]) -> Sequence[Hit]:
        """The best documents; ``how`` are further fields of a Query."""
        (answer,) = search(self._collection, self._embedder, [_query(sought, where, how)])
        return answer.hits

    def close(self) -> None:
        """Close the library that was opened for it."""
        if self._library is not None:
            self._library.close()


def _query(sought: Sought, where: Where, how: Mapping[str, Any]) -> Query:
    if isinstance(sought, str):
        return query_of(sought, {**how, "filter": where})
    return query_of(None, {**how, "filter": where, "vector": sought})


class DocumentLike(Protocol):
    """A document as a client of the service returns it."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def text(self) -> str:
        """Its text."""
        ...

    @property
    def title(self) -> str | None:
        """Its title."""
        ...

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata."""
        ...


class ServiceStore:
    """A service, by its client (``app.client.Client``); vectors come from the service's model."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 -- the service is above the library
        self._client = client

    def put(self, documents: Sequence[Document]) -> None:
        """Add or replace documents."""
        self._client.put(documents)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those that exist, and return their number."""
        return int(self._client.delete(ids))

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, None where there is none."""
        found = (self._client.find(id) for id in ids)
        return [None if one is None else _stored(one) for one in found]

    def count(self) -> int:
        """The number of documents."""
        return int(self._client.describe().documents)

    def documents(self, where: Where = None) -> Iterator[Document]:
        """All documents that pass a filter, in insertion order."""
        return (_stored(one) for one in self._client.documents(where))

    def search(self, sought: Sought, where: Where, how: Mapping[str, Any]) -> Sequence[Hit]:
        """The best documents; ``how`` are further fields of a search."""
        subject = {"query": sought} if isinstance(sought, str) else {"vector": list(sought)}
        view = self._client.search(**subject, **how, filter=where)
        return [
            Hit(
                _stored(hit),
                hit.score,
                Passage.of(_stored(hit), hit.passage.start, hit.passage.end),
            )
            for hit in view.hits
        ]

    def close(self) -> None:
        """Nothing to release: the client belongs to its owner."""


def _stored(given: DocumentLike) -> Document:
    return Document.stored(given.id, given.text, given.title, given.metadata)
