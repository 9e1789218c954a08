"""Queries, hits and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Document, Vector
from indexer.errors import InvalidQuery
from indexer.facets import Facets
from indexer.filters import Filter, Scalar, is_encodable
from indexer.outline import BELOW, headings_of, page_of
from indexer.parts import NO_PARTS, WHOLE, Parts


class Mode(StrEnum):
    """The way a query is compared with documents."""

    DENSE = "dense"
    LEXICAL = "lexical"
    HYBRID = "hybrid"


def usual_mode(text: str | None, min_score: float | None = None, rerank: int | None = None) -> Mode:
    """The mode of a search that names none: hybrid for a text, dense for all else.

    A bound on scores needs scores that mean the same for every query, so with ``min_score`` it is
    dense, unless that bounds a cross-encoder's scores.
    """
    if text is None or (min_score is not None and not rerank):
        return Mode.DENSE
    return Mode.HYBRID


class Strategy(StrEnum):
    """The way several examples make one ranking: see indexer.ranking.recommendation."""

    MEAN = "mean"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class ExampleText:
    """A text to be near to, or away from, as if it were a document."""

    text: str


Example: TypeAlias = str | ExampleText | Vector
"""The id of a stored document, a text, or a vector, (d,), of any length but zero."""


class Grade(StrEnum):
    """The quality of a hit in a word: see indexer.ranking.grades."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"


class Fusion(StrEnum):
    """The way the two rankings of a hybrid search are combined; see indexer.ranking.fusion."""

    CONVEX = "convex"
    RECIPROCAL_RANK = "reciprocal_rank"


class SearchOf(StrEnum):
    """The documents that a search is of: those with a picture are images, all others texts."""

    ALL = "all"
    IMAGE = "image"
    TEXT = "text"


class Merge(StrEnum):
    """The way hits of texts and of images make one answer: see indexer.collection.modalities."""

    RANKS = "ranks"
    SCORES = "scores"


