"""The stages of a search after its first ranking.

Each takes a query and the hits so far, best first, and returns hits; it yields the work it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from indexer.documents import StoredVectors, Vector, normalise
from indexer.queries import Hit, Mode, Query
from indexer.ranking.mmr import diversify, rescaled
from indexer.retrieval.sans_io import Need, Staged, Work

LEAST_CANDIDATES: Final = 50
CANDIDATES_PER_HIT: Final = 5
"""Candidates that diverse hits are chosen from, for each hit asked for."""


DEFAULT_RERANK: Final = 50
"""Hits that are reranked where no number is given."""


def first_ranking(query: Query) -> Query:
    """The query for the collection, deep enough to give the later stages their candidates."""
    depth = query.k * query.group_size
    if query.rerank is not None:
        return replace(query, k=max(depth, query.rerank), min_score=None)
    if query.diversity or query.group_by:
        enough = max(LEAST_CANDIDATES, CANDIDATES_PER_HIT * query.k)
        depth = max(depth, query.candidates or enough)
    return replace(query, k=depth) if depth > query.k else query


def reranked(query: Query, hits: Sequence[Hit]) -> Staged[Sequence[Hit]]:
    """The hits sorted by the cross-encoder's score, then those below its depth in their order.

    It reads the query's text, and the best passage of a hit after the document's title. Hits keep
    their other scores; ties are ordered as in the first ranking.
    """
    if query.rerank is None:
        return hits
    best = hits[: query.rerank]
    pairs = [(query.text, hit.document.prefix + hit.passage.text) for hit in best]
    scores = yield Need(Work.SCORE, pairs)
    judged = [
        replace(hit, score=float(score), scores=replace(hit.scores, reranked=float(score)))
        for hit, score in zip(best, scores, strict=True)
    ]
    return [*sorted(judged, key=lambda hit: -hit.score), *hits[query.rerank :]]


def diversified(query: Query, hits: Sequence[Hit]) -> Staged[Sequence[Hit]]:
    """The k hits by maximal marginal relevance, in the order in which they are chosen.

    Relevance is the score, rescaled to [0, 1] over the candidates unless it is a cosine. Last come
    hits that were deleted meanwhile, whose vectors are not there, and those that say nothing.
    """
    if not query.diversity:
        return hits
    if query.rerank is not None:  # hits below have no score comparable with the others
        hits, deeper = hits[: query.rerank], hits[query.rerank :]
    else:
        deeper = [hit for hit in hits if _says_nothing(query, hit)]
        hits = [hit for hit in hits if not _says_nothing(query, hit)]
    stored = yield Need(Work.VECTORS, [hit.document.id for hit in hits])
    there = [(hit, one) for hit, one in zip(hits, stored, strict=True) if one is not None]
    gone = [hit for hit, one in zip(hits, stored, strict=True) if one is None]
    if not there:
        return [*gone, *deeper]
    scores = np.array([hit.score for hit, _ in there])
    cosines = query.mode is Mode.DENSE and query.rerank is None
    relevance = scores if cosines else rescaled(scores)
    vectors = np.stack([_vector_of(hit, one) for hit, one in there])
    chosen = diversify(relevance, vectors, query.k, query.diversity)
    return [*(there[i][0] for i in chosen), *gone, *deeper][: query.k]


def _says_nothing(query: Query, hit: Hit) -> bool:
    """True if a hit comes behind all others: see indexer.collection.unknown_texts."""
    return query.unknown is False and hit.unknown and not hit.scores.lexical


def _vector_of(hit: Hit, stored: StoredVectors) -> Vector:
    """The vector of a hit's passage, or the mean of all if the document has changed since."""
    for chunk, vector in zip(stored.chunks, stored.vectors, strict=True):
        if (chunk.start, chunk.end) == (hit.passage.start, hit.passage.end):
            found: Vector = vector
            return found
    mean: Vector = normalise(stored.vectors.mean(axis=0, keepdims=True))[0]
    return mean
