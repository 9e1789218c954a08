"""Maps of collections, as sent over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final, Self

from pydantic import Field

from app.schemas.base import Closed, Returned
from indexer.analysis.colouring import ColumnKind
from indexer.reports import Map, MapState

MOST_POINTS: Final = 1_000_000


class PointsParameters(Closed):
    """The number of a map's points. Not strict: all parameters of a URL are text."""

    limit: int = Field(
        100_000,
        ge=1,
        le=MOST_POINTS,
        description="How many documents at most; of more, a fair sample.",
    )


class ColumnParameters(PointsParameters):
    """The field to colour a map by."""

    field: str = Field(min_length=1, max_length=1_000, description="A field of the metadata.")


class NeighboursKeptView(Returned):
    """The share of nearest neighbours that the map preserves."""

    mean: float = Field(
        description="Mean share of a document's k nearest that are among its k nearest on the map."
    )
    low: float = Field(description="Of its 95 % interval.")
    high: float
    k: int
    documents: int = Field(description="On how many it was measured.")


class ClusterView(Returned):
    """A cluster of documents on the map."""

    words: list[str] = Field(description="That mark it among the others, best first.")
    documents: int
    x: float = Field(description="About where it is on the map, in [-1, 1].")
    y: float


class ProgressView(Returned):
    """The progress of the drawing."""

    name: str
    done: int
    total: int


class MapView(Returned):
    """The state of a collection's map."""

    state: MapState = Field(
        description="`building`: there is none yet (202); `stale`: documents changed since it was "
        "drawn, and it is being brought up; `ready`: it knows them all."
    )
    version: str = Field(description="Another whenever the map is.")
    documents: int = Field(description="On the map.")
    late: int = Field(description="Changed since: not on it yet, or where they were.")
    fitted: int = Field(description="Drawn together; the others are placed among these.")
    neighbours_kept: NeighboursKeptView | None = Field(description="Null of too few to say.")
    clusters: list[ClusterView]
    seconds: float = Field(description="That drawing it took.")
    progress: ProgressView | None = Field(description="Null where nothing is drawn now.")

    @classmethod
    def of(cls, found: Map) -> Self:
        """The view of a map."""
        return cls(
            state=found.state,
            version=found.version,
            documents=len(found.ids),
            late=found.late,
            fitted=found.fitted,
            neighbours_kept=NeighboursKeptView(**asdict(found.kept)) if found.kept else None,
            clusters=[ClusterView(**asdict(one)) for one in found.labels],
            seconds=found.seconds,
            progress=ProgressView(**asdict(found.progress)) if found.progress else None,
        )


class PointsView(Returned):
    """The points of a map; the same index in each list is the same document."""

    version: str = Field(description="Of the map that they are on.")
    ids: list[str]
    x: list[float] = Field(description="In [-1, 1].")
    y: list[float]
    cluster: list[int] = Field(description="A place in the map's `clusters`.")


class CategoryView(Returned):
    """A value that occurs in documents."""

    value: str | bool | float | int | None
    documents: int


class ColumnView(Returned):
    """A field's value in each document of a map, in the order of its points."""

    version: str = Field(description="Of the map.")
    field: str
    kind: ColumnKind
    categories: list[CategoryView] = Field(description="The most frequent first; none of numbers.")
    values: list[float | int | None] = Field(
        description="Numbers; or places in `categories`, -1 for a value that is not among these. "
        "Null where a document has none; of a list its least."
    )
