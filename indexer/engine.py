"""The seam between a collection and whatever keeps it: what is asked of an engine.

Everything above asks by documents, filters and directions; how these are kept, indexed and found
is an engine's own. ``indexer.engines`` is the table of those there are. Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, NewType, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import (
    Change,
    Chunk,
    Document,
    EmbeddedDocument,
    StoredVectors,
    Vector,
    Vectors,
)
from indexer.embedding.embedder import Embedder, Identity
from indexer.filters import Filter, Scalar
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.reports import Backup, Description, FieldSummary, Map, Tell, Verification

Key = NewType("Key", int)
"""A document's own number in its engine: it keeps it as long as it lives, and later ones are
larger. From 0 to 2**32 - 1."""

ChunkKey = NewType("ChunkKey", int)
"""A chunk's own number in one state of an engine."""

Bag: TypeAlias = Mapping[str, float]
"""Words with their weights."""


class Candidate(NamedTuple):
    """A document by its best chunk: a cosine, or a score made of cosines."""

    key: Key
    score: float
    chunk: ChunkKey


@dataclass(frozen=True, slots=True)
class Counts:
    """How many documents, and chunks of them, there are; of how many the text was truncated."""

    documents: int
    chunks: int
    truncated: int


@dataclass(frozen=True, slots=True)
class ChunkCosines:
    """Every chunk of some documents, (m,), with its cosine to each of some directions, (m, p).

    The chunks of a document stand together, in their order.
    """

    keys: NDArray[np.int64]
    chunks: NDArray[np.int64]
    cosines: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """Stored vectors, (n, d), with the documents they are of, (n,)."""

    vectors: Vectors
    keys: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine promises, so that what it cannot do is said rather than done otherwise.

    ``durable``: what was acknowledged outlives the process. ``index_kinds``: the kinds of index
    that it can be told to keep. ``maps``: it draws maps. ``backups``: it is backed up to a file,
    restored from one, and verified.
    """

    engine: str
    durable: bool
    index_kinds: frozenset[IndexKind]
    maps: bool
    backups: bool


class Kept(StrEnum):
    """Small things that are derived, and kept beside a collection for those who derive them."""

    CALIBRATIONS = "calibrations"
    SCORE_BACKGROUND = "score background"


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """What was kept, and a stamp that differs from that of whatever was kept before or after."""

    stamp: object
    content: bytes


class Keeper(Protocol):
    """Keeps one small thing that is derived from what a model made of the documents."""

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """What was kept last for a model; ``known`` itself if it is still that, None if nothing."""
        ...

    def write(self, identity: Identity, content: bytes) -> None:
        """Keep this in place of the last, durably; raises StorageFailed.

        What is kept for a model that the collection has left may be forgotten.
        """
        ...


class Scope(Protocol):
    """The documents that a search may return; made by one state, and of use in that one alone."""

    @property
    def total(self) -> int:
        """How many documents these are."""
        ...


class LexicalState(Protocol):
    """The words of one state of a collection; see indexer.lexical.bm25 for the formula."""

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document."""
        ...

    def words(self, text: str) -> list[str]:
        """The words of a text, in order, as they are compared."""
        ...

    def asked(self, text: str) -> Bag:
        """The words that a query asks for: of very many, the rarest."""
        ...

    def worth(self, bag: Bag) -> dict[str, float]:
        """How much each of these words is worth where it is found."""
        ...

    def best(self, bag: Bag, k: int, scope: Scope) -> list[tuple[Key, float]]:
        """The k documents of largest BM25 score that hold a word, best first, ties by id."""
        ...

    def score(self, bag: Bag, keys: Sequence[Key]) -> list[float]:
        """The BM25 score of each of these documents, 0 for one without a word."""
        ...


