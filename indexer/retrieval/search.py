"""Queries to ranked answers: the stages of a search, from its texts to its hits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from indexer.collection import Collection
from indexer.documents import Vector
from indexer.embedding.cross_encoders.reranker import Reranker
from indexer.embedding.embedder import Embedder, TextRole
from indexer.errors import InvalidQuery
from indexer.facets import Facets, count_fields
from indexer.parts import NO_PARTS
from indexer.queries import Answer, ExampleText, Hit, Mode, Query
from indexer.ranking.score_annotations import with_reranked_worth
from indexer.retrieval.explanation import explained
from indexer.retrieval.grouping import grouped
from indexer.retrieval.pagination import resumed, with_cursor
from indexer.retrieval.reranking import diversified, first_ranking, reranked
from indexer.retrieval.sans_io import Need, Searches, Staged, Work


def needs_vector(query: Query) -> bool:
    """Return whether texts of the query must be embedded before a collection can answer it."""
    return _is_text_alone(query) or bool(query.example_texts)


def _is_text_alone(query: Query) -> bool:
    return query.text is not None and query.vector is None and query.mode is not Mode.LEXICAL


def embed_queries(embedder: Embedder, queries: Sequence[Query]) -> tuple[list[Query], list[bool]]:
    """The queries with the vectors of their texts, and for each whether a text was truncated.

    A text given as an example is embedded as a document, which it stands for.
    """
    texts = [query.text or "" for query in queries if _is_text_alone(query)]
    examples = [text for query in queries for text in query.example_texts]
    of_texts = _embedded(embedder, texts, TextRole.QUERY)
    of_examples = _embedded(embedder, examples, TextRole.DOCUMENT)
    model = embedder.identity.mark
    ready, truncated = [], []
    for query in queries:
        filled, cut = _with_vectors(query, of_texts, of_examples, model)
        ready.append(filled)
        truncated.append(cut)
    return ready, truncated


class _Embedded(NamedTuple):
    """A text's vector, whether the text was cut, and whether the model knows no word of it."""

    vector: Vector
    truncated: bool
    unknown: bool


def _embedded(embedder: Embedder, texts: Sequence[str], role: TextRole) -> Iterator[_Embedded]:
    if not texts:
        return iter(())
    embedded = embedder.embed(texts, role)
    cut, unknown = frozenset(embedded.truncated), frozenset(embedded.unknown)
    return iter(
        [
            _Embedded(vector, place in cut, place in unknown)
            for place, vector in enumerate(embedded.vectors)
        ]
    )


def _with_vectors(
    query: Query,
    of_texts: Iterator[_Embedded],
    of_examples: Iterator[_Embedded],
    model: str,
) -> tuple[Query, bool]:
    """The query with the next of these vectors for its texts, and whether one was truncated."""
    if _is_text_alone(query):
        vector, cut, unknown = next(of_texts)
        return replace(query, vector=vector, model=model, unknown=unknown), cut
    if not query.example_texts:
        return query, False
    found = [next(of_examples) for _ in query.example_texts]
    vectors = iter([one.vector for one in found])
    like, unlike = (
        tuple(next(vectors) if isinstance(one, ExampleText) else one for one in side)
        for side in (query.like, query.unlike)
    )
    none_known = True if any(one.unknown for one in found) else None
    ready = replace(query, like=like, unlike=unlike, model=model, unknown=none_known)
    return ready, any(one.truncated for one in found)


def staged(query: Query, collection: str) -> Staged[Answer]:
    """One search of a collection with this name: its stages, in order."""
    ready, truncated = yield from _embed(resumed(query, collection))
    if ready.group_by is None:
        (answer,) = yield from _rank([ready])
        answer = _bounded(ready, answer)
    else:
        answer = yield from grouped(ready, _rank_all, first_ranking(ready).k)
    asked = ready if answer.direction is None else replace(ready, vector=answer.direction)
    answer = _of_hits(answer, (yield from explained(asked, answer.hits)))
    if ready.facet_depth is not None:
        answer = replace(answer, facets=(yield from _count_best(ready, ready.facet_depth)))
    if truncated or ready.unknown:
        answer = replace(answer, truncated=truncated, unknown=bool(ready.unknown))
    return with_cursor(query, collection, answer)


def _embed(query: Query) -> Staged[tuple[Query, bool]]:
    """The query with the vectors of its texts, and whether one of them was truncated."""
    if not needs_vector(query):
        return query, False
    ((ready, truncated),) = yield Need(Work.EMBED, [query])
    return ready, truncated