@dataclass(frozen=True, slots=True)
class PageExclusions:
    """The documents of earlier pages, which a search leaves out: see indexer.retrieval.pagination.

    These are all added after the state of the first page, which ``token`` stands for, and those
    whose ``keys`` have already been given.
    """

    token: str
    keys: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query: a text, a vector, or examples (near ``like``, away from ``unlike``).

    A text to be searched densely must have its vector beside it when a collection gets the query,
    and a text as an example must have become its vector (see indexer.retrieval.search); vectors
    need not have unit length. ``model`` is the mark of the model that computed these vectors, if
    one did, as in EmbeddedDocument. Documents that are examples by their ids are never hits.
    ``candidates`` is the number of best documents by cosine, and by BM25, that a hybrid search
    fuses; None takes enough for k. ``rerank`` is the number of best hits that a cross-encoder
    scores, ``reranker`` its name, if that is known; ``min_score`` then bounds its scores.
    ``diversity``, from 0 to 1, weighs dissimilarity to earlier hits against the score: see
    indexer.ranking.mmr. With ``group_by``, a field of the metadata, k groups of at most
    ``group_size`` hits are returned: see indexer.retrieval.grouping. The first ``explain`` hits are
    explained. ``cursor`` is the last answer's cursor, to continue from; when a collection gets the
    query, ``exclusions`` holds what it stands for. ``unknown`` says whether the model knows no word
    of the text; None if nobody asked it, as of a vector. Hits have these ``parts`` of their
    documents; others may be empty. ``facets`` are fields whose ``facet_values`` most common values
    are counted: over all documents that could be hits, or over the best ``facet_depth`` of the
    first ranking. The search is ``of`` texts, of images, or of both, whose hits are then merged by
    their ranks within each, or by their scores; ``by_image`` says that the vector is an image's.
    """

    text: str | None = None
    vector: Vector | None = None
    like: tuple[Example, ...] = ()
    unlike: tuple[Example, ...] = ()
    strategy: Strategy = Strategy.MEAN
    k: int = 10
    filter: Filter | None = None
    mode: Mode = Mode.DENSE
    fusion: Fusion = Fusion.CONVEX
    candidates: int | None = None
    min_score: float | None = None
    exact: bool = False
    rerank: int | None = None
    reranker: str | None = None
    diversity: float | None = None
    group_by: str | None = None
    group_size: int = 1
    explain: int = 0
    temperature: float | None = None
    cursor: str | None = None
    model: str | None = None
    exclusions: PageExclusions | None = None
    unknown: bool | None = None
    parts: Parts = WHOLE
    facets: tuple[str, ...] = ()
    facet_values: int = 20
    facet_depth: int | None = None
    of: SearchOf = SearchOf.ALL
    merge: Merge = Merge.RANKS
    by_image: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InvalidQuery(f"k must be at least 1, got {self.k}")
        if self.candidates is not None and self.candidates < 1:
            raise InvalidQuery(f"candidates must be at least 1, got {self.candidates}")
        if self.temperature is not None and not 0 < self.temperature < float("inf"):
            raise InvalidQuery(f"temperature must be above 0, got {self.temperature}")
        if self.rerank is not None and self.rerank < 1:
            raise InvalidQuery(f"rerank must be at least 1, got {self.rerank}")
        if self.rerank is not None and self.text is None:
            raise InvalidQuery("rerank needs a text (query): a cross-encoder reads it")
        if self.explain < 0:
            raise InvalidQuery(f"explain must be 0 or more hits, got {self.explain}")
        if self.group_size < 1:
            raise InvalidQuery(f"group_size must be at least 1, got {self.group_size}")
        if self.group_size > 1 and self.group_by is None:
            raise InvalidQuery("group_size needs the field to group by (group_by)")
        if self.diversity is not None and not 0 <= self.diversity <= 1:
            raise InvalidQuery(f"diversity must be from 0 to 1, got {self.diversity}")
        if self.min_score is not None and not np.isfinite(self.min_score):
            raise InvalidQuery(f"min_score must be finite, got {self.min_score}")
        for text in (self.text or "", *self.example_texts):
            if not is_encodable(text):
                raise InvalidQuery("the query holds a lone surrogate, which is not valid Unicode")
        if bool(self.examples) == (self.text is not None or self.vector is not None):
            raise InvalidQuery("give one of: a text (query), a vector, or examples (like, unlike)")
        if self.mode is not Mode.DENSE and self.text is None:
            raise InvalidQuery(f"mode {self.mode} needs a text (query)")
        if self.facets or self.facet_depth is not None:
            self._check_facets()

    def _check_facets(self) -> None:
        if not self.facets:
            raise InvalidQuery("facet_depth needs the fields to count (facets)")
        if self.facet_values < 1 or (self.facet_depth is not None and self.facet_depth < 1):
            raise InvalidQuery("facet_values and facet_depth must be at least 1")
        if self.cursor is not None:
            raise InvalidQuery("facets count all pages: ask for them without a cursor")
        bounded = self.min_score is not None and self.facet_depth is None
        if bounded and (self.mode is Mode.HYBRID or self.rerank is not None):
            raise InvalidQuery(
                "which documents reach min_score in mode hybrid, or by rerank, is not known of "
                "all: give facet_depth, or leave min_score out"
            )

    def admits(self, hit: Hit) -> bool:
        """Return whether a hit's score reaches ``min_score``; one left unreranked does not."""
        if self.min_score is None:
            return True
        judged = self.rerank is None or hit.scores.reranked is not None
        return judged and hit.score >= self.min_score

    @property
    def parts_needed(self) -> Parts:
        """The parts of documents that hits must have, or that a stage of the search needs."""
        needed = self.parts
        if needed is WHOLE:
            return needed
        if self.rerank is not None:
            needed |= replace(NO_PARTS, title=True, passage=True)
        if self.explain:
            return WHOLE
        if self.group_by is not None:
            needed |= replace(NO_PARTS, keys=frozenset({self.group_by}))
        return needed

    @property
    def examples(self) -> tuple[Example, ...]:
        """All examples, the liked ones first."""
        return (*self.like, *self.unlike)

    @property
    def example_ids(self) -> tuple[str, ...]:
        """The examples that are stored documents."""
        return tuple(one for one in self.examples if isinstance(one, str))

    @property
    def example_texts(self) -> tuple[str, ...]:
        """The examples that are texts without a vector."""
        return tuple(one.text for one in self.examples if isinstance(one, ExampleText))


@dataclass(frozen=True, slots=True)
class Passage:
    """The best chunk of a hit: characters start to end of the document's text.

    ``page``, from 1, and the ``headings`` above it, the highest first, are those of its start; None
    and empty where the text has none.
    """

    text: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Document, start: int, end: int) -> Passage:
        """A passage of a document, with its place there."""
        text, facts = document.text, document.metadata
        page, headings = page_of(text, facts, start), headings_of(text, facts, start)
        return cls(text[start:end], start, end, page, headings)

    @property
    def place(self) -> str:
        """Its page and headings in words, such as ``page 3, Methods > Data``; empty without any."""
        page = [] if self.page is None else [f"page {self.page}"]
        return ", ".join(page + ([BELOW.join(self.headings)] if self.headings else []))

    @property
    def plain(self) -> dict[str, Any]:
        """The fields that are known, as JSON has them."""
        found: dict[str, Any] = {"text": self.text, "start": self.start, "end": self.end}
        if self.page is not None:
            found["page"] = self.page
        if self.headings:
            found["headings"] = list(self.headings)
        return found


