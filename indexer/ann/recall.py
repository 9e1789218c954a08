"""The recall and speed of an index, measured on a collection's own vectors.

Recall@k is the share of the k nearest rows (by exact search) that an index returns; a row that
ties with the k-th counts as found. Its interval is Wilson's score interval (Wilson, 1927) at
95 % over all k * queries places, widened by the clustering of misses within queries (the design
effect of a cluster sample; Kish, 1965).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.ann.approximate import Layer, approximate_search
from indexer.ann.faiss_index import (
    Allowed,
    AnnIndex,
    Cosines,
    exact_search,
    threads_for,
)
from indexer.ann.kinds import INDEX_KINDS, SearchParams
from indexer.documents import Vectors
from indexer.thresholds import DEFAULT, Thresholds

K: Final = 10
QUERIES: Final = 256
DRAWN: Final = 4
"""This many times as many vectors are drawn, since copies among them make the same query."""

_PARTS: Final = 4
"""Search parameters are tried with the first of so many parts of the queries before the others."""

_TOGETHER: Final = 16
"""Queries searched by one call: what they rescore takes memory."""

_Z: Final = 1.96
_TIE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Recall:
    """An estimate of recall@k with its 95 % interval."""

    mean: float
    low: float
    high: float
    k: int
    queries: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The recall with some search parameters, and the median time of a query on one thread.

    It is processor time: an index is mostly built beside other work.
    """

    params: SearchParams
    recall: Recall
    query_ms: float


@dataclass(frozen=True, slots=True)
class SampleQueries:
    """Queries with their exact answers, for k rows each.

    ``queries`` are (q, d) unit rows. ``nearest`` has the k highest scores of each, fewer if fewer
    rows are allowed, and ``allowed`` the rows that an answer to it may contain.
    """

    queries: Vectors
    nearest: tuple[Cosines, ...]
    allowed: tuple[Allowed | None, ...]
    k: int

    def __add__(self, other: SampleQueries) -> SampleQueries:
        """The queries of both, of which the first names its k."""
        return SampleQueries(
            np.concatenate([self.queries, other.queries]),
            self.nearest + other.nearest,
            self.allowed + other.allowed,
            self.k,
        )

    def parted(self) -> tuple[SampleQueries, SampleQueries]:
        """About a quarter of the queries, spread evenly, and the others."""
        first = np.arange(len(self.queries)) % _PARTS == 0
        return self._only(first), self._only(~first)

    def _only(self, wanted: NDArray[np.bool_]) -> SampleQueries:
        places = np.flatnonzero(wanted)
        return SampleQueries(
            self.queries[places],
            tuple(self.nearest[place] for place in places),
            tuple(self.allowed[place] for place in places),
            self.k,
        )


def draw_sample(
    vectors: Vectors,
    live: Allowed | None = None,
    k: int = K,
    passing: Allowed | None = None,
    count: int = QUERIES,
    seed: int = 0,
) -> SampleQueries:
    """Stored vectors, all different, as queries; the nearest to each, itself, is left out.

    So they stand for documents that are not stored yet. They are of ``live`` rows; of these only
    ``passing`` ones are in an answer.
    """
    rng = np.random.default_rng(seed)
    members = np.arange(len(vectors)) if live is None else np.flatnonzero(live)
    drawn = np.sort(rng.permutation(members)[: DRAWN * count])
    queries: Vectors = distinct(np.array(vectors[drawn]))
    queries = queries[np.sort(rng.permutation(len(queries))[:count])]
    allowed = passing if live is None or passing is None else live & passing
    allowed = live if passing is None else allowed
    nearest = exact_search(queries, vectors, k + 1, allowed)[0][:, 1:]
    return SampleQueries(queries, tuple(nearest), (allowed,) * len(queries), k)


def distinct(vectors: Vectors) -> Vectors:
    """The (n, d) vectors without those that equal an earlier one."""
    first = {vector.tobytes(): place for place, vector in reversed(list(enumerate(vectors)))}
    return vectors[sorted(first.values())]


