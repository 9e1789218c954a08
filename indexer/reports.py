"""What a collection says of itself: descriptions, findings, diagnoses, maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BearingError
from indexer.filters import Kind, Scalar
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
class Broken:
    """A collection that is there but cannot be opened."""

    name: str
    error: BearingError


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
    numbers, else of its moments as they were given, None if it has neither. Texts of one moment are
    one value, told by the least of them.
    """

    name: str
    kinds: tuple[Kind, ...]
    distinct: int
    common: tuple[CountedValue, ...]
    smallest: float | str | None
    largest: float | str | None


LONGEST_COMMON: Final = 200
"""Characters of a string that is counted among the common values; longer ones are texts."""


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

    ``sampled`` vectors were looked at for what needs pairs; ``indexer.analysis.geometry`` defines
    the figures, ``indexer.analysis.diagnostics`` says what they mean. ``copies`` are documents
    whose title and text another has too, ``copied`` some pairs of them by id.
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