class EngineState(Protocol):
    """One state of an engine's documents: everything that is read from it fits together."""

    @property
    def token(self) -> str:
        """What pages can be held to, ASCII of at most 64 characters: see scope."""
        ...

    @property
    def identity(self) -> Identity:
        """The model of its vectors: the engine's own object as long as that is searched."""
        ...

    @property
    def counts(self) -> Counts:
        """How much there is."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether the nearest are found exactly without being asked for."""
        ...

    @property
    def lexical(self) -> LexicalState:
        """Its words, if it was asked for with them."""
        ...

    def keys(self, ids: Iterable[str]) -> dict[str, Key]:
        """The keys of those of these documents that exist."""
        ...

    def ids(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The ids of those of these documents that exist."""
        ...

    def documents(self, keys: Iterable[Key]) -> dict[Key, Document]:
        """Those of these documents that exist."""
        ...

    def vectors(self, keys: Iterable[Key]) -> dict[Key, StoredVectors]:
        """The chunks and vectors of those of these documents that exist."""
        ...

    def chunks(self, keys: Iterable[Key]) -> dict[Key, list[tuple[ChunkKey, Chunk]]]:
        """The chunks, in order, of those of these documents that exist."""
        ...

    def passages(self, chunks: Iterable[ChunkKey]) -> Mapping[ChunkKey, tuple[Chunk, Document]]:
        """These chunks with their documents; raises Damaged if one is of none."""
        ...

    def page(self, condition: Filter | None, after: Key, limit: int) -> list[tuple[Key, Document]]:
        """The next documents by key that pass a filter."""
        ...

    def facets(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name, each with so many of its common values."""
        ...

    def column(self, field: str) -> dict[str, Scalar]:
        """The value of a metadata field by document id, of a list its least."""
        ...

    def copies(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """How many documents have the title and text of an earlier one, and pairs of such ids."""
        ...

    def sample(self, count: int, seed: int) -> Sample:
        """At most ``count`` stored vectors in random order, without replacement.

        The same for the same state and seed.
        """
        ...

    def scan(self, rows: int) -> Iterator[Sample]:
        """All stored vectors, at most so many at a time; the chunks of a document in order."""
        ...

    def scope(
        self, condition: Filter | None = None, without: Sequence[Key] = (), token: str | None = None
    ) -> Scope:
        """The documents that pass a filter, without some, and without those after a token.

        ``without`` may name documents that do not exist. Raises InvalidQuery for a token that
        this engine never gave.
        """
        ...

    def nearest(
        self, directions: Vectors, k: int, scope: Scope, *, exact: bool
    ) -> list[list[Candidate]]:
        """For each direction, (q, d), its k nearest documents, each by its nearest chunk.

        Best first, ties by id; k whenever there are k in scope. Where they are not found exactly,
        their scores are exact all the same.
        """
        ...

    def chunk_cosines(self, keys: Sequence[Key], directions: Vectors) -> ChunkCosines:
        """The cosines of all chunks of these documents, equal to those that nearest gives."""
        ...

    def count_near(self, direction: Vector, least: float, scope: Scope) -> int:
        """How many documents in scope have a chunk whose cosine is ``least`` or more."""
        ...


class Migration(Protocol):
    """The generation that will take over: all documents under another model.

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


class Engine(Protocol):
    """What keeps one collection. Safe to use from several threads.

    What a write method has returned from is seen by every state that is read after it. An engine
    that is elsewhere raises EngineUnavailable where it cannot be asked.
    """

    @property
    def name(self) -> str:
        """The collection's name."""
        ...

    @property
    def identity(self) -> Identity:
        """The model that filled it: the same object until another takes over."""
        ...

    @property
    def language(self) -> Language:
        """The language by whose rules its words are stemmed."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it promises."""
        ...

    def reading(self, *, lexical: bool = False) -> AbstractContextManager[EngineState]:
        """The newest state, with its words if these are asked for."""
        ...

    def writing(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the right to write over several calls; raises CollectionBusy."""
        ...

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """What storing each of these documents would change."""
        ...

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add or replace documents, all or none; of two with one id the later wins.

        Raises ModelChanged or InvalidVector: see indexer.admission.
        """
        ...

    def amend(self, documents: Sequence[Document]) -> None:
        """Replace the metadata of documents; raises InvalidInput if one's content differs."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist; how many did."""
        ...

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter; how many did."""
        ...

    def migrate(self, identity: Identity) -> Migration:
        """Begin, or go on with, filling a generation; raises CollectionBusy if one is open."""
        ...

    def rebuild(self, choice: IndexChoice | None) -> None:
        """Build the index anew, as chosen from now on, and wait for it."""
        ...

    def compact(self) -> bool:
        """Let go of what was deleted; False if something still holds on to some of it."""
        ...

    def keeper(self, what: Kept) -> Keeper:
        """Where this is kept beside the collection."""
        ...

    def map(self) -> Map:
        """The collection on a plane, as far as it is drawn; raises Unsupported."""
        ...

    def draw_map(self, tell: Tell, *, anew: bool) -> None:
        """Bring the map up to all documents, and wait; raises Unsupported."""
        ...

    def describe(self) -> Description:
        """Counts, sizes, how it searches, and what it does not promise."""
        ...

    def close(self) -> None:
        """Give back what it holds; states that are being read are finished first."""
        ...


class Embedders(Protocol):
    """Opens the model of a name."""

    def __call__(self, name: str) -> Embedder:
        """The model; raises ModelError."""
        ...


class Catalogue(Protocol):
    """The collections in one place, by name. Safe to use from several threads."""

    @property
    def place(self) -> str:
        """Where they are, for people."""
        ...

    def names(self) -> list[str]:
        """The names of the collections there are, sorted."""
        ...

    def version(self, name: str) -> object:
        """What tells a collection from a later one of its name; None if there is none."""
        ...

    def open(self, name: str, choice: IndexChoice | None = None) -> Engine:
        """An engine for a collection that exists; raises NotFound.

        ``choice`` is the index it keeps unless one was chosen for this collection.
        """
        ...

    def create(self, name: str, identity: Identity, language: Language) -> None:
        """Make an empty collection, durably where that is promised; raises AlreadyExists."""
        ...

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it; raises NotFound or CollectionBusy."""
        ...

    def verify(self, name: str, embedders: Embedders | None, tell: Tell) -> Verification:
        """What is wrong with a collection, also with one that cannot be opened.

        Raises Unsupported, or NotFound.
        """
        ...

    def back_up(self, name: str, target: Path, tell: Tell) -> Backup:
        """Write one state to a new file; raises Unsupported, NotFound, AlreadyExists or Damaged."""
        ...

    def restore(self, source: Path, name: str, tell: Tell) -> Backup:
        """Make a new collection of a backup; raises Unsupported, AlreadyExists or Damaged."""
        ...

    def collection_of(self, source: Path) -> str:
        """The name that a backup gives its collection; raises Unsupported, NotFound or Damaged."""
        ...

    def close(self) -> None:
        """Let go of whatever it holds itself; engines are closed by those who opened them."""
        ...
