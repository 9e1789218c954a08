"""What travels over HTTP: request bodies, checked strictly, and answers.

A string is not a number, an unknown field is refused with the known ones named, and no number
is NaN or infinite. How much may be asked at once depends on the settings: see app.limits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.roles import Role
from indexer.collection import (
    LONGEST_COMMON,
    Description,
    FieldSummary,
    Language,
    Map,
    MapState,
)
from indexer.diagnostics import Verdict
from indexer.documents import (
    Document,
    Example,
    ExampleText,
    Fusion,
    Mode,
    Query,
    Strategy,
    Vector,
    normalise,
)
from indexer.explaining import DEFAULT_EXPLAIN
from indexer.filters import Kind, parse_filter
from indexer.mapping.columns import ColumnKind
from indexer.refining import DEFAULT_RERANK
from indexer.similarity import Measure

_EXACT: Final = 2**53
"""From here on, floats stand for more than one integer."""


def _whole(given: object) -> object:
    is_whole = isinstance(given, float) and given.is_integer() and abs(given) < _EXACT
    return int(given) if is_whole else given  # type: ignore[call-overload]


Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]
"""An integer; 3.0 is one, as in JSON Schema, since JSON has one kind of number."""

Temperature: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Closed(BaseModel):
    """What a client gives: an unknown field is refused, with the known ones named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_known_fields(cls, given: object) -> object:
        if isinstance(given, Mapping):
            unknown = [key for key in given if key not in cls.model_fields]
            if unknown:
                raise PydanticCustomError(
                    "unknown_field",
                    "unknown field {unknown}; known are {known}",
                    {"unknown": repr(unknown[0])[:80], "known": ", ".join(cls.model_fields)},
                )
        return given


class Given(Closed):
    """A request body: closed to unknown fields, and strict."""

    model_config = ConfigDict(strict=True)


