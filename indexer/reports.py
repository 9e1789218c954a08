"""Reports on a collection: descriptions, findings, diagnoses, maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BearingError
from indexer.facets import LONGEST_COMMON as LONGEST_COMMON
from indexer.facets import CountedValue as CountedValue
from indexer.filters import Kind
from indexer.ranking.significance import Background


@dataclass(frozen=True, slots=True)
class Description:
    """A summary of a collection; ``index`` describes the search for nearest vectors.

    ``unknown`` is the number of documents with a passage of which the model knows no word.
    ``backed_up`` is the time of the last backup, in seconds since 1970; None if none is known.
    ``chunking`` is how its documents are cut, as JSON has it; None if not asked for.
    ``aliases`` are its other names, if they were asked for too.
    ``fingerprint`` is the mark of its model. Of a part of a collection only documents are counted:
    ``chunks``, ``bytes``, ``truncated`` and ``unknown`` are None, and ``index`` says little.
    """

    name: str
    model: str
    fingerprint: str
    dimension: int
    documents: int
    chunks: int | None
    bytes: int | None
    truncated: int | None
    unknown: int | None
    index: Mapping[str, object]
    backed_up: float | None = None
    aliases: tuple[str, ...] = ()
    chunking: Mapping[str, int | str | None] | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A collection that exists but cannot be opened."""

    name: str
    error: BearingError


@dataclass(frozen=True, slots=True)
class FieldSummary:
    """The values of one metadata field in the documents.

    ``distinct`` counts its values; ``common`` are those that most documents have, most first,
    except strings of more than LONGEST_COMMON characters. ``smallest`` and ``largest`` are of its
    numbers, else of its moments as they were given, None if it has neither. Texts of one moment are
    one value, represented by the least of them.
    """

    name: str
    kinds: tuple[Kind, ...]
    distinct: int
    common: tuple[CountedValue, ...]
    smallest: float | str | None
    largest: float | str | None


"""Characters of a string that is counted among the common values; longer ones are texts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: the place, what it means, and what to do."""

    place: str
    problem: str
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a check of everything a collection keeps.

    ``index``, ``model`` and ``words`` tell whether those could be checked, and the outcome.
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
        """Return whether nothing is wrong."""
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
    """The progress of long work: ``done`` of ``total``, in the work's own units."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Rows with a near duplicate: one of another document with a cosine above ``least``.

    Of ``looked`` rows compared with all, ``near`` have one, and ``equal`` one with the same vector.
    ``examples`` are pairs of ids with their cosine.
    """

    least: float
    looked: int
    near: int
    equal: int
    examples: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """A document that is often among the nearest neighbours of others."""

    id: str
    occurrences: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Diagnostics of a collection's vectors; None for figures that need more vectors.

    ``sampled`` vectors were used for figures of pairs; ``indexer.analysis.geometry`` defines the
    figures, ``indexer.analysis.diagnostics`` interprets them. ``copies`` are documents whose title
    and text another has too, ``copied`` some pairs of them by id.
    """

    collection: str
    model: str
    documents: int
    chunks: int
    truncated: int
    unknown: int
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
    """The state of a map: being drawn, up to date, or without the last changes."""

    BUILDING = "building"
    READY = "ready"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents close together on the map: their characteristic words, and their rough position."""

    words: tuple[str, ...]
    documents: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class NeighboursKept:
    """The mean share of a document's k nearest that are among its k nearest on the map too.

    With its 95 % interval, and the number of documents it was measured on.
    """

    mean: float
    low: float
    high: float
    k: int
    documents: int


@dataclass(frozen=True, slots=True)
class Map:
    """A map of a collection: near on it means near in meaning, as far as a plane allows.

    Row i of ``places``, (n, 2) in [-1, 1], and of ``clusters``, (n,) indices into ``labels``, is of
    document ``ids[i]``; they are in an order in which any first part is a fair sample. ``fitted``
    documents were drawn together, the others placed among them; ``late`` ones have changed since,
    and are missing or at their old place. ``version`` changes whenever the map does. ``progress``
    is that of the drawing in the background.
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
"""A callback for the progress of long work."""
