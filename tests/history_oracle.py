"""What a collection of some documents must answer, computed from the documents alone.

In NumPy and float64, by the formulas themselves and by looking at every document: nothing here
knows of an index, of rows, or of the order in which documents came. Of the library it takes what
documents are, how a text becomes words, and what a filter means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Document, Vector, Vectors
from indexer.filters import Filter, matches
from indexer.lexical.analyzer import Analyzer
from indexer.queries import Fusion, Query

Values = NDArray[np.float64]
"""(n,) float64, one a document."""

Mask = NDArray[np.bool_]
"""(n,) bool, one a document."""

K1: Final = 1.2
B: Final = 0.75
DENSE_WEIGHT: Final = 0.65
SPAN: Final = 8.0
LEVEL: Final = 0.1
RANK_OFFSET: Final = 60
POOL: Final = 50
TEACHERS: Final = 5
FED: Final = 30
FEEDBACK_WEIGHT: Final = 0.3
TOLERANCE: Final = 1e-6
"""How far a score may be from what it must be. Scores that are closer to each other than twice
this, and not of equal documents, may stand in either order."""

FLOAT32: Final = 3e-7
"""How far a cosine that is computed in float32 may be from the exact one."""


@dataclass(frozen=True)
class Expected:
    """What each document scores, (n,), and whether it may be a hit.

    ``tolerance`` is how far a score may be from this. ``sure`` says that which documents may be
    hits does not hang on rounding.
    """

    scores: Values
    among: Mask
    tolerance: float = TOLERANCE
    sure: bool = True


class Oracle:
    """Documents with their vectors, in any order; ``bags`` keeps the words of texts met before."""

    def __init__(
        self,
        documents: Mapping[str, tuple[Document, Vectors]],
        analyzer: Analyzer,
        bags: dict[str, Counter[str]],
    ) -> None:
        self.ids = sorted(documents)
        self.place = {id: place for place, id in enumerate(self.ids)}
        self.documents = [documents[id][0] for id in self.ids]
        self._parts = [documents[id][1] for id in self.ids]
        self._analyzer = analyzer
        self._known = bags
        self._passing: dict[str, Mask] = {}

    # Vectors

    @cached_property
    def _distinct(self) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
        """Different vectors, which of them each chunk has, and where each document's begin.

        So equal chunks have equal cosines, whatever a product rounds.
        """
        rows = np.concatenate(self._parts)
        starts = np.cumsum([0, *map(len, self._parts[:-1])])
        bytes_of = np.ascontiguousarray(rows).view(f"V{rows.shape[1] * 4}")[:, 0]
        _, first, which = np.unique(bytes_of, return_index=True, return_inverse=True)
        return rows[first].astype(np.float64), which, starts

    @property
    def chunks(self) -> int:
        """How many there are."""
        return sum(map(len, self._parts))

    def cosines(self, vector: Vector) -> Values:
        """The cosine of each document's best chunk."""
        distinct, which, starts = self._distinct
        exact = np.asarray(vector, np.float64)
        scores = np.clip(distinct @ (exact / np.linalg.norm(exact)), -1.0, 1.0)
        return np.maximum.reduceat(scores[which], starts)

    def cosines_of(self, id: str, vector: Vector) -> Values:
        """The cosine of each chunk of a document."""
        exact = np.asarray(vector, np.float64)
        scores: Values = self._parts[self.place[id]] @ (exact / np.linalg.norm(exact))
        return scores

    def chunks_near(self, least: float) -> int:
        """How many chunks have a chunk of another document with a cosine of at least this."""
        distinct, which, starts = self._distinct
        owners = np.repeat(np.arange(len(starts)), np.diff([*starts, len(which)]))
        rows = distinct[which]
        near = 0
        for start in range(0, len(rows), 1000):
            close = rows[start : start + 1000] @ rows.T >= least
            close &= owners[start : start + 1000, None] != owners
            near += int(close.any(axis=1).sum())
        return near

    # Words

    @cached_property
    def _bags(self) -> list[Counter[str]]:
        return [self._bag(document.content) for document in self.documents]

    def _bag(self, content: str) -> Counter[str]:
        if content not in self._known:
            self._known[content] = Counter(self._analyzer.words(content))
        return self._known[content]

    @cached_property
    def _postings(self) -> dict[str, tuple[list[int], list[int]]]:
        """For each word the places of documents that hold it, and how often they do."""
        found: dict[str, tuple[list[int], list[int]]] = {}
        for place, bag in enumerate(self._bags):
            for word, frequency in bag.items():
                places, frequencies = found.setdefault(word, ([], []))
                places.append(place)
                frequencies.append(frequency)
        return found

    @cached_property
    def _lengths(self) -> Values:
        return np.array([bag.total() for bag in self._bags], np.float64)

    def bm25(self, text: str) -> Values:
        """BM25 by its formula, with exact lengths; 0 where no word is held."""
        scores = np.zeros(len(self.ids))
        shortness = K1 * (1 - B + B * self._lengths / self._lengths.mean())
        for word, weight in self._analyzer.asked(text).items():
            places, frequencies = self._postings.get(word, ([], []))
            holding = len(places)
            idf = np.log(1 + (len(self.ids) - holding + 0.5) / (holding + 0.5))
            f = np.array(frequencies, np.float64)
            scores[places] += weight * idf * (K1 + 1) * f / (f + shortness[places])
        return scores

    # Both

    def fused(self, query: Query) -> Expected:
        """The candidates of a hybrid search that is exact, with their fused scores."""
        assert query.vector is not None
        depth, passing = max(query.k, query.candidates or POOL), self.passing(query.filter)
        dense, lexical = self.cosines(query.vector), self.bm25(query.text or "")
        rankings = self.best(dense, passing), self.best(lexical, passing & (lexical > 0))
        heads = [ranking[:depth] for ranking in rankings]
        places = np.union1d(*heads)
        by_rank = query.fusion is Fusion.RECIPROCAL_RANK
        if by_rank:
            fused, tolerance = _reciprocal_ranks(heads, places), TOLERANCE
        else:
            pool = np.isin(places, np.concatenate([head[:POOL] for head in heads]))
            fused, tolerance = _convex(dense[places], lexical[places], pool)
        sure = all(
            _is_clear(scores[ranking], bound)
            for scores, ranking in zip((dense, lexical), rankings, strict=True)
            for bound in (range(1, depth + 1) if by_rank else (depth, POOL))
        )
        if not by_rank:
            ordered = np.sort(fused)[::-1]
            sure = sure and all(_is_clear(ordered, each, tolerance) for each in (TEACHERS, FED))
            fused, moved = self._fed_back(fused, places)
            held = dense[places][pool]
            unit = (_unit(held) or LEVEL) if len(held) else 0.0
            fused = (held.mean() if len(held) else 0.0) + unit * fused
            tolerance = max(TOLERANCE, unit * (tolerance + moved) + FLOAT32)
        scores, among = np.zeros(len(self.ids)), np.zeros(len(self.ids), np.bool_)
        scores[places], among[places] = fused, True
        return Expected(scores, among, tolerance, sure)

    def _fed_back(self, fused: Values, places: NDArray[np.int64]) -> tuple[Values, float]:
        """The scores with feedback from the five best, and how far rounding may move that."""
        if not len(places):
            return fused, 0.0
        best = np.argsort(-fused, kind="stable")[:FED]  # places are in order of ids
        weights = np.exp((fused[best[:TEACHERS]] - fused.max()) / 0.5)
        means = [self._parts[place].mean(axis=0, dtype=float) for place in places[best[:TEACHERS]]]
        direction = weights @ np.stack(means)
        likeness = self.cosines(direction.astype(np.float32))[places[best]]
        if not (unit := _unit(likeness)):
            return fused, 0.0
        added = (likeness - likeness.mean()) / unit
        whole = np.full(len(fused), added.min())
        whole[best] = added
        return fused + FEEDBACK_WEIGHT * whole, 2 * FEEDBACK_WEIGHT * FLOAT32 / unit

    # Order

    def passing(self, condition: Filter | None) -> Mask:
        """Which documents pass a filter."""
        if condition is None:
            return np.ones(len(self.ids), np.bool_)
        key = repr(condition)  # as values, 1 and true are equal in Python, but not to a filter
        if key not in self._passing:
            passing = [matches(condition, one.metadata) for one in self.documents]
            self._passing[key] = np.array(passing, np.bool_)
        return self._passing[key]

    def best(self, scores: Values, among: Mask) -> NDArray[np.int64]:
        """Places of documents, by falling score, equal scores by id."""
        places = np.flatnonzero(among)
        ordered: NDArray[np.int64] = places[np.argsort(-scores[places], kind="stable")]
        return ordered

    def check_order(
        self, ids: Sequence[str], scores: Sequence[float], wanted: Expected, k: int
    ) -> None:
        """Raise AssertionError unless these are the k best of some documents, in order."""
        expected, among = wanted.scores, wanted.among
        ranked = self.best(expected, among)
        assert len(ids) == min(k, len(ranked)), f"{len(ids)} hits of {len(ranked)}, k={k}"
        if not len(ids):
            return
        places = np.array([self.place[id] for id in ids])
        assert len(set(ids)) == len(ids), f"a document comes twice: {ids}"
        assert among[places].all(), f"forbidden: {np.array(ids)[~among[places]]}"
        held, best = expected[places], expected[ranked[: len(ids)]]
        bound = wanted.tolerance
        np.testing.assert_allclose(scores, held, rtol=0, atol=bound, err_msg=f"scores of {ids}")
        np.testing.assert_allclose(held, best, rtol=0, atol=2 * bound, err_msg=f"best: {ids}")
        self._check_ties(places, expected, ranked)

    def _check_ties(
        self, places: NDArray[np.int64], expected: Values, ranked: NDArray[np.int64]
    ) -> None:
        """Of documents whose scores are equal, those with the least ids must come, in order."""
        tied = ranked[np.isin(expected[ranked], expected[places])]
        waiting: dict[float, list[int]] = {}
        for place in tied[::-1].tolist():
            waiting.setdefault(float(expected[place]), []).append(place)
        for rank, place in enumerate(places.tolist()):
            own = waiting[float(expected[place])].pop()
            assert place == own, (
                f"at rank {rank} stands {self.ids[place]!r} and not {self.ids[own]!r}, "
                f"whose score is equal: {expected[own]}"
            )