class Returned(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class ExampleBody(Given):
    """A text as an example."""

    text: str


def _example_kind(given: object) -> str | None:
    kinds: dict[type, str] = {str: "<id>", list: "<vector>", dict: "<text>", ExampleBody: "<text>"}
    return kinds.get(type(given))


ExamplePoint: TypeAlias = Annotated[
    Annotated[str, Tag("<id>")]
    | Annotated[list[float], Field(min_length=1), Tag("<vector>")]
    | Annotated[ExampleBody, Tag("<text>")],
    Discriminator(
        _example_kind,
        custom_error_type="example",
        custom_error_message='expected the id of a document, {"text": "..."}, or a list of numbers',
    ),
]
"""A stored document by its id, a text, or a vector."""


def _to_example(given: str | list[float] | ExampleBody) -> Example:
    if isinstance(given, str):
        return given
    return ExampleText(given.text) if isinstance(given, ExampleBody) else _direction(given)


class SearchBody(Given):
    """One search: by a text, by a vector, or by examples; exactly one of these."""

    query: str | None = Field(None, description="A text to search for.")
    vector: list[float] | None = Field(
        None, min_length=1, description="A vector of the collection's dimension, of any length."
    )
    like: list[ExamplePoint] = Field(
        [],
        description='What to be near to: ids of documents, `{"text": "..."}`, or vectors. '
        "Documents that are examples are no hits.",
        examples=[["an-id", {"text": "a text"}]],
    )
    unlike: list[ExamplePoint] = Field([], description="What to stay away from; as `like`.")
    strategy: Annotated[Strategy, Field(strict=False)] = Field(
        Strategy.MEAN,
        description="How examples rank: by the direction of their mean, or by the best of them.",
    )
    k: Whole = Field(10, ge=1, description="How many documents; as many come if they exist.")
    filter: dict[str, JsonValue] | None = Field(
        None,
        description='Only documents whose metadata passes, e.g. `{"year": {"$gte": 2020}}`.',
        examples=[{"year": {"$gte": 2020}}],
    )
    mode: Annotated[Mode, Field(strict=False)] = Field(
        Mode.DENSE, description="How the query is held against documents."
    )
    fusion: Annotated[Fusion, Field(strict=False)] = Field(
        Fusion.CONVEX, description="How a hybrid search makes one ranking of two."
    )
    min_score: float | None = Field(None, description="Leave out hits that score less.")
    exact: bool = Field(False, description="Compare with every vector, whatever the index.")
    candidates: Whole | None = Field(
        None,
        ge=1,
        description="How many hits the stages after the first ranking choose from, and a hybrid "
        "search of either of its rankings; null takes enough for k.",
    )
    rerank: Annotated[Whole, Field(ge=1)] | bool | None = Field(
        None,
        description="How many of the best a cross-encoder scores anew, true for "
        f"{DEFAULT_RERANK}; needs a text, and a service with BEARING_RERANKER.",
    )
    diversity: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Chooses hits that are unlike each other too, by maximal marginal relevance: "
        "0 looks at the score only, 1 at being unlike those before.",
    )
    group_by: str | None = Field(
        None,
        min_length=1,
        description="A metadata field: k groups of hits that have its value in common.",
    )
    group_size: Whole = Field(1, ge=1, description="How many hits of each group at most.")
    explain: Annotated[Whole, Field(ge=0)] | bool = Field(
        False,
        description="Says of the first hits why they are: their best passages, and the words that "
        f"carry the score; true for the first {DEFAULT_EXPLAIN}, or how many.",
    )
    temperature: Temperature | None = Field(
        None, description="Adds to each hit its probability: softmax(score / temperature)."
    )

    cursor: str | None = Field(
        None, description="Where the page before said to go on; other fields as they were."
    )

    @model_validator(mode="after")
    def _check_one_subject(self) -> Self:
        subjects = (self.query is not None, self.vector is not None, bool(self.like or self.unlike))
        if sum(subjects) != 1:
            raise PydanticCustomError(
                "subject", "give exactly one of: query, vector, examples (like, unlike)"
            )
        return self

    def to_query(self) -> Query:
        """The library's query; raises InvalidFilter or InvalidQuery."""
        return Query(
            text=self.query,
            vector=None if self.vector is None else _direction(self.vector),
            like=tuple(_to_example(one) for one in self.like),
            unlike=tuple(_to_example(one) for one in self.unlike),
            strategy=self.strategy,
            k=self.k,
            filter=parse_filter(self.filter),
            mode=self.mode,
            fusion=self.fusion,
            min_score=self.min_score,
            exact=self.exact,
            candidates=self.candidates,
            rerank=DEFAULT_RERANK if self.rerank is True else self.rerank or None,
            diversity=self.diversity,
            group_by=self.group_by,
            group_size=self.group_size,
            explain=DEFAULT_EXPLAIN if self.explain is True else int(self.explain),
            temperature=self.temperature,
            cursor=self.cursor,
        )


def _direction(given: list[float]) -> Vector:
    # In float64 first: what float32 cannot hold still has a direction.
    unit: Vector = normalise(np.array([given], dtype=np.float64))[0]
    return unit


class BatchBody(Given):
    """Several searches, embedded and searched together."""

    searches: list[SearchBody] = Field(min_length=1)


class DocumentBody(Given):
    """A document to store."""

    id: str
    text: str
    title: str | None = None
    metadata: dict[str, JsonValue] = Field(
        {}, description="A flat object of strings, numbers, booleans, nulls and lists of them."
    )

    def to_document(self) -> Document:
        """The library's document; raises InvalidDocument."""
        return Document(self.id, self.text, self.title, self.metadata)  # type: ignore[arg-type]


class DocumentsBody(Given):
    """Documents to add or replace; of two with one id the later wins."""

    documents: list[DocumentBody]


class DeleteBody(Given):
    """Which documents to delete: these, or those that pass a filter."""

    ids: list[str] | None = None
    filter: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("subject", "give exactly one of: ids, filter")
        if self.filter == {}:
            raise PydanticCustomError(
                "filter",
                "an empty filter passes every document: to delete all, delete the collection",
            )
        return self


class CollectionBody(Given):
    """How a new collection is to be."""

    model: str | None = Field(
        None, min_length=1, description="A sentence-transformers model; the service's own if null."
    )
    language: Annotated[Language, Field(strict=False)] | None = Field(
        None, description="By whose rules words are stemmed; the service's own if null."
    )


