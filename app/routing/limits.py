"""Limits on one request; each refusal names the limit and the setting behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.schemas.documents import AnyDocumentBody, PageParameters
from app.schemas.search import MOST_FACETS, ExampleBody, ExamplePoint, SearchBody
from app.schemas.similarity import Point, SimilarityBody
from app.settings import PREFIX, Settings
from indexer.errors import InvalidQuery, TooLarge
from indexer.queries import Query
from indexer.retrieval.pagination import depth
from indexer.retrieval.reranking import first_ranking


def _require(what: str, given: int, settings: Settings, setting: str) -> None:
    limit = getattr(settings, setting)
    if given > limit:
        raise TooLarge(f"{what}: {given}, at most {limit} ({PREFIX}{setting.upper()})")


def check_file(headers: Mapping[str, str], settings: Settings) -> None:
    """Raise TooLarge for a file whose declared length is over the limit, before it is sent."""
    _require("bytes of file", int(headers.get("content-length", 0)), settings, "max_file_bytes")


def check_searches(bodies: Sequence[SearchBody], settings: Settings) -> None:
    """Raise TooLarge or InvalidQuery unless these searches may be made in one request."""
    _require("searches", len(bodies), settings, "max_texts")
    for body in bodies:
        if body.k > settings.max_k:
            raise InvalidQuery(f"k: {body.k}, at most {settings.max_k} ({PREFIX}MAX_K)")
        _require("characters of query", len(body.query or ""), settings, "max_query_characters")
        _require("numbers in vector", len(body.vector or ()), settings, "max_dimension")
        if body.cursor is not None:
            documents = depth(body.cursor) + body.k
            _require("documents on all pages", documents, settings, "max_paged")
        _check_examples((*body.like, *body.unlike), settings)
    texts = sum(isinstance(one, ExampleBody) for body in bodies for one in body.like + body.unlike)
    _require("example texts of all searches", texts, settings, "max_texts")


def check_judgement(query: str, settings: Settings) -> None:
    """Raise TooLarge for a judgement on a query that could not have been asked."""
    _require("characters of query", len(query), settings, "max_query_characters")


def check_depths(queries: Sequence[Query], settings: Settings) -> None:
    """Raise TooLarge if one of these searches, or all together, look at too many hits."""
    firsts = [first_ranking(query) for query in queries]
    for query, first in zip(queries, firsts, strict=True):
        looked_at = max(query.candidates or 0, first.k if first.k > query.k else 0)
        _require("candidates", looked_at, settings, "max_candidates")
        _require("facet_depth", query.facet_depth or 0, settings, "max_candidates")
    pairs = sum(query.rerank or 0 for query in queries)
    explained = sum(query.explain for query in queries)
    _require("hits to explain", explained, settings, "max_explained")
    _require("hits to rerank", pairs, settings, "max_reranked")
    _require("hits of all searches", sum(first.k for first in firsts), settings, "max_hits")


def _check_examples(examples: Sequence[ExamplePoint], settings: Settings) -> None:
    _require("examples", len(examples), settings, "max_texts")
    for example in examples:
        if isinstance(example, ExampleBody):
            length = len(example.text)
            _require("characters of an example", length, settings, "max_characters")
        elif isinstance(example, list):
            _require("numbers in an example", len(example), settings, "max_dimension")


def check_documents(bodies: Sequence[AnyDocumentBody], settings: Settings) -> None:
    """Raise TooLarge unless these documents may be written in one request."""
    _require("documents", len(bodies), settings, "max_texts")
    for body in bodies:
        length = len(body.text) + len(body.title or "")
        _require(f"characters of document {body.id[:80]!r}", length, settings, "max_characters")


def check_count(what: str, count: int, settings: Settings) -> None:
    """Raise TooLarge unless this many may be given in one request."""
    _require(what, count, settings, "max_texts")


def check_characters(what: str, text: str, settings: Settings) -> None:
    """Raise TooLarge if a text is too long."""
    _require(f"characters of {what}", len(text), settings, "max_characters")


def check_ids(ids: Sequence[str], settings: Settings) -> None:
    """Raise TooLarge unless this many ids may be given in one request."""
    _require("ids", len(ids), settings, "max_texts")


def check_page(parameters: PageParameters, settings: Settings) -> None:
    """Raise InvalidQuery if a page is too long."""
    check_length_of_page("limit", parameters.limit, settings)


def check_facets(fields: Sequence[str]) -> None:
    """Raise InvalidQuery if more fields are to be counted than a search may ask for."""
    if len(fields) > MOST_FACETS:
        raise InvalidQuery(f"facets: {len(fields)} fields, at most {MOST_FACETS}")


def check_length_of_page(name: str, length: int, settings: Settings) -> None:
    """Raise InvalidQuery, which says the parameter's name, if a page is too long."""
    if length > settings.max_page:
        allowed = f"at most {settings.max_page} ({PREFIX}MAX_PAGE)"
        raise InvalidQuery(f"{name}: {length}, {allowed}")


def check_similarity(body: SimilarityBody, settings: Settings) -> None:
    """Raise TooLarge if these sides are too large to be compared in one request."""
    for name, side in (("a", body.a), ("b", body.b or [])):
        _require(f"entries of {name}", len(side), settings, "max_texts")
        _check_points(name, side, settings)
    matrices = 2 + len(set(body.metrics)) + (body.temperature is not None)
    cells = len(body.a) * len(body.b or body.a) * matrices
    _require("cells of all matrices", cells, settings, "max_cells")


def _check_points(name: str, points: Iterable[Point], settings: Settings) -> None:
    for index, point in enumerate(points):
        if isinstance(point, str):
            what = f"characters of {name}[{index}]"
            _require(what, len(point), settings, "max_characters")
        elif isinstance(point, list):
            _require(f"numbers in {name}[{index}]", len(point), settings, "max_dimension")
