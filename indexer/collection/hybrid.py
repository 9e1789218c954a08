"""Documents found by BM25, alone or together with those found by their vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.collection.found import Found, each_by_its_best
from indexer.collection.unknown_texts import unknown_chunks
from indexer.documents import Vector, Vectors
from indexer.engine import Bag, Candidate, ChunkKey, EngineState, Key, Sample, Scope
from indexer.lexical.bm25 import K1
from indexer.queries import Fusion, Query, ScoreBreakdown, SearchOf
from indexer.ranking.feedback import DEPTH, TEACHERS, direction_of, with_feedback
from indexer.ranking.fusion import convex, like_cosines, reciprocal_ranks, scale_of
from indexer.ties import first_of

POOL: Final = 50
"""The least number of documents that a hybrid search fuses of each ranking."""


def depth_of(query: Query) -> int:
    """The number of documents that a hybrid search takes from each ranking."""
    return max(query.k, query.candidates or POOL)


def by_words(state: EngineState, query: Query, scope: Scope) -> list[Found]:
    """The k best documents by BM25, each with the chunk that matches the query's words best."""
    bag = state.lexical.asked(query.text or "")
    best = state.lexical.matches(bag).best(query.k, scope)
    chunks = _wordiest_chunks(state, bag, [key for key, _ in best])
    return [
        Found(key, chunks[key], score, ScoreBreakdown(lexical=score, lexical_rank=rank))
        for rank, (key, score) in enumerate(best, start=1)
        if key in chunks
    ]


def by_both(
    state: EngineState, query: Query, direction: Vector, nearest: Sequence[Candidate], scope: Scope
) -> list[Found]:
    """The k best documents by cosine and BM25; ``nearest`` are the best by cosine alone.

    Every candidate gets both of its scores, so it matters little which ranking it came from.
    """
    matches = state.lexical.matches(state.lexical.asked(query.text or ""))
    worded = [key for key, _ in matches.best(depth_of(query), scope)]
    closest = {one.key for one in nearest}
    missing = [key for key in worded if key not in closest]
    candidates = [*nearest, *_by_cosine(state, missing, direction)]
    keys = [one.key for one in candidates]
    dense = np.array([one.score for one in candidates], dtype=np.float64)
    lexical = matches.scores(keys)
    places = _places(keys, len(nearest), worded)
    silent = _silent(state, query, candidates, lexical)
    fused = places.fused(query.fusion, dense, _with_wordless(state, query, keys, lexical, places))
    if query.fusion is Fusion.CONVEX:
        fused = _with_feedback(state, keys, fused, _last(fused, silent))
        fused = like_cosines(fused, dense, places.pool)
    order = _last(fused, silent)
    best = first_of(keys, order, query.k, state.ids)
    breakdowns = places.scores(np.array(best, np.int64), dense, lexical, fused)
    return [
        Found(keys[i], candidates[i].chunk, float(fused[i]), scores)
        for i, scores in zip(best, breakdowns, strict=True)
    ]


def _with_wordless(
    state: EngineState,
    query: Query,
    keys: Sequence[Key],
    lexical: NDArray[np.float64],
    places: _Places,
) -> NDArray[np.float64]:
    """The BM25 scores, those of images without a caption at their mean.

    So words speak neither for nor against an image that has none.
    """
    if query.of is not SearchOf.IMAGE:
        return lexical
    chunks = state.chunks(keys)
    worded = np.array([any(one.end for _, one in chunks.get(key, ())) for key in keys], np.bool_)
    mean = scale_of(lexical, places.pool & worded).mean
    return np.where(worded, lexical, mean)