class PageParameters(Closed):
    """Which documents to list. Not strict: whatever stands in a URL is text."""

    filter: str | None = Field(
        None, description="A filter as JSON text.", examples=['{"year": {"$gte": 2020}}']
    )
    cursor: str | None = Field(None, description="Where the page before said to go on.")
    limit: int = Field(100, ge=1, description="How many documents at most.")


class FieldsParameters(Closed):
    """How much to say of metadata fields. Not strict: whatever stands in a URL is text."""

    limit: int = Field(100, ge=1, le=1_000, description="How many fields at most.")
    common: int = Field(20, ge=0, le=100, description="How many values of each at most.")


MOST_POINTS: Final = 1_000_000


class PointsParameters(Closed):
    """How much of a map. Not strict: whatever stands in a URL is text."""

    limit: int = Field(
        100_000,
        ge=1,
        le=MOST_POINTS,
        description="How many documents at most; of more, a fair sample.",
    )


class ColumnParameters(PointsParameters):
    """What to colour a map by."""

    field: str = Field(min_length=1, max_length=1_000, description="A field of the metadata.")


class FileParameters(Closed):
    """What a file is called."""

    name: str = Field(
        min_length=1,
        max_length=1_024,
        description="The file's name, folders in front if you like: ids and places begin with it, "
        "and its suffix tells the format.",
        examples=["reports/2024.pdf"],
    )

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise PydanticCustomError("name", "a name has no control characters or surrogates")
        return name


class Reference(Given):
    """A stored document, by its id."""

    id: str


def _kind(given: object) -> str | None:
    kinds: dict[type, str] = {str: "<text>", list: "<vector>", dict: "<id>", Reference: "<id>"}
    return kinds.get(type(given))


Point: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[float], Field(min_length=1), Tag("<vector>")]
    | Annotated[Reference, Tag("<id>")],
    Discriminator(
        _kind,
        custom_error_type="point",
        custom_error_message='expected a text, a list of numbers, or {"id": "..."}',
    ),
]
"""A text, a vector, or a stored document."""


class SimilarityBody(Given):
    """Two sides to compare, each of texts, vectors and stored ids, mixed freely."""

    a: list[Point] = Field(min_length=1, description="The rows of the matrices.")
    b: list[Point] | None = Field(
        None, min_length=1, description="Their columns; `a` against itself if null."
    )
    metrics: list[Annotated[Measure, Field(strict=False)]] = Field(
        [Measure.COSINE], description="Measures to add, of what was given, before normalising."
    )
    temperature: Temperature | None = Field(
        None, description="Adds probabilities: row-wise softmax(similarity / temperature)."
    )
    collection: str = Field(
        "default",
        description="Whose model embeds texts, whose documents ids name, and whose vectors "
        "mahalanobis takes its covariance from.",
    )


class DocumentView(Returned):
    """A stored document."""

    id: str
    text: str
    title: str | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, document: Document) -> Self:
        """The document as it travels."""
        return cls(
            id=document.id,
            text=document.text,
            title=document.title,
            metadata=dict(document.metadata),
        )


class PassageView(Returned):
    """The best passage of a hit: characters start to end of its document's text."""

    text: str
    start: int
    end: int


class ScoredPassageView(PassageView):
    """A passage with its cosine, null where that is not known."""

    score: float | None


class WordView(Returned):
    """A word of the best passage: by how much the cosine falls without it."""

    text: str
    effect: float
    spans: list[tuple[int, int]] = Field(description="Where it stands in the document's text.")


class TermView(Returned):
    """A word of the query that the document holds: what it adds to the BM25 score."""

    text: str
    score: float
    spans: list[tuple[int, int]] = Field(
        description="Where it stands in the document's text; none if only the title holds it."
    )


class ExplanationView(Returned):
    """Why a document is a hit."""

    passages: list[ScoredPassageView] = Field(description="Its best passages, best first.")
    words: list[WordView] = Field(
        description="The words of the best passage, by falling effect on the cosine."
    )
    words_left_out: int = Field(description="How many more words there are, not tried.")
    terms: list[TermView] = Field(
        description="Words of the query that the document holds, by falling score; by words only."
    )


