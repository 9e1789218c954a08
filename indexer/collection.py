"""What a collection promises, wherever it is kept: the seam between one machine and many.

Nothing above this Protocol knows files, rows or FAISS. ``indexer.storage`` is the
implementation on one machine's disk; the contract tests run on every implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

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
from indexer.errors import InvalidInput
from indexer.filters import Filter, Kind, Scalar
from indexer.ranking.calibration import Calibration
from indexer.ranking.significance import Background


@dataclass(frozen=True, slots=True)
class Description:
    """A collection at a glance; ``index`` says how nearest vectors are found.

    ``backed_up`` is when the last backup was written, in seconds since 1970; None if none is known.
    """

    name: str
    model: str
    dimension: int
    documents: int
    chunks: int
    bytes: int
    truncated: int
    index: Mapping[str, object]
    backed_up: float | None = None


@dataclass(frozen=True, slots=True)
class CountedValue:
    """A value of a metadata field, and how many documents have it, alone or in a list."""

    value: Scalar
    documents: int


@dataclass(frozen=True, slots=True)
class FieldSummary:
    """What the documents hold in one metadata field.

    ``distinct`` counts its values; ``common`` are those that most documents have, most first, but
    for strings of more than LONGEST_COMMON characters. ``smallest`` and ``largest`` are of its
    numbers, None if it has none.
    """

    name: str
    kinds: tuple[Kind, ...]
    distinct: int
    common: tuple[CountedValue, ...]
    smallest: float | None
    largest: float | None


LONGEST_COMMON: Final = 200
"""Characters of a string that is counted among the common values; longer ones are texts."""


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """A document's chunks with their vectors, (len(chunks), d) float32 unit rows."""

    chunks: tuple[Chunk, ...]
    vectors: Vectors


class Language(StrEnum):
    """The language by whose rules words are stemmed; NONE leaves them as they are."""

    NONE = "none"
    ARABIC = "arabic"
    DANISH = "danish"
    DUTCH = "dutch"
    ENGLISH = "english"
    FINNISH = "finnish"
    FRENCH = "french"
    GERMAN = "german"
    GREEK = "greek"
    HUNGARIAN = "hungarian"
    ITALIAN = "italian"
    NORWEGIAN = "norwegian"
    PORTUGUESE = "portuguese"
    ROMANIAN = "romanian"
    RUSSIAN = "russian"
    SPANISH = "spanish"
    SWEDISH = "swedish"
    TAMIL = "tamil"
    TURKISH = "turkish"


class IndexKind(StrEnum):
    """How nearest rows are found; AUTO chooses one by measuring."""

    AUTO = "auto"
    EXACT = "exact"
    REDUCED = "reduced"
    SCAN = "scan"
    PARTITIONED = "partitioned"
    GRAPH = "graph"


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """Which index to keep, within ``memory_bytes`` (None: without bound)."""

    kind: IndexKind = IndexKind.AUTO
    target_recall: float = 0.99
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target_recall < 1:
            raise InvalidInput(
                f"target recall must be above 0 and below 1, got {self.target_recall}: "
                "for 1 use the kind exact"
            )
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise InvalidInput(f"an index's memory must be above 0, got {self.memory_bytes} bytes")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: where, what it means, and what to do."""

    place: str
    problem: str
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of everything that a collection keeps has found.

    ``index``, ``model`` and ``words`` say whether those could be checked, and how it went.
    """

    collection: str
    documents: int
    chunks: int
    vectors: int
    index: str
    model: str
    findings: tuple[Finding, ...]
    words: str = "not checked"

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Backup:
    """One state of a collection in one file."""

    path: str
    collection: str
    model: str
    documents: int
    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """How far long work is: ``done`` of ``total``, in units of the work's own."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Rows that have a near duplicate: one of another document with a cosine above ``least``.

    Of ``looked`` rows that were compared with all, ``near`` have one, ``equal`` one of the same
    vector. ``examples`` are pairs of ids with their cosine.
    """

    least: float
    looked: int
    near: int
    equal: int
    examples: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """A document that is often among the nearest of others."""

    id: str
    occurrences: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the vectors of a collection are like; None for what cannot be said of so few.

    ``sampled`` vectors were looked at for what needs pairs; ``indexer.ranking.geometry`` defines
    the figures, ``indexer.diagnostics`` says what they mean. ``copies`` are documents whose title
    and text another has too, ``copied`` some pairs of them by id.
    """

    collection: str
    model: str
    documents: int
    chunks: int
    truncated: int
    dimension: int
    sampled: int
    shortest: float
    longest: float
    mean_cosine: float | None
    uniformity: float | None
    alignment: float | None
    aligned_pairs: int
    participation_ratio: float
    effective_rank: float
    copies: int
    copied: tuple[Sequence[str], ...]
    near: Neighbours
    hub_k: int
    hub_skewness: float
    hubs: tuple[Hub, ...]
    background: Background | None
    seconds: float


class MapState(StrEnum):
    """Whether there is a map: being made, as the collection is, or not knowing its last changes."""

    BUILDING = "building"
    READY = "ready"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that lie together: words that mark them, and about where on the map they are."""

    words: tuple[str, ...]
    documents: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class NeighboursKept:
    """The mean share of a document's k nearest that are among its k nearest on the map too.

    With its 95 % interval, measured on so many documents.
    """

    mean: float
    low: float
    high: float
    k: int
    documents: int


@dataclass(frozen=True, slots=True)
class Map:
    """A collection on a plane: near on it is what is near in meaning, as far as a plane allows.

    Row i of ``places``, (n, 2) in [-1, 1], and of ``clusters``, (n,) places in ``labels``, is of
    document ``ids[i]``; they are in an order in which any first of them are a fair sample.
    ``fitted`` documents were drawn together, the others placed among them; ``late`` ones changed
    since, and are not on it yet, or where they were before. ``version`` is another whenever the
    map is. ``progress`` is of what is being made in the background.
    """

    state: MapState
    version: str
    ids: Sequence[str]
    places: NDArray[np.float32]
    clusters: NDArray[np.int16]
    labels: tuple[Cluster, ...]
    kept: NeighboursKept | None
    fitted: int
    late: int
    seconds: float
    progress: Step | None


Tell: TypeAlias = Callable[[Step], None]
"""Hears how far long work is."""


class Succession(Protocol):
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

    def succeed(self, identity: Identity) -> Succession:
        """Begin, or go on with, filling a generation for another model beside this one.

        Raises CollectionBusy while another succession is under way.
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
