"""The documents closest to the best of several examples: see indexer.ranking.examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from indexer.collection.found import best_chunks
from indexer.collection.targets import Examples
from indexer.engine import Candidate, EngineState, Key, Scope
from indexer.ranking.recommendation import best_scores

FETCH_MORE: Final = 4
LEAST_FETCH: Final = 100
"""Documents fetched near each example: enough that most answers need no second fetch."""


def best_by_example(
    state: EngineState, examples: Examples, k: int, scope: Scope, *, exact: bool
) -> list[Candidate]:
    """The k best documents by ``best_scores``, each by its best chunk, ties by id.

    Candidates are the documents nearest to each liked example, or farthest from each unliked one if
    none is liked. More are fetched until no other document can be among the k best: any outside
    the candidates scores at most as high as the last of the nearest.
    """
    directions = examples.liked if len(examples.liked) else -examples.unliked
    fetch = max(k, LEAST_FETCH)
    while True:
        nearest = state.nearest(directions, fetch, scope, exact=exact)
        keys = list(dict.fromkeys(one.key for line in nearest for one in line))
        found = _ranked(state, examples, keys, k)
        if any(len(line) < fetch for line in nearest):
            return found  # there are no others
        if len(found) == k and found[-1].score > _bound(examples, nearest):
            return found
        fetch *= FETCH_MORE


def _bound(examples: Examples, nearest: Sequence[Sequence[Candidate]]) -> float:
    """The highest possible score of a document that is near no example."""
    last = [line[-1].score for line in nearest]
    return max(last) if len(examples.liked) else min(last)


def _ranked(state: EngineState, examples: Examples, keys: Sequence[Key], k: int) -> list[Candidate]:
    """The k best of these documents."""
    if not keys:
        return []
    chunks = state.chunk_cosines(keys, np.concatenate([examples.liked, examples.unliked]))
    liked = len(examples.liked)
    scores = best_scores(chunks.cosines[:, :liked], chunks.cosines[:, liked:])
    return best_chunks(state, chunks, scores, k)