class ScoresView(Returned):
    """What a hit's score is made of; only what is known."""

    dense: float | None = Field(None, description="The cosine of its best chunk.")
    lexical: float | None = Field(None, description="Its BM25 score.")
    dense_rank: int | None = Field(None, description="Its place, from 1, by cosine.")
    lexical_rank: int | None = Field(None, description="Its place, from 1, by BM25.")
    fused: float | None = Field(None, description="What a hybrid search makes of both.")
    reranked: float | None = Field(None, description="The cross-encoder's score.")


class HitView(DocumentView):
    """A document that answers a search; a larger score is closer."""

    score: float
    distance: float | None = Field(description="1 - cosine; null where no cosine is known.")
    scores: ScoresView
    passage: PassageView
    probability: float | None = Field(None, description="Only if a temperature was given.")
    group: str | int | float | bool | None = Field(
        None, description="Only if hits are grouped: the group's value, null if it has none."
    )
    significance: float | None = Field(
        None,
        description="How often the best of as many unrelated documents would score as high.",
    )
    relevance: float | None = Field(
        None, description="How often a hit like this was judged relevant; only if calibrated."
    )
    explanation: ExplanationView | None = Field(
        None, description="Only of the hits that `explain` asks for."
    )


class Took(Returned):
    """Milliseconds, waiting included; those of a batch are of the whole batch."""

    embed: float
    search: float
    total: float


class SearchView(Returned):
    """The hits of one search, best first."""

    hits: list[HitView]
    mode: Mode
    exact: bool = Field(description="Whether every vector was compared.")
    candidates: int = Field(description="How many documents probabilities were taken over.")
    truncated: bool = Field(description="Whether the query was longer than the model's window.")
    total: int | None = Field(
        description="How many documents could be hits, on all pages; null where it is not known."
    )
    cursor: str | None = Field(description="Where the next page begins; null where there is none.")
    took_ms: Took


class BatchView(Returned):
    """The result of each search, in order."""

    results: list[SearchView]


class WrittenView(Returned):
    """What a write did."""

    written: int = Field(description="Documents that were added or changed.")
    unchanged: int = Field(description="Documents that were stored like this already.")
    truncated: list[str] = Field(description="Ids whose text does not wholly fit the model.")


class DeletedView(Returned):
    """How many documents were there and are deleted."""

    deleted: int


class PageView(Returned):
    """Some documents in the order they came."""

    documents: list[DocumentView]
    cursor: str | None = Field(description="Where to go on; null at the end.")


class CollectionView(Returned):
    """A collection at a glance."""

    name: str
    model: str
    dimension: int
    documents: int
    chunks: int
    bytes: int
    truncated: int = Field(description="Documents whose text does not wholly fit the model.")
    index: dict[str, Any] = Field(description="How nearest vectors are found.")

    @classmethod
    def of(cls, description: Description) -> Self:
        """The description as it travels."""
        return cls(
            name=description.name,
            model=description.model,
            dimension=description.dimension,
            documents=description.documents,
            chunks=description.chunks,
            bytes=description.bytes,
            truncated=description.truncated,
            index=dict(description.index),
        )


class ValueView(Returned):
    """A value of a metadata field, and how many documents have it."""

    value: str | int | float | bool | None
    documents: int


class FieldView(Returned):
    """What the documents of a collection hold in a metadata field."""

    name: str
    kinds: list[Kind] = Field(description="The types of its values.")
    distinct: int = Field(description="How many values it has.")
    common: list[ValueView] = Field(
        description="The values that most documents have, most first; "
        f"none of more than {LONGEST_COMMON} characters."
    )
    smallest: float | int | None = Field(description="Of its numbers; null if it has none.")
    largest: float | int | None = Field(description="Of its numbers; null if it has none.")

    @classmethod
    def of(cls, field: FieldSummary) -> Self:
        """The field as it travels."""
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


class BrokenView(Returned):
    """A collection that is there but cannot be opened."""

    name: str
    error: str


