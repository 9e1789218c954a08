"""What a collection promises, wherever it is kept: the seam between one machine and many.

Nothing above this Protocol knows files, rows or FAISS. ``indexer.storage`` is the
implementation on one machine's disk; the contract tests run on every implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from indexer.documents import Change, Chunk, Document, EmbeddedDocument, Page, Vectors
from indexer.embedding.embedder import Identity
from indexer.filters import Filter, Scalar
from indexer.index_choice import IndexChoice, Language
from indexer.queries import Answer, Query
from indexer.ranking.calibration import Calibration
from indexer.ranking.significance import Background
from indexer.reports import Description, Diagnosis, FieldSummary, Map, Tell


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """A document's chunks with their vectors, (len(chunks), d) float32 unit rows."""

    chunks: tuple[Chunk, ...]
    vectors: Vectors


class Migration(Protocol):
    """The generation that will take a collection over: its documents under another model.

    Searching and writing go on meanwhile; nothing of it is searched before it is finished. One
    that is given up or killed leaves the collection as it was, and another to the same model
    goes on where it stopped. A context manager, used by one thread.
    """

    def pending(self, limit: int) -> list[Document]:
        """Some documents whose present content it lacks; none when it lacks none."""
        ...

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Take in documents; those that were deleted meanwhile are left out."""
        ...

    def finish(self) -> bool:
        """Take over, in one step; False if documents came or changed and are pending."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


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

    @property
    def language(self) -> Language:
        """The language by whose rules its words are stemmed."""
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

    def fields(self, limit: int = 100, common: int = 20) -> list[FieldSummary]:
        """The first ``limit`` metadata fields by name, each with so many of its common values."""
        ...

    def vectors(self, ids: Sequence[str]) -> list[StoredVectors | None]:
        """The stored vectors of these documents, None where there is none."""
        ...

    def sample(self, count: int, seed: int = 0) -> Vectors:
        """At most ``count`` stored vectors, drawn without replacement."""
        ...

    def calibrations(self) -> Mapping[str, Calibration]:
        """What was learned from judged queries for its present model, by kind of ranking."""
        ...

    def keep_calibration(self, calibration: Calibration) -> None:
        """Use this from now on for its kind of ranking; durable.

        Raises ModelChanged if it is of another model than the collection's.
        """
        ...

    def diagnose(self, tell: Tell) -> Diagnosis:
        """What its vectors are like, by samples where pairs are looked at; seconds of work."""
        ...

    def map(self) -> Map:
        """The collection on a plane, as far as it is drawn.

        Where that is not as far as documents were written, drawing begins in the background.
        Raises MissingExtra or StorageFailed if it cannot be drawn.
        """
        ...

    def draw_map(self, tell: Tell, *, anew: bool = False) -> Map:
        """Bring the map up to all documents now, and wait; ``anew`` draws all of them together."""
        ...

    def column(self, field: str) -> Mapping[str, Scalar]:
        """The value of a metadata field by document, of a list its least; not of those without."""
        ...

    def background(self) -> Background | None:
        """What unrelated texts score here, by a sample that is drawn anew as the collection grows.

        None while there are too few documents to say, or while it is being made.
        """
        ...

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The k best documents of each query, best chunk first; see promise 4 of the README.

        Every dense query carries its vector or examples. Raises NotFound for an example that
        is not stored, InvalidVector for a vector of another dimension.
        """
        ...

    def rebuild(self, choice: IndexChoice | None = None) -> Description:
        """Build the index anew over all that is stored, and wait for it; searching goes on.

        ``choice`` stays this collection's; None keeps the one it has.
        """
        ...

    def migrate(self, identity: Identity) -> Migration:
        """Begin, or go on with, filling a generation for another model beside this one.

        Raises CollectionBusy while another migration is under way.
        """
        ...

    def compact(self) -> bool:
        """Let go of what was deleted and replaced; searching and writing go on meanwhile.

        Afterwards the bytes of a deleted text are in no file. False if a search elsewhere still
        holds on to some of them: then call it again.
        """
        ...

    def close(self) -> None:
        """Give back files and memory; searches under way finish first."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...
