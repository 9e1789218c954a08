"""A linear map of queries' vectors towards those of their relevant documents, in closed form.

A query is to move from what it finds to what it should: by M, the mean of its relevant passages
less that of the best it finds instead (Rocchio, "Relevance feedback in information retrieval",
1971). With queries X and moves M, (n, d) rows, the map x -> x + x D has the D that makes |X D -
M|^2 + ridge |D|^2 least: ridge regression, so that without evidence the map is the identity (Hoerl
and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970). In the dual
form D = X'(X X' + ridge I)^-1 M (Saunders, Gammerman and Vovk, "Ridge regression learning algorithm
in dual variables", ICML 1998), which is small where queries are few. Of rank r it is D V V', with V
the r first right singular vectors of the fitted X D (reduced-rank regression: Izenman, "Reduced-
rank regression for the multivariate linear model", 1975). The blend says how far it goes: x + blend
x D.

Passages may be mapped as queries are (a learned distance): x -> x + blend x (D + D')/4, then scaled
to unit length. The map is symmetric, so that to first order a query and a passage are scored as if
by the mean of D applied to the one and to the other, and the index is one of inner products still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.adapter import Adapter

Floats: TypeAlias = NDArray[np.float64]

RIDGES: Final = (0.1, 0.3, 1.0, 3.0)
"""Ridges that are tried, in units of the mean of a query's product with itself, which is 1."""

BLENDS: Final = (0.25, 0.5, 1.0, 2.0)
TOP: Final = 10
_LEAST_SQUARE: Final = np.float32(1e-12)
_DISCOUNTS: Final = tuple(1.0 / math.log2(place + 2) for place in range(TOP))


@dataclass(frozen=True, slots=True)
class Strength:
    """The two numbers that are chosen by cross-validation."""

    ridge: float
    blend: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries and the passages that rankings are of.

    ``queries`` are (n, d) unit rows, ``moves`` what is to be added to them, ``passages`` (m, d).
    The passages of a document are adjacent and begin at one of ``starts``. ``gains`` has, for each
    query, the grades of documents by their number; documents without one are not relevant.
    """

    queries: NDArray[np.float32]
    moves: NDArray[np.float32]
    passages: NDArray[np.float32]
    starts: NDArray[np.int64]
    gains: Sequence[dict[int, int]]

    def scores(self, directions: NDArray[np.floating]) -> NDArray[np.float32]:
        """(q, m) the product of each direction, (q, d), with each passage."""
        scores: NDArray[np.float32] = directions.astype(np.float32) @ self.passages.T
        return scores

    def ndcg(
        self,
        scores: NDArray[np.float32],
        rows: NDArray[np.int64],
        ignored: Sequence[frozenset[int]] | None = None,
    ) -> Floats:
        """(q,) nDCG at TOP of the queries of these rows, by their scores of passages, (q, m).

        ``ignored`` documents of a query are in no ranking, and count for nothing.
        """
        best = np.maximum.reduceat(scores, self.starts, axis=1)  # (q, documents)
        values = np.zeros(len(rows))
        for place, row in enumerate(rows.tolist()):
            left_out = ignored[place] if ignored else frozenset()
            gains = {one: gain for one, gain in self.gains[row].items() if one not in left_out}
            values[place] = _ndcg(_order(best[place], left_out), gains)
        return values


def _order(scores: NDArray[np.float32], left_out: frozenset[int]) -> list[int]:
    """The TOP documents, best first."""
    depth = min(TOP + len(left_out), len(scores))
    near = np.argpartition(scores, len(scores) - depth)[len(scores) - depth :]
    ordered = near[np.argsort(-scores[near], kind="stable")].tolist()
    return [one for one in ordered if one not in left_out][:TOP]


def _ndcg(found: Sequence[int], gains: Mapping[int, int]) -> float:
    """Return nDCG with linear gains: 0 if nothing is relevant."""
    ideal = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:TOP]
    whole = sum(map(mul, ideal, _DISCOUNTS))
    reached = sum(max(gains.get(one, 0), 0) * _DISCOUNTS[r] for r, one in enumerate(found))
    return reached / whole if whole else 0.0


Scores: TypeAlias = NDArray[np.float32]
"""(q, m) scores of passages."""


class Solver:
    """The maps of some of the queries, for any ridge."""

    def __init__(self, judged: Judged, rows: NDArray[np.int64]) -> None:
        self._x = judged.queries[rows].astype(np.float64)
        moves = judged.moves[rows].astype(np.float64)
        self._values, self._turn = np.linalg.eigh(self._x @ self._x.T)  # (n,), (n, n)
        self._turned = self._turn.T @ moves  # (n, d)

    def _weights(self, ridge: float) -> Floats:
        weights: Floats = self._turn @ (self._turned / (self._values + ridge)[:, None])
        return weights

    def moves(self, queries: NDArray[np.floating], ridge: float, rank: int = 0) -> Floats:
        """(q, d) what the map adds to each of these queries, at blend 1."""
        left, right = self.factors(ridge, rank)
        moves: Floats = (queries.astype(np.float64) @ left) @ right
        return moves

    def factors(self, ridge: float, rank: int = 0) -> tuple[Floats, Floats]:
        """D as two factors, (d, r) and (r, d); a rank of 0 leaves it as it is."""
        weights = self._weights(ridge)
        n, d = self._x.shape
        if rank and rank < min(n, d):
            fitted = self._x @ (self._x.T @ weights)
            right = np.linalg.svd(fitted, full_matrices=False)[2][:rank]  # (r, d)
            return self._x.T @ (weights @ right.T), right
        if n < d:
            return self._x.T, weights
        return self._x.T @ weights, np.eye(d)


@dataclass(frozen=True, slots=True)
class Sides:
    """The sides of a search that maps are applied to.

    ``scores`` gives the (q, m) scores of queries, by their rows, under a map, ``trial`` those of
    each ridge and rank as a function of the blend, and ``factors`` the two factors of the map, (d,
    r) and (r, d).
    """

    trial: Callable[[Judged, Solver, NDArray[np.int64], float, int], Callable[[float], Scores]]
    factors: Callable[[Solver, Strength, int], tuple[Floats, Floats]]
    scores: Callable[[Judged, NDArray[np.int64], Adapter], Scores]


def choose(
    judged: Judged, rows: NDArray[np.int64], folds: int, rank: int, seed: int, sides: Sides
) -> Strength:
    """The strength whose maps rank best the queries that they were not fitted on."""
    values = {Strength(ridge, blend): 0.0 for ridge in RIDGES for blend in BLENDS}
    for train, test in folds_of(rows, folds, seed):
        solver = Solver(judged, train)
        for ridge in RIDGES:
            scores = sides.trial(judged, solver, test, ridge, rank)
            for blend in BLENDS:
                ranked = judged.ndcg(scores(blend), test)
                values[Strength(ridge, blend)] += float(ranked.sum())
    return max(values, key=lambda one: values[one])


def folds_of(
    rows: NDArray[np.int64], folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The rows of each fold left out in turn: those that remain, and those left out."""
    order = np.random.default_rng(seed).permutation(rows)
    for fold in range(folds):
        test = np.sort(order[fold::folds])
        yield np.setdiff1d(rows, test), test