def _rank(queries: Sequence[Query], group_by: str | None = None) -> Staged[list[Answer]]:
    """The k best hits of each query, ungrouped; a collection says whether it knows the field."""
    asked = [_grouping(first_ranking(query), group_by) for query in queries]
    answers = yield Need(Work.FIND, asked)
    ranked = []
    for query, answer in zip(queries, answers, strict=True):
        hits = yield from reranked(query, answer.hits)
        hits = with_reranked_worth(query, hits, answer.reranked_relevance)
        hits = yield from diversified(query, hits)
        ranked.append(_of_hits(answer, hits[: query.k]))
    return ranked


def _grouping(query: Query, group_by: str | None) -> Query:
    return query if query.group_by == group_by else replace(query, group_by=group_by)


def _count_best(query: Query, depth: int) -> Staged[Facets]:
    """The facets over so many of the best documents of the first ranking."""
    asked = replace(
        query,
        k=depth,
        parts=replace(NO_PARTS, keys=frozenset(query.facets)),
        min_score=None if query.rerank is not None else query.min_score,
        group_by=None,
        group_size=1,
        facets=(),
        facet_depth=None,
        explain=0,
        rerank=None,
        diversity=None,
        temperature=None,
    )
    (answer,) = yield Need(Work.FIND, [asked])
    found = [hit.document.metadata for hit in answer.hits]
    return Facets(len(found), count_fields(found, query.facets, query.facet_values))


def _of_hits(answer: Answer, hits: Sequence[Hit]) -> Answer:
    """The answer with these hits; the answer itself if they are its own."""
    return answer if hits is answer.hits else replace(answer, hits=tuple(hits))


def _bounded(query: Query, answer: Answer) -> Answer:
    """The answer without hits below ``min_score``; a collection applies it to its own scores."""
    if query.rerank is None or query.min_score is None:
        return answer
    return replace(answer, hits=tuple(filter(query.admits, answer.hits)), total=None)


def _rank_all(queries: Sequence[Query]) -> Staged[list[Answer]]:
    """The same for queries to be grouped, whose k is the number of hits to look at."""
    ungrouped = [replace(query, group_by=None, group_size=1) for query in queries]
    return (yield from _rank(ungrouped, queries[0].group_by))


@dataclass(frozen=True, slots=True)
class Searched:
    """The answers of searches made together, and the time taken by each kind of work."""

    answers: tuple[Answer, ...]
    milliseconds: Mapping[Work, float]

    @property
    def embed_ms(self) -> float:
        """Milliseconds spent on embedding the queries."""
        return self.milliseconds.get(Work.EMBED, 0.0)

    @property
    def search_ms(self) -> float:
        """Milliseconds spent on everything else."""
        return sum(self.milliseconds.values()) - self.embed_ms


def search_timed(
    collection: Collection,
    embedder: Embedder,
    queries: Sequence[Query],
    reranker: Reranker | None = None,
) -> Searched:
    """The answer to each query, in order, and the time taken."""
    work: Mapping[Work, Callable[[Sequence[Any]], Iterable[Any]]] = {
        Work.EMBED: lambda queries: zip(*embed_queries(embedder, queries), strict=True),
        Work.FIND: collection.search,
        Work.SCORE: lambda pairs: required(reranker).score(pairs),
        Work.VECTORS: collection.vectors,
        Work.TEXTS: lambda texts: embedder.embed(texts, TextRole.DOCUMENT).vectors,
    }
    asked = [_naming(query, reranker) for query in queries]
    searches = Searches(staged(query, collection.name) for query in asked)
    for need in searches.needs():
        searches.give(work[need.work](need.items))
    return Searched(tuple(searches.answers), searches.milliseconds)


def _naming(query: Query, reranker: Reranker | None) -> Query:
    """The query with the name of the cross-encoder that it needs, by which its worth is known."""
    if query.rerank is None or reranker is None:
        return query
    return replace(query, reranker=reranker.name)


def search(
    collection: Collection,
    embedder: Embedder,
    queries: Sequence[Query],
    reranker: Reranker | None = None,
) -> list[Answer]:
    """The answer to each query, in order.

    Raises InvalidQuery for a query with ``rerank`` if there is no reranker.
    """
    return list(search_timed(collection, embedder, queries, reranker).answers)


def required(reranker: Reranker | None) -> Reranker:
    """The reranker; raises InvalidQuery if there is none."""
    if reranker is None:
        raise InvalidQuery(
            "rerank needs a cross-encoder, and none was named: say --reranker MODEL, or set "
            "BEARING_RERANKER (a service: before it starts)"
        )
    return reranker