def _is_clear(ranked: Values, bound: int, tolerance: float = TOLERANCE) -> bool:
    """Whether rounding cannot change which are the first so many; equal scores go by id."""
    if len(ranked) <= bound:
        return True
    gap = ranked[bound - 1] - ranked[bound]
    return bool(gap == 0 or gap > 2 * tolerance)


def _convex(dense: Values, lexical: Values, pool: Mask) -> tuple[Values, float]:
    """Both parts standardised and weighed; and how far rounded cosines may move the sum."""
    units = _unit(dense[pool]), _unit(lexical[pool])
    parts = [
        (scores - scores[pool].mean()) / unit if unit else np.zeros(len(scores))
        for scores, unit in zip((dense, lexical), units, strict=True)
    ]
    moved = DENSE_WEIGHT * FLOAT32 / units[0] if units[0] else 0.0
    return DENSE_WEIGHT * parts[0] + (1 - DENSE_WEIGHT) * parts[1], max(TOLERANCE, moved)


def _unit(held: Values) -> float:
    """The deviation of scores, or an eighth of their range; 0 where all are equal."""
    if not len(held) or np.ptp(held) / SPAN <= np.finfo(np.float64).tiny:
        return 0.0
    return float(max(held.std(), np.ptp(held) / SPAN))


def _reciprocal_ranks(heads: Sequence[NDArray[np.int64]], places: NDArray[np.int64]) -> Values:
    total = np.zeros(len(places))
    for head in heads:
        ranks = {place: rank for rank, place in enumerate(head.tolist(), start=1)}
        total += [1 / (RANK_OFFSET + ranks[p]) if p in ranks else 0.0 for p in places.tolist()]
    return total
