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
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

RIDGES: Final = (0.1, 0.3, 1.0, 3.0)
"""Ridges that are tried, in units of the mean of a query's product with itself, which is 1."""

BLENDS: Final = (0.25, 0.5, 1.0, 2.0)
TOP: Final = 10
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


def choose(judged: Judged, rows: NDArray[np.int64], folds: int, rank: int, seed: int) -> Strength:
    """The strength whose maps rank best the queries that they were not fitted on."""
    values = {Strength(ridge, blend): 0.0 for ridge in RIDGES for blend in BLENDS}
    for train, test in folds_of(rows, folds, seed):
        solver = Solver(judged, train)
        plain = judged.scores(judged.queries[test])
        for ridge in RIDGES:
            moved = judged.scores(solver.moves(judged.queries[test], ridge, rank))
            for blend in BLENDS:
                ranked = judged.ndcg(plain + np.float32(blend) * moved, test)
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