def _try_queries(
    judged: Judged, solver: Solver, rows: NDArray[np.int64], ridge: float, rank: int
) -> Callable[[float], Scores]:
    plain = judged.scores(judged.queries[rows])
    moved = judged.scores(solver.moves(judged.queries[rows], ridge, rank))
    return lambda blend: plain + np.float32(blend) * moved


def _query_factors(solver: Solver, strength: Strength, rank: int) -> tuple[Floats, Floats]:
    left, right = solver.factors(strength.ridge, rank)
    return strength.blend * left, right


def _query_scores(judged: Judged, rows: NDArray[np.int64], adapter: Adapter) -> Scores:
    return judged.scores(adapter.apply(judged.queries[rows]))


def _try_both(
    judged: Judged, solver: Solver, rows: NDArray[np.int64], ridge: float, rank: int
) -> Callable[[float], Scores]:
    """With T = (D + D')/4: |p + blend p T|^2 and the products are polynomials in the blend."""
    turn = _symmetric(*solver.factors(ridge, rank)).astype(np.float32)  # (d, d)
    queries, passages = judged.queries[rows], judged.passages
    moved, turned = queries @ turn, passages @ turn  # (q, d), (m, d)
    plain, once, twice = queries @ passages.T, moved @ passages.T, moved @ turned.T
    along, lengths = np.vecdot(passages, turned), np.vecdot(turned, turned)  # (m,)

    def scores(blend: float) -> Scores:
        by = np.float32(blend)
        norms = np.sqrt(np.maximum(1 + 2 * by * along + by * by * lengths, _LEAST_SQUARE))
        found: Scores = (plain + 2 * by * once + by * by * twice) / norms
        return found

    return scores


def _both_factors(solver: Solver, strength: Strength, rank: int) -> tuple[Floats, Floats]:
    left, right = solver.factors(strength.ridge, rank)
    if 2 * left.shape[1] >= left.shape[0]:
        return strength.blend * _symmetric(left, right), np.eye(left.shape[0])
    return (
        strength.blend / 4 * np.concatenate([left, right.T], axis=1),
        np.concatenate([right, left.T]),
    )


def _symmetric(left: Floats, right: Floats) -> Floats:
    product: Floats = left @ right
    return (product + product.T) / 4


def _both_scores(judged: Judged, rows: NDArray[np.int64], adapter: Adapter) -> Scores:
    scores: Scores = adapter.apply(judged.queries[rows]) @ adapter.apply(judged.passages).T
    return scores


QUERIES_ALONE: Final = Sides(_try_queries, _query_factors, _query_scores)
BOTH: Final = Sides(_try_both, _both_factors, _both_scores)
