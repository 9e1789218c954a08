"""The effort of a search in a graph, tuned with the collection's own vectors by bands of k.

As elsewhere (see indexer.ann.recall), a vector that is asked stands for a document that is not
stored yet: the nearest to it, itself, is left out. Effort rises until recall reaches its target
with 97.5 % confidence. Exact answers come of one pass over all vectors, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.ann.recall import DRAWN, distinct, estimate_recall, share_found
from indexer.documents import Vector, Vectors
from indexer.engine import Candidate, Sample
from indexer.postgres.graph import EFFORTS, Effort, Efforts
from indexer.postgres.scope import PostgresScope

BANDS: Final[Mapping[int, int]] = {10: 256, 100: 96, 300: 48}
"""The k that effort is tuned for, and the number of queries that its recall is measured with.

For more hits all vectors are compared with.
"""

DEPTH: Final = max(BANDS) + 1

FEW: Final = 64
"""Efforts that surely miss with so many queries are not tried with all."""

KEPT: Final = 1 / 3
"""The share of documents that pass the filters that effort is measured with."""

SAMPLED: Final = DRAWN * max(BANDS.values())
"""Stored vectors to draw queries from, since copies among them make the same query."""

SEED: Final = 17

Find: TypeAlias = Callable[[PostgresScope, Vector, int, int], list[Candidate]]
"""The k nearest that a graph gives within a scope with so many chunks in view, or fewer."""

Scores: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trial:
    """Queries, (q, d), within a scope, and the scores of the nearest to each, (q, n), best first.

    The first of these is the query itself.
    """

    scope: PostgresScope
    queries: Vectors
    nearest: Scores

    def shares(self, find: Find, k: int, view: int, count: int) -> Iterator[float]:
        """The share of the k nearest that is found, for at most so many of the queries.

        Where the graph gives too few, all are compared with, so that nothing is missed.
        """
        wanted = min(k + 1, self.nearest.shape[1])
        for query, nearest in zip(self.queries[:count], self.nearest[:count], strict=True):
            found = find(self.scope, query, wanted, view)
            scores = np.array([one.score for one in found[1:]], np.float32)
            yield share_found(scores, nearest[1:wanted]) if len(found) == wanted else 1.0


class _Best:
    """The best scores to some queries of the documents that pass a filter."""

    def __init__(self, queries: Vectors) -> None:
        self._queries = queries
        self._scores: Scores = np.full((len(queries), DEPTH), -np.inf, np.float32)
        self._keys: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]

    def add(self, keys: NDArray[np.int64], scores: Scores) -> None:
        """Take in documents that pass, with their scores to each query, (q, n)."""
        self._keys.append(keys)
        joined = np.concatenate([self._scores, scores], axis=1)
        self._scores = np.partition(joined, -DEPTH, axis=1)[:, -DEPTH:]

    def trial(self, *, filtered: bool) -> Trial:
        """The queries with the best of all documents that were taken in."""
        keys = np.concatenate(self._keys)
        there = min(DEPTH, len(keys))
        nearest = np.ascontiguousarray(np.sort(self._scores, axis=1)[:, ::-1][:, :there])
        scope = PostgresScope(len(keys), keys=keys if filtered else None, filtered=filtered)
        return Trial(scope, self._queries, nearest)


def draw_trials(drawn: Vectors, parts: Iterable[Sample]) -> tuple[Trial, list[Trial]]:
    """Queries among all documents, and under two filters, half of the queries under each.

    ``drawn`` are :data:`SAMPLED` stored vectors at random, (n, d), and ``parts`` all stored ones,
    no document in two parts. One filter passes documents at random, the other those on one subject:
    a filter may have to do with what is asked, or not.
    """
    queries = distinct(drawn)[: max(BANDS.values())]
    half = len(queries) // 2
    dice, subject = np.random.default_rng(SEED), drawn[:1]
    least = np.quantile(drawn @ subject[0], 1 - KEPT) if len(drawn) else 0.0
    whole, chance, near = _Best(queries), _Best(queries[:half]), _Best(queries[half:])
    for part in parts:
        keys, scores = _by_document(part, np.concatenate([subject, queries]))
        drawn_here, near_here = dice.random(len(keys)) < KEPT, scores[0] >= least
        whole.add(keys, scores[1:])
        chance.add(keys[drawn_here], scores[1 : half + 1, drawn_here])
        near.add(keys[near_here], scores[half + 1 :, near_here])
    return whole.trial(filtered=False), [one.trial(filtered=True) for one in (chance, near)]


def _by_document(part: Sample, directions: Vectors) -> tuple[NDArray[np.int64], Scores]:
    """The documents of a part, (n,), and the score of the best chunk of each, (m, n)."""
    keys, firsts = np.unique(part.keys, return_index=True)
    cosines = np.clip(directions @ part.vectors.T, -1, 1)
    return keys, np.maximum.reduceat(cosines, firsts, axis=1)


def tune(find: Find, trials: Sequence[Trial], target: float) -> Efforts:
    """The least effort of each band that reaches a recall, or the most there is.

    ``trials`` are those without a filter, or those with one; they share the queries of a band.
    """
    efforts: list[Effort] = []
    for k in BANDS:
        least = efforts[-1].view if efforts else 0
        tried = [one for one in EFFORTS if one >= max(least, min(k + k // 2, EFFORTS[-1]))]
        for view in tried:
            effort = _measured(find, trials, k, view, FEW)
            if effort.high >= target and BANDS[k] > FEW:
                effort = _measured(find, trials, k, view, BANDS[k])
            if effort.low >= target:
                break
        efforts.append(effort)
    return Efforts(tuple(efforts))


def _measured(find: Find, trials: Sequence[Trial], k: int, view: int, count: int) -> Effort:
    """An effort with the recall that it has on at most so many of the queries of a band."""
    each = min(count, BANDS[k]) // len(trials)
    shares = np.array([one for trial in trials for one in trial.shares(find, k, view, each)])
    recall = estimate_recall(shares, k)
    filtered = any(trial.scope.filtered for trial in trials)
    return Effort(k, view, recall.mean, recall.low, recall.high, recall.queries, filtered)
