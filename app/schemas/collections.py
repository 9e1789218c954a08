"""Collections, their fields and their diagnostics, as sent over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field

from app.schemas.base import Closed, Given, Returned
from indexer.analysis.diagnostics import Verdict
from indexer.filters import Kind
from indexer.index_choice import Language
from indexer.reports import LONGEST_COMMON, Description, FieldSummary


class CollectionBody(Given):
    """Settings of a new collection."""

    model: str | None = Field(
        None, min_length=1, description="A sentence-transformers model; the service's own if null."
    )
    language: Annotated[Language, Field(strict=False)] | None = Field(
        None, description="By whose rules words are stemmed; the service's own if null."
    )


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
    aliases: list[str] = Field([], description="Its other names: see `/aliases`.")
    backed_up: float | None = Field(
        None, description="When it was last backed up, in seconds since 1970; null if unknown."
    )

    @classmethod
    def of(cls, description: Description, *, in_part: bool = False) -> Self:
        """The view of a description; of a part of a collection, of which only documents count."""
        return cls(
            name=description.name,
            model=description.model,
            fingerprint=description.fingerprint,
            dimension=description.dimension,
            documents=description.documents,
            chunks=None if in_part else description.chunks,
            bytes=None if in_part else description.bytes,
            truncated=None if in_part else description.truncated,
            unknown=None if in_part else description.unknown,
            index=dict(description.index),
            backed_up=description.backed_up,
            aliases=list(description.aliases),
        )


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
