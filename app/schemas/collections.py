"""Collections, their fields and their diagnostics, as sent over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field

from app.schemas.base import Closed, Given, Returned, Whole
from indexer.analysis.diagnostics import Verdict
from indexer.filters import Kind
from indexer.index_choice import LEAST_CHUNK, Chunking, CutBy, Language
from indexer.reports import LONGEST_COMMON, Description, FieldSummary


class ChunkingBody(Given):
    """The way long documents are cut into chunks, of which each has a vector."""

    size: Whole | None = Field(
        None,
        ge=LEAST_CHUNK,
        description="The most tokens of a chunk, its title included; null for what the model has "
        "room for.",
    )
    overlap: Whole | None = Field(
        None,
        ge=0,
        description="The most tokens that a chunk repeats of the one before; null for a tenth.",
    )
    by: Annotated[CutBy, Field(strict=False)] = Field(
        CutBy.PAUSES,
        description="Where: at the best pause, at the ends of sentences alone, or into sections "
        "(`headings`) or `pages`, each a chunk of its own.",
    )

    def to_chunking(self) -> Chunking:
        """The library's chunking; raises InvalidInput."""
        return Chunking(self.size, self.overlap, self.by)


class CollectionBody(Given):
    """Settings of a new collection."""

    model: str | None = Field(
        None, min_length=1, description="A sentence-transformers model; the service's own if null."
    )
    language: Annotated[Language, Field(strict=False)] | None = Field(
        None, description="By whose rules words are stemmed; the service's own if null."
    )
    chunking: ChunkingBody | None = Field(
        None, description="How documents are cut; `POST .../reindex` cuts them anew."
    )


class ChunkingView(Returned):
    """The way long documents are cut: see `PUT /collections/{collection}`."""

    size: int | None
    overlap: int | None
    by: CutBy


class FieldsParameters(Closed):
    """Limits on the fields described. Not strict: all parameters of a URL are text."""

    limit: int = Field(100, ge=1, le=1_000, description="How many fields at most.")
    common: int = Field(20, ge=0, le=100, description="How many values of each at most.")


class CollectionView(Returned):
    """A summary of a collection."""

    name: str
    model: str
    fingerprint: str = Field(
        "", description="Of the model: vectors that are brought have it as their `model`."
    )
    dimension: int
    documents: int
    chunks: int | None = Field(description="Null, as the next three, for a key with a filter.")
    bytes: int | None
    truncated: int | None = Field(description="Documents whose text does not wholly fit the model.")
    unknown: int | None = Field(
        0, description="Documents with a passage of which the model knows no word."
    )
    index: dict[str, Any] = Field(
        description="How nearest vectors are found. `recall` was measured at `recall_k`; `bands` "
        "has what was measured and how hard is searched for up to 10, 100 and 1,000 hits, and "
        "within each the same under a filter (`filtered`)."
    )
    chunking: ChunkingView | None = Field(
        None, description="How its documents are cut; null in an answer of an earlier version."
    )
    aliases: list[str] = Field([], description="Its other names: see `/aliases`.")
    backed_up: float | None = Field(
        None, description="When it was last backed up, in seconds since 1970; null if unknown."
    )

    @classmethod
    def of(cls, description: Description) -> Self:
        """The view of a description."""
        return cls(
            name=description.name,
            model=description.model,
            fingerprint=description.fingerprint,
            dimension=description.dimension,
            documents=description.documents,
            chunks=description.chunks,
            bytes=description.bytes,
            truncated=description.truncated,
            unknown=description.unknown,
            index=dict(description.index),
            backed_up=description.backed_up,
            aliases=list(description.aliases),
            chunking=_chunking(description),
        )


def _chunking(description: Description) -> ChunkingView | None:
    cut = description.chunking
    return None if cut is None else ChunkingView.model_validate(cut)


class ValueView(Returned):
    """A value of a metadata field, and the number of documents that have it."""

    value: str | int | float | bool | None
    documents: int


class FieldView(Returned):
    """The values of a metadata field in the documents of a collection."""

    name: str
    kinds: list[Kind] = Field(description="The types of its values.")
    distinct: int = Field(description="How many values it has.")
    common: list[ValueView] = Field(
        description="The values that most documents have, most first; "
        f"none of more than {LONGEST_COMMON} characters."
    )
    smallest: float | int | str | None = Field(
        description="Of its numbers, else of its moments as given; null if it has neither."
    )
    largest: float | int | str | None = Field(
        description="Of its numbers, else of its moments as given; null if it has neither."
    )

    @classmethod
    def of(cls, field: FieldSummary) -> Self:
        """The view of a field."""
        return cls(
            name=field.name,
            kinds=list(field.kinds),
            distinct=field.distinct,
            common=[ValueView(value=one.value, documents=one.documents) for one in field.common],
            smallest=field.smallest,
            largest=field.largest,
        )


class FieldsView(Returned):
    """The metadata fields of a collection, by name."""

    fields: list[FieldView]


class ExamplesParameters(Closed):
    """The number of queries to give. Not strict: all parameters of a URL are text."""

    limit: int = Field(6, ge=1, le=20, description="How many queries at most.")


class ExamplesView(Returned):
    """Queries to begin with."""

    queries: list[str]


class BrokenView(Returned):
    """A collection that exists but cannot be opened."""

    name: str
    error: str


class CollectionsView(Returned):
    """All collections."""

    collections: list[CollectionView | BrokenView]


class DiagnosticView(Returned):
    """A figure of a collection, what it means, and what to do if it is out of range."""

    name: str
    value: float | int | None = Field(description="Null where it cannot be said of so few.")
    verdict: Verdict = Field(description="Whether it asks for something.")
    meaning: str
    remedy: str | None
    details: dict[str, Any]


class DiagnosticsView(Returned):
    """Diagnostics of a collection's vectors."""

    collection: str
    model: str
    documents: int
    chunks: int
    sampled: int = Field(description="Chunks that were looked at for what needs pairs.")
    seconds: float
    diagnostics: list[DiagnosticView]
