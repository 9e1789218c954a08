"""The interface between a collection and the engine that stores it.

Everything above asks for documents by filters and directions; how they are stored, indexed and
found is up to each engine. ``indexer.engines`` is the table of engines. Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
from indexer.facets import FieldCounts
from indexer.filters import Filter, Scalar
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.ordering import Order, Place
from indexer.origins import Origins
from indexer.parts import WHOLE, Parts
from indexer.passages import ReadPassage
from indexer.reports import Backup, Description, FieldSummary, Map, Tell, Verification

Key = NewType("Key", int)
"""A document's number in its engine, from 0 to 2**32 - 1: kept as long as the document exists, and
larger for later documents.
"""

ChunkKey = NewType("ChunkKey", int)
"""A chunk's number in one state of an engine."""

Bag: TypeAlias = Mapping[str, float]
"""Words with their weights."""


class Candidate(NamedTuple):
    """A document by its best chunk: a cosine, or a score computed from cosines."""

    key: Key
    score: float
    chunk: ChunkKey


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of documents, of their chunks, and of documents whose text was truncated.

    ``unknown`` is the number of documents with a chunk of which the model knows no word.
    """

    documents: int
    chunks: int
    truncated: int
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class ChunkCosines:
    """Every chunk of some documents, (m,), with its cosine to each of some directions, (m, p).

    The chunks of a document are adjacent, in their order.
    """

    keys: NDArray[np.int64]
    chunks: NDArray[np.int64]
    cosines: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """Stored vectors, (n, d), with the documents they belong to, (n,)."""

    vectors: Vectors
    keys: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The promises of an engine, so that what it cannot do is refused, not done differently.

    ``durable``: acknowledged writes outlive the process. ``index_kinds``: the kinds of index it can
    be told to keep. ``maps``: it draws maps. ``backups``: it can be backed up to a file, restored
    from one, and verified. ``many_writers``: several processes may write to a collection at once.
    """

    engine: str
    durable: bool
    index_kinds: frozenset[IndexKind]
    maps: bool
    backups: bool
    many_writers: bool


class Availability(StrEnum):
    """The part of a distributed engine that answers: a standby takes no writes."""

    PRIMARY = "primary"
    STANDBY = "standby"


class Kept(StrEnum):
    """Small items, kept beside a collection by the code that makes them.

    All but the adapter are derived. The adapter outlives a migration to the same model.
    """

    CALIBRATIONS = "calibrations"
    SCORE_BACKGROUND = "score background"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """A kept item, and a stamp that changes whenever the item does."""

    stamp: object
    content: bytes


class Keeper(Protocol):
    """Keeps one small item that belongs to the vectors of a model."""

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """The item last kept for a model; ``known`` itself if unchanged, None if there is none."""
        ...

    def write(self, identity: Identity, content: bytes) -> None:
        """Keep this in place of the last item, durably; raises StorageFailed.

        Items of models that the collection has left may be forgotten.
        """
        ...


class Lines(Protocol):
    """Keeps the newest of a collection's lines. Safe for several threads; raises StorageFailed."""

    def append(self, line: bytes, most: int) -> None:
        """Keep one more, durably if the engine promises that; beyond ``most`` the oldest go."""
        ...

    def read(self) -> Sequence[bytes]:
        """All that are kept, the oldest first."""
        ...

    def secret(self) -> bytes:
        """Random bytes, the same until the lines are cleared."""
        ...

    def clear(self) -> int:
        """Forget all, and return their number."""
        ...

    def fill(self, lines: Sequence[bytes], secret: bytes) -> None:
        """Keep these in place of all, with this secret."""
        ...


class Scope(Protocol):
    """The documents that a search may return; made by one state, and valid for that one only."""

    @property
    def total(self) -> int:
        """The number of documents in scope."""
        ...


