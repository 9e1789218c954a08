"""The documents found by a search: their best chunks, and their scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from indexer.engine import Candidate, ChunkCosines, ChunkKey, EngineState, Key
from indexer.queries import ScoreBreakdown
from indexer.ties import Floats, first_of


class Found(NamedTuple):
    """A document to become a hit, by its best chunk."""

    key: Key
    chunk: ChunkKey
    score: float
    scores: ScoreBreakdown


def best_chunks(
    state: EngineState, chunks: ChunkCosines, scores: Floats, k: int
) -> list[Candidate]:
    """The k best of some documents, each by its chunk with the largest score, (m,); ties by id."""
    found = each_by_its_best(chunks, scores)
    keys = [one.key for one in found]
    best = first_of(keys, np.array([one.score for one in found], scores.dtype), k, state.ids)
    return [found[place] for place in best]


def each_by_its_best(chunks: ChunkCosines, scores: Floats) -> list[Candidate]:
    """Each of some documents by its chunk with the largest score, (m,), the first of equal ones.

    In the order of the chunks.
    """
    keys, places = chunks.keys, chunks.chunks
    first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    if not first.all():
        begins = first.nonzero()[0]
        counts = np.append(begins[1:], len(keys)) - begins
        best = (scores == np.maximum.reduceat(scores, begins).repeat(counts)).nonzero()[0]
        chosen = best[best.searchsorted(begins)]
        keys, places, scores = keys[chosen], places[chosen], scores[chosen]
    return list(map(Candidate, keys.tolist(), scores.tolist(), places.tolist()))
