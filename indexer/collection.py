"""What a collection promises, wherever it is kept: the seam between one machine and many.

Nothing above this Protocol knows files, rows or FAISS. ``indexer.storage`` is the
implementation on one machine's disk; the contract tests run on every implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from indexer.documents import (
    Answer,
    Change,
    Chunk,
    Document,
    EmbeddedDocument,
    Page,
    Query,
    Vectors,
)
from indexer.embedding.embedder import Identity
from indexer.filters import Filter


@dataclass(frozen=True, slots=True)
class Description:
    """A collection at a glance; ``index`` says how nearest vectors are found."""

    name: str
    model: str
    dimension: int
    documents: int
    chunks: int
    bytes: int
    truncated: int
    index: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """A document's chunks with their vectors, (len(chunks), d) float32 unit rows."""

    chunks: tuple[Chunk, ...]
    vectors: Vectors


@runtime_checkable
class Collection(Protocol):
    """Documents with their vectors, kept in step, that answers queries.

    Safe to use from several threads. What a write method has returned from is durable, and seen
    by every search that begins after it. A search sees one state of the collection throughout.
    """

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def identity(self) -> Identity:
        """The model that filled it."""
        ...

    def describe(self) -> Description:
        """Counts, sizes and how it searches."""
        ...

    def writing(self, purpose: str = "write") -> AbstractContextManager[None]:
        """Hold the right to write over several calls; each write takes it by itself if need be.

        Raises CollectionBusy, naming the process that holds it and what it is doing.
        """
        ...

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """What storing each of these documents would change."""
        ...

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add or replace documents, in one transaction; of two with one id the later wins.

        Raises InvalidVector for a vector that is not of unit length and the right dimension;
        then nothing is written.
        """
        ...

    def amend(self, documents: Sequence[Document]) -> None:
        """Replace the metadata of documents whose content is stored and unchanged."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist; how many did."""
        ...

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter; how many did."""
        ...

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of these ids, None where there is none."""
        ...

    def page(
        self, condition: Filter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """The next ``limit`` documents that pass a filter, in the order they first came."""
        ...

    def vectors(self, ids: Sequence[str]) -> list[StoredVectors | None]:
        """The stored vectors of these documents, None where there is none."""
        ...

    def sample(self, count: int, seed: int = 0) -> Vectors:
        """At most ``count`` stored vectors, drawn without replacement."""
        ...

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The k best documents of each query, best chunk first; see promise 4 of the README.

        Every dense query carries its vector or examples. Raises NotFound for an example that
        is not stored, InvalidVector for a vector of another dimension.
        """
        ...

    def close(self) -> None:
        """Give back files and memory; searches under way finish first."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...
