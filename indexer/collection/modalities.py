"""Searches of texts, of images, or of both: each kind ranked by itself, then the rankings merged.

Scores of texts and of images are on different scales: a text's cosine to its own caption is about
twice that to its own image. So in an answer of both, ranks are compared, unless scores are asked
for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest

from indexer.filters import Every, Filter, Not, Pictured
from indexer.queries import Answer, Hit, Merge, Mode, Query, SearchOf
from indexer.ranking.score_annotations import with_probability


def parts_of(query: Query, *, pictured: bool) -> list[Query]:
    """The searches that a query takes: one, or one of texts, one of images, and one for facets.

    ``pictured`` says that the collection holds images at all. What is asked by an image has images
    first, all else texts.
    """
    if query.of is not SearchOf.ALL:
        needless = query.of is SearchOf.TEXT and not pictured
        return [query if needless else _narrowed(query, query.of)]
    if not pictured or query.merge is Merge.SCORES or query.mode is Mode.LEXICAL:
        return [query]
    order = (SearchOf.IMAGE, SearchOf.TEXT) if query.by_image else (SearchOf.TEXT, SearchOf.IMAGE)
    bare = replace(query, temperature=None, facets=(), facet_depth=None)
    parts = [_narrowed(bare, of) for of in order]
    if query.facets and query.facet_depth is None:  # they are counted over both kinds together
        parts.append(replace(query, k=1, explain=0))
    return parts


def _narrowed(query: Query, of: SearchOf) -> Query:
    kind: Filter = Pictured() if of is SearchOf.IMAGE else Not(Pictured())
    condition = kind if query.filter is None else Every((query.filter, kind))
    return replace(query, of=of, filter=condition)


def merged(query: Query, answers: Sequence[Answer]) -> Answer:
    """The answer to a query of those to its parts: hits by their ranks, the first part's first."""
    if len(answers) == 1:
        return answers[0]
    first, second, *counted = answers
    pairs = zip_longest(first.hits, second.hits)
    hits: Sequence[Hit] = [hit for hit in chain.from_iterable(pairs) if hit is not None][: query.k]
    if query.temperature is not None and hits:
        hits = with_probability(hits, query.temperature)
    known = [one.significance for one in answers if one.significance is not None]
    return replace(
        first,
        hits=tuple(hits),
        exact=first.exact and second.exact,
        total=_sum(first.total, second.total),
        candidates=len(hits),
        significance=known[0] if known else None,
        facets=counted[0].facets if counted else None,
        unknown_fields=(counted[0] if counted else first).unknown_fields,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def graded_texts(query: Query, answer: Answer) -> Answer:
    """The answer without grades of images, and of texts by an image.

    What is known of scores is known of texts by texts.
    """

    def is_foreign(hit: Hit) -> bool:
        return hit.grade is not None and (query.by_image or hit.document.picture is not None)

    if not any(map(is_foreign, answer.hits)):
        return answer
    hits = (
        replace(hit, grade=None, relevance=None) if is_foreign(hit) else hit for hit in answer.hits
    )
    return replace(answer, hits=tuple(hits))