@dataclass(frozen=True, slots=True)
class ScoreBreakdown:
    """The parts of a hit's score; None for those not asked for or not known.

    ``dense`` is the cosine of its best chunk, ``lexical`` its BM25 score, 0 if it contains no word
    of the query; the ranks, from 1, are its places among the candidates of either ranking, None if
    it was not one of them. ``fused`` is the combined score of a hybrid search, and ``reranked`` the
    score of a cross-encoder.
    """

    dense: float | None = None
    lexical: float | None = None
    dense_rank: int | None = None
    lexical_rank: int | None = None
    fused: float | None = None
    reranked: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A passage of a hit and its cosine; None if that is not known."""

    passage: Passage
    score: float | None


@dataclass(frozen=True, slots=True)
class WordAttribution:
    """A word of a hit's title or best passage: the drop of the cosine without it, and its places.

    ``spans`` are characters (start, end) of the document's text, ``title_spans`` of its title.
    """

    text: str
    effect: float
    spans: tuple[tuple[int, int], ...]
    title_spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class MatchedTerm:
    """A word of the query that a document contains: its part of the BM25 score, and its places.

    ``text`` is the word as first written; ``spans`` are characters (start, end) of the document's
    text, none for a word that only the title contains.
    """

    text: str
    score: float
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons for a hit: see indexer.retrieval.explanation.

    ``passages`` are its best, ``words`` those that carry or lower the cosine of the best one, by
    falling effect; ``words_left_out`` is the number of further words, which were not tried, and
    ``rest`` the cosine less all effects, None if there is no cosine. ``terms`` are the words that
    it shares with the query, by falling score, if the search was lexical or hybrid.
    """

    passages: tuple[ScoredPassage, ...]
    words: tuple[WordAttribution, ...] = ()
    words_left_out: int = 0
    rest: float | None = None
    terms: tuple[MatchedTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that answers a query, with the score that hits are ordered by: larger is better.

    It is a cosine in mode dense, BM25 in mode lexical, the fused score in mode hybrid. ``key`` is
    the engine's key of the document (see indexer.engine); ``group`` the value that its group has in
    common, None if it is a group of its own. ``terms`` are for its explanation, if one is asked
    for. ``relevance`` is the share of hits like this that were judged relevant, and ``grade`` the
    same in a word; None if not known. ``unknown`` says that the model knows no word of the passage,
    so that the cosine says nothing: such hits come last, whatever they score, if the model knows a
    word of the query.
    """

    document: Document
    score: float
    passage: Passage
    probability: float | None = None
    scores: ScoreBreakdown = ScoreBreakdown()
    key: int = 0
    group: Scalar = None
    relevance: float | None = None
    grade: Grade | None = None
    explanation: Explanation | None = None
    terms: tuple[MatchedTerm, ...] = ()
    unknown: bool = False

    def judged(self, grade: Grade, relevance: float | None = None) -> Hit:
        """The same hit with its grade and relevance.

        Every hit of a search is made anew so, and ``replace`` would take five times as long.
        """
        return Hit(
            self.document,
            self.score,
            self.passage,
            self.probability,
            self.scores,
            self.key,
            self.group,
            relevance,
            grade,
            self.explanation,
            self.terms,
            self.unknown,
        )

    @property
    def distance(self) -> float | None:
        """1 - cosine, in [0, 2]; None if the cosine is not known."""
        return None if self.scores.dense is None else 1.0 - self.scores.dense


Relevance: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]
"""Scores and places, (n,) each, to relevance, (n,) in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, best first; ties by id.

    ``total`` is the number of documents that could be hits, None if not known; ``cursor`` leads to
    the next page, None if there is none; ``candidates`` is the number of hits the probabilities
    were taken over. ``token`` stands for the state of the first page. ``significance`` is the share
    of queries to which nothing is related that find as near a document; None if not known.
    ``unknown`` says that the model knows no word of the query, so that cosines to it say nothing.
    ``unknown_fields`` are those that the query filters or groups by and no document has.
    ``behind`` says that a standby answered, which may lack the newest writes.
    ``direction`` is the query's vector as the collection's adapter maps it, None if none does.
    ``reranked_relevance`` is what was learned of its hits for when they are reranked. ``facets``
    are the counts that the query asked for.
    """

    hits: tuple[Hit, ...]
    mode: Mode
    exact: bool
    truncated: bool = False
    total: int | None = None
    cursor: str | None = None
    candidates: int = 0
    token: str = ""
    significance: float | None = None
    unknown_fields: tuple[str, ...] = ()
    unknown: bool = False
    behind: bool = False
    direction: Vector | None = None
    reranked_relevance: Relevance | None = None
    facets: Facets | None = None

    def followed_by(self, cursor: str) -> Answer:
        """The same answer with the cursor of the next page.

        As most answers have one, without ``replace``, which takes several times as long.
        """
        return Answer(
            self.hits,
            self.mode,
            self.exact,
            self.truncated,
            self.total,
            cursor,
            self.candidates,
            self.token,
            self.significance,
            self.unknown_fields,
            self.unknown,
            self.behind,
            self.direction,
            self.reranked_relevance,
            self.facets,
        )