class LexicalState(Protocol):
    """The words of one state of a collection; see indexer.lexical.bm25 for the formula."""

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document."""
        ...

    def words(self, text: str) -> list[str]:
        """The words of a text in the form in which they are compared, in order."""
        ...

    def asked(self, text: str) -> Bag:
        """The words of a query; of very many, only the rarest."""
        ...

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        ...

    def matches(self, bag: Bag) -> Matches:
        """The documents that contain a word of a query."""
        ...


class Matches(Protocol):
    """The documents of one state that contain a word of a query, with their BM25 scores."""

    def best(self, k: int, scope: Scope) -> list[tuple[Key, float]]:
        """The k of highest score in scope, best first, ties by id."""
        ...

    def scores(self, keys: Sequence[Key]) -> NDArray[np.float64]:
        """(n,) the score of each of these documents; 0 for one without any of the words."""
        ...


class EngineState(Protocol):
    """One state of an engine's documents: everything read from it is consistent."""

    @property
    def token(self) -> str:
        """A token for paging, ASCII of at most 64 characters: see scope."""
        ...

    @property
    def identity(self) -> Identity:
        """The model of its vectors: the engine's own object as long as those are searched."""
        ...

    @property
    def counts(self) -> Counts:
        """The numbers of documents, chunks and truncated documents."""
        ...

    @property
    def has_pictures(self) -> bool:
        """Return whether a document has a picture."""
        ...

    @property
    def is_exact(self) -> bool:
        """Return whether searches are exact without ``exact``."""
        ...

    @property
    def is_behind(self) -> bool:
        """Return whether it may lack the newest writes, since a standby answers for a primary."""
        ...

    @property
    def lexical(self) -> LexicalState:
        """Its words, if the state was opened with them."""
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

    def thumbnails(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The small JPEGs of the pictures of those of these documents that have one."""
        ...

    def originals(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The pictures of those of these documents whose picture the collection keeps."""
        ...

    def vectors(self, keys: Iterable[Key]) -> dict[Key, StoredVectors]:
        """The chunks and vectors of those of these documents that exist."""
        ...

    def truncated(self, keys: Iterable[Key]) -> set[Key]:
        """Those of these documents whose text was truncated."""
        ...

    def chunks(self, keys: Iterable[Key]) -> dict[Key, list[tuple[ChunkKey, Chunk]]]:
        """The chunks, in order, of those of these documents that exist."""
        ...

    def unknown_chunks(self, keys: Iterable[Key]) -> set[ChunkKey]:
        """The chunks of these documents of which the model knows no word."""
        ...

    def passages(
        self, chunks: Iterable[ChunkKey], parts: Parts = WHOLE
    ) -> Mapping[ChunkKey, ReadPassage]:
        """These parts of chunks and their documents; raises Damaged if one is of none."""
        ...

    def page(self, condition: Filter | None, after: Key, limit: int) -> list[tuple[Key, Document]]:
        """The next documents by key that pass a filter."""
        ...

    def ordered(
        self, condition: Filter | None, order: Order, after: Place | None, limit: int
    ) -> list[tuple[Key, Document]]:
        """The next documents after a place in an order that pass a filter: see ordering."""
        ...

    def facets(self, limit: int, common: int) -> list[FieldSummary]:
        """The first metadata fields by name, each with its most common values."""
        ...

    def count_values(
        self, fields: Sequence[str], scope: Scope, most: int, keys: Sequence[Key] | None = None
    ) -> tuple[FieldCounts, ...]:
        """Each of these fields with its most common values: see facets.

        They are counted in the documents in scope, or in those of ``keys`` alone.
        """
        ...

    def known_fields(self, names: Collection[str]) -> set[str]:
        """Those of these metadata fields that a document has."""
        ...

    def column(self, field: str) -> dict[str, Scalar]:
        """The value of a metadata field by document id; of a list, its smallest."""
        ...

    def copies(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """The number of documents that repeat an earlier title and text, and some pairs of ids."""
        ...

    def sample(self, count: int, seed: int) -> Sample:
        """At most ``count`` stored vectors in random order, without replacement.

        The same state and seed give the same sample.
        """
        ...

    def scan(self, rows: int) -> Iterator[Sample]:
        """All stored vectors, at most this many at a time; the chunks of a document in order."""
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
        """The k nearest documents to each direction, (q, d), each by its nearest chunk.

        Best first, ties by id; k whenever there are k in scope. Scores are exact even if the search
        is approximate.
        """
        ...

    def chunk_cosines(self, keys: Sequence[Key], directions: Vectors) -> ChunkCosines:
        """The cosines of all chunks of these documents, equal to those that nearest returns."""
        ...

    def own_cosines(self, keys: Sequence[Sequence[Key]], directions: Vectors) -> list[ChunkCosines]:
        """Of each direction the cosines of all chunks of its own documents, (m, 1)."""
        ...

    def chunk_vectors(self, keys: Sequence[Key]) -> Sample:
        """The vectors of all chunks of these documents, each document's adjacent."""
        ...

    def count_near(self, direction: Vector, least: float, scope: Scope) -> int:
        """The number of documents in scope with a chunk whose cosine is at least ``least``."""
        ...


class Migration(Protocol):
    """The next generation of a collection: all documents under another model.

    Searching and writing go on meanwhile; nothing of it is searched before it is finished. If it is
    abandoned or killed, the collection is unchanged, and another migration to the same model
    continues from there. A context manager, used by one thread.
    """

    def pending(self, limit: int) -> list[Document]:
        """Some documents whose current content it lacks; none when it is complete."""
        ...

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add documents; those deleted meanwhile are left out."""
        ...

    def finish(self, *, keep: bool = False) -> bool:
        """Switch to it in one step; False if documents were added or changed and are pending.

        With ``keep`` the vectors that are left stay, as those of an abandoned migration do: one
        back to their model has only later documents pending.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Engine(Protocol):
    """The storage of one collection. Safe to use from several threads.

    Once a write method has returned, every state read afterwards includes the write. A remote
    engine raises EngineUnavailable if it cannot be reached.
    """

    @property
    def name(self) -> str:
        """The collection's name."""
        ...

    @property
    def identity(self) -> Identity:
        """The model that filled it: the same object until a migration finishes."""
        ...

    @property
    def language(self) -> Language:
        """The language whose rules its words are stemmed by."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """The promises of the engine."""
        ...

    def reading(self, *, lexical: bool = False) -> AbstractContextManager[EngineState]:
        """The newest state, with its words if ``lexical``."""
        ...

    def writing(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the right to write over several calls; raises CollectionBusy."""
        ...

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """The change that storing each of these documents would make."""
        ...

    def put(self, documents: Sequence[EmbeddedDocument], within: Filter | None = None) -> None:
        """Add or replace documents, all or none; of two with one id the later wins.

        Raises ModelChanged or InvalidVector: see indexer.admission; and Conflict if one would
        replace a document that fails the filter ``within``, whoever stored that, and when.
        """
        ...

    def amend(self, documents: Sequence[Document], within: Filter | None = None) -> None:
        """Replace the metadata of documents, and the facts of their pictures.

        Raises InvalidInput if one's content differs, and Conflict as :meth:`put` does.
        """
        ...

    def delete(self, ids: Sequence[str], within: Filter | None = None) -> int:
        """Delete those of these documents that exist and pass ``within``; return their number."""
        ...

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter, and return their number."""
        ...

    def migrate(self, identity: Identity) -> Migration:
        """Begin or continue a migration to another model; raises CollectionBusy if one is open."""
        ...

    def rebuild(self, choice: IndexChoice | None) -> None:
        """Rebuild the index, of the kind chosen from now on, and wait for it."""
        ...

    def compact(self) -> bool:
        """Erase deleted documents; False if some are still in use."""
        ...

    def keeper(self, what: Kept) -> Keeper:
        """The place where this is kept beside the collection."""
        ...

    @property
    def judgements(self) -> Lines:
        """The place of its users' judgements; raises Unsupported."""
        ...

    @property
    def origins(self) -> Origins:
        """The origins of its documents."""
        ...

    def map(self) -> Map:
        """The collection's map, as far as it is drawn; raises Unsupported."""
        ...

    def draw_map(self, tell: Tell, *, anew: bool) -> None:
        """Bring the map up to date, and wait for it; raises Unsupported."""
        ...

    def describe(self) -> Description:
        """Counts, sizes, the kind of search, and what the engine does not promise.

        Where there are vectors of another model, ``beside`` in its index says of which.
        """
        ...

    def close(self) -> None:
        """Release its resources, after states still being read are finished."""
        ...


class Embedders(Protocol):
    """Opens a model by name."""

    def __call__(self, name: str) -> Embedder:
        """The model; raises ModelError."""
        ...


class Catalogue(Protocol):
    """The collections in one place, by name. Safe to use from several threads."""

    @property
    def place(self) -> str:
        """The place of the collections, in words for people."""
        ...

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        ...

    def version(self, name: str) -> object:
        """A value that a later collection of the name does not share; None if there is none."""
        ...

    def open(self, name: str, choice: IndexChoice | None = None) -> Engine:
        """An engine for a collection that exists; raises NotFound.

        ``choice`` is the index it keeps unless one was chosen for this collection.
        """
        ...

    def availability(self) -> Availability | None:
        """The part that answers now, None of an engine without parts.

        Raises EngineUnavailable if none does.
        """
        ...

    def upgrade(self, name: str) -> bool:
        """Bring a collection that an earlier version wrote up to date; False if it is.

        Raises NotFound, or OtherFormat if a later version wrote it.
        """
        ...

    def create(self, name: str, identity: Identity, language: Language) -> None:
        """Create an empty collection, durably if the engine promises that.

        Raises AlreadyExists if the name is that of a collection or an alias.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it; raises NotFound or CollectionBusy.

        Raises Conflict if an alias names it.
        """
        ...

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names: see aliases."""
        ...

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before.

        Everyone finds one or the other by it, never neither. Raises NotFound for a collection that
        is not there, AlreadyExists if the alias is the name of one.
        """
        ...

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        ...

    def verify(self, name: str, embedders: Embedders | None, tell: Tell) -> Verification:
        """The findings of a check of a collection, even of one that cannot be opened.

        Raises Unsupported, or NotFound.
        """
        ...

    def back_up(self, name: str, target: Path, tell: Tell) -> Backup:
        """Write one state to a new file; raises Unsupported, NotFound, AlreadyExists or Damaged."""
        ...

    def restore(self, source: Path, name: str, tell: Tell) -> Backup:
        """Make a new collection from a backup; raises Unsupported, AlreadyExists or Damaged."""
        ...

    def collection_of(self, source: Path) -> str:
        """The name that a backup gives its collection; raises Unsupported, NotFound or Damaged."""
        ...

    def close(self) -> None:
        """Release the catalogue's own resources; engines are closed by those who opened them."""
        ...
