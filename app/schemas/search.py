"""Searches and their answers, as sent over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self, TypeAlias

import numpy as np
from pydantic import Discriminator, Field, JsonValue, Tag, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Given, Returned, Temperature, Whole
from app.schemas.documents import DocumentView
from app.schemas.listing import FacetsView
from indexer.documents import MAX_KEYS, Vector, normalise
from indexer.filters import parse_filter
from indexer.parts import CHOICES, asked_parts
from indexer.queries import (
    Example,
    ExampleText,
    Fusion,
    Grade,
    Merge,
    Mode,
    Query,
    SearchOf,
    Strategy,
    usual_mode,
)
from indexer.retrieval.explanation import DEFAULT_EXPLAIN
from indexer.retrieval.reranking import DEFAULT_RERANK


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


MOST_FACETS: Final = 32
MOST_FACET_VALUES: Final = 1_000


class SearchBody(Given):
    """One search: by a text, a vector, an image, or examples; exactly one of these."""

    query: str | None = Field(None, description="A text to search for.")
    vector: list[float] | None = Field(
        None, min_length=1, description="A vector of the collection's dimension, of any length."
    )
    image: str | None = Field(
        None,
        description="An image to search by, for a model that embeds both: the file itself, in "
        "base64 or as a `data:` URL.",
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
    of: Annotated[SearchOf, Field(strict=False)] = Field(
        SearchOf.ALL, description="Only documents with a picture, only those without, or all."
    )
    merge: Annotated[Merge, Field(strict=False)] = Field(
        Merge.RANKS,
        description="How hits with a picture and without make one answer: by their ranks among "
        "their kind, since their scores are on different scales, or by their scores.",
    )
    filter: dict[str, JsonValue] | None = Field(
        None,
        description='Only documents whose metadata passes, e.g. `{"year": {"$gte": 2020}}`. '
        "Dates and times (RFC 3339) are compared as moments, whatever their offsets.",
        examples=[{"year": {"$gte": 2020}}],
    )
    mode: Annotated[Mode, Field(strict=False)] | None = Field(
        None,
        description="How the query is held against documents; null is `hybrid` for a text without "
        "`min_score`, which bounds cosines, else `dense`.",
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
        None, description="Adds to each hit its probability: softmax(cosine / temperature)."
    )

    fields: list[str] | None = Field(
        None,
        max_length=MAX_KEYS,
        description=f"What comes of each document beside its id: {CHOICES}; null for all.",
        examples=[["title", "passage", "metadata.year"]],
    )
    passages_only: bool = Field(
        False, description="Leaves out `text`, of which long documents have much."
    )
    facets: list[Annotated[str, Field(min_length=1)]] = Field(
        [],
        max_length=MOST_FACETS,
        description="Fields of the metadata whose values are counted, over all documents that "
        "could be hits on any page: those that pass the filter, by words alone those that hold "
        "a word, and with `min_score` those that reach it.",
        examples=[["module", "kind"]],
    )
    facet_values: Whole = Field(
        20, ge=1, le=MOST_FACET_VALUES, description="How many values of each field at most."
    )
    facet_depth: Whole | None = Field(
        None, ge=1, description="Counts over so many of the best documents instead."
    )
    cursor: str | None = Field(
        None, description="Where the page before said to go on; other fields as they were."
    )

    @model_validator(mode="after")
    def _check_one_subject(self) -> Self:
        given = (self.query, self.vector, self.image)
        if sum(one is not None for one in given) + bool(self.like or self.unlike) != 1:
            raise PydanticCustomError(
                "subject", "give exactly one of: query, vector, image, examples (like, unlike)"
            )
        return self

    def to_query(self, seen: Vector | None = None) -> Query:
        """The library's query; ``seen`` is the vector of its image.

        Raises InvalidFilter, InvalidInput or InvalidQuery.
        """
        rerank = DEFAULT_RERANK if self.rerank is True else self.rerank or None
        return Query(
            text=self.query,
            vector=seen if self.vector is None else _direction(self.vector),
            like=tuple(_to_example(one) for one in self.like),
            unlike=tuple(_to_example(one) for one in self.unlike),
            strategy=self.strategy,
            k=self.k,
            filter=parse_filter(self.filter),
            mode=self.mode or usual_mode(self.query, self.min_score, rerank),
            fusion=self.fusion,
            min_score=self.min_score,
            exact=self.exact,
            candidates=self.candidates,
            rerank=rerank,
            diversity=self.diversity,
            group_by=self.group_by,
            group_size=self.group_size,
            explain=DEFAULT_EXPLAIN if self.explain is True else int(self.explain),
            temperature=self.temperature,
            cursor=self.cursor,
            facets=tuple(dict.fromkeys(self.facets)),
            facet_values=self.facet_values,
            facet_depth=self.facet_depth,
            of=self.of,
            merge=self.merge,
            by_image=seen is not None,
            parts=asked_parts(self.fields, passages_only=self.passages_only),
        )


def _direction(given: list[float]) -> Vector:
    # In float64 first: what float32 cannot hold still has a direction.
    unit: Vector = normalise(np.array([given], dtype=np.float64))[0]
    return unit


class BatchBody(Given):
    """Several searches, embedded and searched together."""

    searches: list[SearchBody] = Field(min_length=1)


class PassageView(Returned):
    """The best passage of a hit: characters start to end of its document's text."""

    text: str
    start: int
    end: int
    page: int | None = Field(
        None, description="The page or slide on which it starts, from 1; absent without pages."
    )
    headings: list[str] = Field(
        [], description="The headings above its start, the highest first; absent without any."
    )