class CollectionsView(Returned):
    """All collections."""

    collections: list[CollectionView | BrokenView]


class DiagnosticView(Returned):
    """A figure of a collection, what it means, and what to do if it asks for something."""

    name: str
    value: float | int | None = Field(description="Null where it cannot be said of so few.")
    verdict: Verdict = Field(description="Whether it asks for something.")
    meaning: str
    remedy: str | None
    details: dict[str, Any]


class DiagnosticsView(Returned):
    """What a collection's vectors are like."""

    collection: str
    model: str
    documents: int
    chunks: int
    sampled: int = Field(description="Chunks that were looked at for what needs pairs.")
    seconds: float
    diagnostics: list[DiagnosticView]


class NeighboursKeptView(Returned):
    """How much of what is near in meaning is near on the map."""

    mean: float = Field(
        description="Mean share of a document's k nearest that are among its k nearest on the map."
    )
    low: float = Field(description="Of its 95 % interval.")
    high: float
    k: int
    documents: int = Field(description="On how many it was measured.")


class ClusterView(Returned):
    """Documents that lie together."""

    words: list[str] = Field(description="That mark it among the others, best first.")
    documents: int
    x: float = Field(description="About where it is on the map, in [-1, 1].")
    y: float


class ProgressView(Returned):
    """How far the drawing is."""

    name: str
    done: int
    total: int


class MapView(Returned):
    """A collection on a plane, at a glance."""

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
        """A map as it travels."""
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
    """Where documents are on a map; one place of each list is of one document."""

    version: str = Field(description="Of the map that they are on.")
    ids: list[str]
    x: list[float] = Field(description="In [-1, 1].")
    y: list[float]
    cluster: list[int] = Field(description="A place in the map's `clusters`.")


class CategoryView(Returned):
    """A value that documents have."""

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


class SimilarityView(Returned):
    """Matrices with a row for each of `a` and a column for each of `b`."""

    similarity: list[list[float]] = Field(description="Cosines, in [-1, 1].")
    distance: list[list[float]] = Field(description="1 - similarity.")
    metrics: dict[Measure, list[list[float]]]
    probabilities: list[list[float]] | None = Field(
        None, description="Only if a temperature was given; each row sums to 1."
    )
    truncated: dict[str, list[int]] = Field(
        description="Places in `a` and `b` of texts that were longer than the model's window."
    )


class ImportProgress(Returned):
    """A line after each batch: what is durable by now."""

    event: Literal["progress"] = "progress"
    line: int = Field(description="Lines read so far.")
    written: int
    unchanged: int
    rejected: int


class ImportRejection(Returned):
    """A line of the import that holds no document."""

    event: Literal["rejected"] = "rejected"
    line: int
    reason: str


class ImportSummary(Returned):
    """The last line of an import that was read to its end."""

    event: Literal["done"] = "done"
    line: int
    written: int
    unchanged: int
    rejected: int
    truncated: list[str]


class FileProgress(Returned):
    """A line after each batch of a file: what is durable by now."""

    event: Literal["progress"] = "progress"
    bytes: int = Field(description="Of the file, read so far.")
    size: int = Field(description="Bytes of the file.")
    written: int
    unchanged: int
    rejected: int


class FileRejection(Returned):
    """A file, or a line, row or page of one, that holds no document."""

    event: Literal["rejected"] = "rejected"
    place: str
    reason: str


class FileSummary(Returned):
    """The last line about a file that was read to its end."""

    event: Literal["done"] = "done"
    size: int
    written: int
    unchanged: int
    rejected: int
    truncated: list[str]


class FormatView(Returned):
    """A format of files, known by the suffixes of their names."""

    name: str
    suffixes: list[str]


class FormatsView(Returned):
    """What files are read here."""

    formats: list[FormatView]
    max_file_bytes: int = Field(description="Largest file that is taken in.")


class ProblemView(Returned):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None


class CallerView(Returned):
    """Whose key asks, and what it may do."""

    name: str
    role: Role
    guarded: bool = Field(description="Whether a key is needed here.")


class StatusView(Returned):
    """How the service is."""

    status: Literal["ok", "ready"]