def tune(
    index: AnnIndex,
    vectors: Vectors,
    sample: SampleQueries,
    target: float,
    thresholds: Thresholds = DEFAULT,
    least: SearchParams | None = None,
) -> Measured:
    """The fastest search parameters whose recall reaches the target with 97.5 % confidence.

    Those before ``least`` are not tried, and those that miss it with a quarter of the queries are
    not tried with the others. The most thorough ones if none reaches it; their recall tells.
    """
    tried = INDEX_KINDS[index.kind].params_for(sample.k)
    later = tried[tried.index(least) :] if least in tried else tried
    first, rest = sample.parted()
    for params in later:
        layer = Layer(index, params)
        shares = _shares(layer, vectors, first, thresholds)
        if params is not later[-1] and estimate_recall(shares, sample.k).mean < target:
            continue
        shares = np.concatenate([shares, _shares(layer, vectors, rest, thresholds)])
        recall = estimate_recall(shares, sample.k)
        if recall.low >= target:
            break
    return Measured(params, recall, _query_ms(layer, vectors, first, thresholds))


def measure(
    index: AnnIndex,
    params: SearchParams,
    vectors: Vectors,
    sample: SampleQueries,
    thresholds: Thresholds = DEFAULT,
) -> Measured:
    """Recall over the sample's queries, and the time of a quarter of them one by one."""
    layer = Layer(index, params)
    recall = estimate_recall(_shares(layer, vectors, sample, thresholds), sample.k)
    return Measured(params, recall, _query_ms(layer, vectors, sample.parted()[0], thresholds))


def _shares(
    layer: Layer, vectors: Vectors, sample: SampleQueries, thresholds: Thresholds
) -> NDArray[np.float64]:
    """(q,) the share of its nearest rows that is found for each query.

    Many are searched by each call, which FAISS makes without the interpreter's lock: an index is
    mostly measured beside searches that need it.
    """
    shares = np.empty(len(sample.queries))
    for allowed, places in _by_filter(sample.allowed):
        for start in range(0, len(places), _TOGETHER):
            own = places[start : start + _TOGETHER]
            scores, _ = approximate_search(
                layer, sample.queries[own], vectors, sample.k + 1, allowed, thresholds=thresholds
            )
            for place, found in zip(own, scores, strict=True):
                shares[place] = share_found(found[1:], sample.nearest[place])
    return shares


def _by_filter(allowed: Sequence[Allowed | None]) -> Iterator[tuple[Allowed | None, list[int]]]:
    """The places of each filter, and the filter."""
    places: dict[int, list[int]] = {}
    for place, own in enumerate(allowed):
        places.setdefault(id(own), []).append(place)
    for group in places.values():
        yield allowed[group[0]], group


def _query_ms(
    layer: Layer, vectors: Vectors, sample: SampleQueries, thresholds: Thresholds
) -> float:
    """The median time of a query by itself."""
    times = []
    for query, allowed in zip(sample.queries, sample.allowed, strict=True):
        start = time.thread_time()
        approximate_search(layer, query[None], vectors, sample.k + 1, allowed, None, thresholds)
        times.append(time.thread_time() - start)
    return float(np.median(times)) * 1e3 if times else 0.0


def batched_ms(layer: Layer, vectors: Vectors, sample: SampleQueries) -> float:
    """The time of each of the sample's queries where one thread searches for all together."""
    allowed = sample.allowed[0] if sample.allowed else None
    with threads_for(sample.queries[:1]):
        start = time.thread_time()
        approximate_search(layer, sample.queries, vectors, sample.k + 1, allowed)
        seconds = time.thread_time() - start
    return seconds * 1e3 / max(len(sample.queries), 1)


def share_found(scores: NDArray[np.float32], nearest: NDArray[np.float32]) -> float:
    """The share of the k nearest in an answer, by score: ties are not misses."""
    if not len(nearest):
        return 1.0
    return min(1.0, float(np.count_nonzero(scores >= nearest[-1] - _TIE)) / len(nearest))


def estimate_recall(shares: NDArray[np.float64], k: int) -> Recall:
    """Mean recall over queries, (q,) shares in [0, 1], with its 95 % interval."""
    queries = len(shares)
    if queries == 0:
        return Recall(1.0, 0.0, 1.0, k, 0)
    mean = float(shares.mean())
    places = queries * max(k, 1)
    binomial = mean * (1 - mean) / max(k, 1)
    effect = max(1.0, float(shares.var(ddof=1)) / binomial) if binomial and queries > 1 else 1.0
    count = places / effect
    centre = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    spread = _Z * np.sqrt(mean * (1 - mean) / count + (_Z / (2 * count)) ** 2)
    half = float(spread) / (1 + _Z**2 / count)
    return Recall(mean, max(0.0, centre - half), min(1.0, centre + half), k, queries)
