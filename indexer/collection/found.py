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
    state: EngineState, chunks: ChunkCosines, scores: Floats, k: int | None = None
) -> list[Candidate]:
    """The k best of some documents, each by its chunk with the largest score, (m,); ties by id.

    Without k all of them, in no order.
    """
    if not len(chunks.keys):
        return []
    order = np.lexsort((-scores, chunks.keys))  # stable: the first of equal chunks
    own = chunks.keys[order]
    firsts = order[np.append(True, own[1:] != own[:-1])]
    keys = [Key(key) for key in chunks.keys[firsts].tolist()]
    found, places = scores[firsts], chunks.chunks[firsts].tolist()
    chosen = range(len(keys)) if k is None else first_of(keys, found, k, state.ids)
    values = found.tolist()
    return [Candidate(keys[i], values[i], ChunkKey(places[i])) for i in chosen]
