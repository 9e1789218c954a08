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
    state: EngineState,
    queries: Sequence[Query],
    directions: Vectors,
    nearest: Sequence[Sequence[Candidate]],
    scope: Scope,
) -> list[list[Found]]:
    """The k best documents of each query by cosine and BM25; ``nearest`` are the best by cosine.

    Every candidate gets both of its scores, so it matters little which ranking it came from.
    """
    asked = [_asked(state, query, own, scope) for query, own in zip(queries, nearest, strict=True)]
    others = _by_cosine(state, [one.missing for one in asked], directions)
    pools = [_pool(state, one, more) for one, more in zip(asked, others, strict=True)]
    finished = _with_feedback(state, pools)
    return [_best(state, pool, fused) for pool, fused in zip(pools, finished, strict=True)]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query with its nearest documents, and its best by words, best first.

    ``missing`` are those that are not among the nearest. ``lexical`` are the BM25 scores of the
    nearest, and then of these.
    """

    query: Query
    nearest: Sequence[Candidate]
    worded: Sequence[Key]
    missing: Sequence[Key]
    lexical: NDArray[np.float64]


def _asked(state: EngineState, query: Query, nearest: Sequence[Candidate], scope: Scope) -> _Asked:
    matches = state.lexical.matches(state.lexical.asked(query.text or ""))
    worded = [key for key, _ in matches.best(depth_of(query), scope)]
    keys = [one.key for one in nearest]
    closest = set(keys)
    missing = [key for key in worded if key not in closest]
    return _Asked(query, nearest, worded, missing, matches.scores([*keys, *missing]))


@dataclass(frozen=True, slots=True)
class _Pool:
    """A query's candidates, (n,), with both of their scores, and with the fused one.

    ``silent`` says for which of them neither the model nor a word speaks.
    """

    query: Query
    candidates: Sequence[Candidate]
    keys: Sequence[Key]
    dense: NDArray[np.float64]
    lexical: NDArray[np.float64]
    places: _Places
    silent: NDArray[np.bool_]
    fused: NDArray[np.float64]


def _pool(state: EngineState, asked: _Asked, others: Sequence[Candidate]) -> _Pool:
    query, lexical = asked.query, asked.lexical
    candidates = [*asked.nearest, *others]
    if len(candidates) < len(lexical):  # a document without a chunk, as damage leaves one
        found = {one.key for one in others}
        there = np.ones(len(lexical), np.bool_)
        there[len(asked.nearest) :] = [key in found for key in asked.missing]
        lexical = lexical[there]
    keys = [one.key for one in candidates]
    dense = np.array([one.score for one in candidates], dtype=np.float64)
    places = _places(keys, len(asked.nearest), asked.worded)
    silent = _silent(state, query, candidates, lexical)
    fused = places.fused(query.fusion, dense, _with_wordless(state, query, keys, lexical, places))
    return _Pool(query, candidates, keys, dense, lexical, places, silent, fused)


def _best(state: EngineState, pool: _Pool, fused: NDArray[np.float64]) -> list[Found]:
    """The k best of a pool by these scores."""
    keys, candidates = pool.keys, pool.candidates
    best = first_of(keys, _last(fused, pool.silent), pool.query.k, state.ids)
    breakdowns = pool.places.scores(np.array(best, np.int64), pool.dense, pool.lexical, fused)
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


def _with_feedback(state: EngineState, pools: Sequence[_Pool]) -> list[NDArray[np.float64]]:
    """The scores of each pool with feedback from its first; see indexer.ranking.feedback.

    Fused ranks are left as they are.
    """
    taught = [pool for pool in pools if pool.query.fusion is Fusion.CONVEX]
    orders = [
        first_of(pool.keys, _last(pool.fused, pool.silent), DEPTH, state.ids) for pool in taught
    ]
    lessons = iter(_lessons(state, taught, orders))
    return [
        like_cosines(next(lessons), pool.dense, pool.places.pool)
        if pool.query.fusion is Fusion.CONVEX
        else pool.fused
        for pool in pools
    ]


def _lessons(
    state: EngineState, pools: Sequence[_Pool], orders: Sequence[Sequence[int]]
) -> list[NDArray[np.float64]]:
    """The scores of pools with feedback from the first in these orders.

    As they are where those first say nothing together.
    """
    known = enumerate(_directions(state, pools, orders))
    told = {i: direction for i, direction in known if direction is not None}
    scores = [pool.fused for pool in pools]
    if not told:
        return scores
    keys = [[pools[i].keys[place] for place in orders[i]] for i in told]
    found = _by_cosine(state, keys, np.stack(list(told.values())))
    for i, alike in zip(told, found, strict=True):
        likeness = {one.key: one.score for one in alike}
        best = [place for place in orders[i] if pools[i].keys[place] in likeness]
        values = np.array([likeness[pools[i].keys[place]] for place in best])
        scores[i] = with_feedback(scores[i], np.array(best), values)
    return scores


def _directions(
    state: EngineState, pools: Sequence[_Pool], orders: Sequence[Sequence[int]]
) -> list[Vector | None]:
    """The direction of the first of each order; None where they have none together."""
    teachers = [order[:TEACHERS] for order in orders]
    named = {pool.keys[i] for pool, own in zip(pools, teachers, strict=True) for i in own}
    stored = _by_document(state.chunk_vectors(list(named)))
    found = []
    for pool, own in zip(pools, teachers, strict=True):
        known = [i for i in own if pool.keys[i] in stored]
        found.append(direction_of([stored[pool.keys[i]] for i in known], pool.fused[known]))
    return found


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


def _by_cosine(
    state: EngineState, keys: Sequence[Sequence[Key]], directions: Vectors
) -> list[list[Candidate]]:
    """Of each direction, (d,), its own documents by their nearest chunks, in the given order.

    Fusion sums in that order, so its bits do not depend on how documents are stored.
    """
    if not any(keys):
        return [[] for _ in keys]
    pairs = zip(keys, state.own_cosines(keys, directions), strict=True)
    return [_in_order(each_by_its_best(own, own.cosines[:, 0]), asked) for asked, own in pairs]


def _in_order(found: list[Candidate], keys: Sequence[Key]) -> list[Candidate]:
    """The candidates in the order of their keys."""
    if [one.key for one in found] == keys:
        return found
    by_key = {one.key: one for one in found}
    return [by_key[key] for key in keys if key in by_key]


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