def _silent(
    state: EngineState,
    query: Query,
    candidates: Sequence[Candidate],
    lexical: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """(n,) whether neither the model nor a word speaks for a candidate."""
    if query.unknown is not False or not (silent := unknown_chunks(state, candidates)):
        return np.zeros(len(candidates), np.bool_)
    found = [one.chunk in silent and not lexical[i] for i, one in enumerate(candidates)]
    return np.array(found, np.bool_)


def _last(fused: NDArray[np.float64], silent: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The scores, lower than all others for the silent."""
    if not silent.any():
        return fused
    return np.where(silent, fused - (np.ptp(fused) + 1.0), fused)


def _with_feedback(
    state: EngineState,
    keys: Sequence[Key],
    fused: NDArray[np.float64],
    order: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The scores with feedback from the first in this order; see indexer.ranking.feedback.

    As they are, if those first say nothing together.
    """
    best = first_of(keys, order, DEPTH, state.ids)
    teachers = best[:TEACHERS]
    stored = _by_document(state.chunk_vectors([keys[i] for i in teachers]))
    known = [i for i in teachers if keys[i] in stored]
    direction = direction_of([stored[keys[i]] for i in known], fused[known])
    if direction is None:
        return fused
    alike = {one.key: one.score for one in _by_cosine(state, [keys[i] for i in best], direction)}
    best = [i for i in best if keys[i] in alike]
    likeness = np.array([alike[keys[i]] for i in best])
    return with_feedback(fused, np.array(best), likeness)


def _by_document(sample: Sample) -> dict[int, Vectors]:
    """The vectors of each document."""
    keys = sample.keys.tolist()
    begins = [i for i, key in enumerate(keys) if not i or keys[i - 1] != key]
    return {keys[i]: sample.vectors[i:end] for i, end in pairwise([*begins, len(keys)])}


@dataclass(frozen=True, slots=True)
class _Places:
    """The ranks of candidates in both rankings: (n,) from 1, 0 for those not in it.

    ``pool`` says whether one is among the POOL best of either.
    """

    dense: NDArray[np.int64]
    lexical: NDArray[np.int64]
    pool: NDArray[np.bool_]

    def fused(
        self, fusion: Fusion, dense: NDArray[np.float64], lexical: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if fusion is Fusion.RECIPROCAL_RANK:
            return reciprocal_ranks(self.dense, self.lexical)
        return convex(dense, lexical, self.pool)

    def scores(
        self,
        best: NDArray[np.int64],
        dense: NDArray[np.float64],
        lexical: NDArray[np.float64],
        fused: NDArray[np.float64],
    ) -> list[ScoreBreakdown]:
        """The scores of the best, at these places."""
        columns = (dense, lexical, self.dense, self.lexical, fused)
        lines = zip(*(column[best].tolist() for column in columns), strict=True)
        return [
            ScoreBreakdown(cosine, words, near or None, worded or None, both)
            for cosine, words, near, worded, both in lines
        ]


def _places(keys: Sequence[Key], nearest: int, worded: Sequence[Key]) -> _Places:
    """The ranks of candidates, of which the first are the nearest."""
    dense = np.arange(1, len(keys) + 1)
    dense[nearest:] = 0
    ranks = dict(zip(worded, range(1, len(worded) + 1), strict=True))
    lexical = np.array([ranks.get(key, 0) for key in keys], np.int64)
    pool = (lexical > 0) & (lexical <= POOL)
    pool[: min(nearest, POOL)] = True
    return _Places(dense, lexical, pool)


def _by_cosine(state: EngineState, keys: Sequence[Key], direction: Vector) -> list[Candidate]:
    """Each of these documents by its nearest chunk, in the given order.

    Fusion sums in that order, so its bits do not depend on how documents are stored.
    """
    if not keys:
        return []
    chunks = state.chunk_cosines(keys, direction[None])
    found = each_by_its_best(chunks, chunks.cosines[:, 0])
    if [one.key for one in found] == keys:
        return found
    nearest = {one.key: one for one in found}
    return [nearest[key] for key in keys if key in nearest]


def _wordiest_chunks(state: EngineState, bag: Bag, keys: Sequence[Key]) -> dict[Key, ChunkKey]:
    """The chunk of each document with the highest weight of the query's words."""
    chunks = state.chunks(keys)
    longer = [key for key, own in chunks.items() if len(own) > 1]
    documents = state.documents(longer) if longer else {}
    worth = state.lexical.worth(bag) if longer else {}
    best = {key: own[0][0] for key, own in chunks.items()}
    for key in longer:
        text = documents[key].text
        worths = [
            _worth_of(state.lexical.words(text[one.start : one.end]), worth)
            for _, one in chunks[key]
        ]
        best[key] = chunks[key][worths.index(max(worths))][0]
    return best


def _worth_of(words: Sequence[str], worth: Mapping[str, float]) -> float:
    """The weight of the query's words in a passage; repetitions count less and less."""
    counts = Counter(word for word in words if word in worth)
    return sum(worth[word] * count / (count + K1) for word, count in counts.items())