class ScoredPassageView(PassageView):
    """A passage with its cosine; null where that is not known."""

    score: float | None


class WordView(Returned):
    """A word of the title or the best passage, and the drop of the cosine without it."""

    text: str
    effect: float
    spans: list[tuple[int, int]] = Field(description="Where it stands in the document's text.")
    title_spans: list[tuple[int, int]] = Field(description="Where it stands in the title.")


class TermView(Returned):
    """A word of the query that the document contains, and what it adds to the BM25 score."""

    text: str
    score: float
    spans: list[tuple[int, int]] = Field(
        description="Where it stands in the document's text; none if only the title holds it."
    )


class ExplanationView(Returned):
    """The reasons for a hit."""

    passages: list[ScoredPassageView] = Field(description="Its best passages, best first.")
    words: list[WordView] = Field(
        description="The words of the title and the best passage that carry or lower the cosine, "
        "by falling effect."
    )
    words_left_out: int = Field(description="How many more words there are, not tried.")
    rest: float | None = Field(
        description="The cosine less all effects of `words`; null where there is no cosine."
    )
    terms: list[TermView] = Field(
        description="Words of the query that the document holds, by falling score; by words only."
    )


class ScoresView(Returned):
    """The parts of a hit's score; only those that are known."""

    dense: float | None = Field(None, description="The cosine of its best chunk.")
    lexical: float | None = Field(None, description="Its BM25 score.")
    dense_rank: int | None = Field(None, description="Its place, from 1, by cosine.")
    lexical_rank: int | None = Field(None, description="Its place, from 1, by BM25.")
    fused: float | None = Field(None, description="What a hybrid search makes of both.")
    reranked: float | None = Field(None, description="The cross-encoder's score.")


_IF_ASKED: Final = "Left out where `fields` or `passages_only` says so."


class HitView(DocumentView):
    """A document that answers a search, as far as asked for; a larger score is closer."""

    text: str = Field("", description=_IF_ASKED)
    title: str | None = Field(None, description=_IF_ASKED)
    metadata: dict[str, Any] = Field({}, description=_IF_ASKED)
    score: float
    distance: float | None = Field(description="1 - cosine; null where no cosine is known.")
    scores: ScoresView
    passage: PassageView = Field(
        PassageView(text="", start=0, end=0, page=None, headings=[]), description=_IF_ASKED
    )
    probability: float | None = Field(None, description="Only if a temperature was given.")
    group: str | int | float | bool | None = Field(
        None, description="Only if hits are grouped: the group's value, null if it has none."
    )
    relevance: float | None = Field(
        None, description="How often a hit like this was judged relevant; only if calibrated."
    )
    grade: Grade | None = Field(
        None,
        description="The same in a word: strong from 0.5, fair from 0.15, else weak. Without a "
        "calibration only by the default model, and not of hits by words alone.",
    )
    unknown: bool = Field(
        False,
        description="Whether the model knows no word of the passage, so that its cosine says "
        "nothing; such hits come last where the model knows words of the query.",
    )
    explanation: ExplanationView | None = Field(
        None, description="Only of the hits that `explain` asks for."
    )


class Took(Returned):
    """Milliseconds, including waiting; in a batch, those of the whole batch."""

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
    unknown: bool = Field(
        False,
        description="Whether the model knows no word of the query, so that cosines to it say "
        "nothing: take a model that knows its language, or mode `hybrid`.",
    )
    unknown_fields: list[str] = Field(
        description="The fields of `filter`, `group_by` and `facets` that no document has."
    )
    total: int | None = Field(
        description="How many documents could be hits, on all pages; null where it is not known."
    )
    significance: float | None = Field(
        description="The share of queries to which nothing is related that find as near a "
        "document: below 0.05, something here is about this. Null where it is not known."
    )
    cursor: str | None = Field(description="Where the next page begins; null where there is none.")
    took_ms: Took
    behind: bool = Field(
        False,
        description="Whether a standby of the database answered, since there is no primary: the "
        "newest changes may be missing. Only there if so.",
    )
    facets: FacetsView | None = Field(None, description="Only there if asked for.")


class BatchView(Returned):
    """The answer to each search, in order."""

    results: list[SearchView]
