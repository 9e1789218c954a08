"""The effort of searches: how hard an index is searched for k rows, with a filter and without.

The hundredth nearest row is further away than the tenth, among more rows that codes cannot tell
from it. So effort is tuned, watched and stated by bands of k; a search for fewer rows than its
band's takes the band's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np

from indexer.ann.approximate import Layer
from indexer.ann.faiss_index import Allowed, AnnIndex
from indexer.ann.kinds import INDEX_KINDS, SearchParams
from indexer.ann.recall import QUERIES, K, Measured, SampleQueries, draw_sample, tune
from indexer.documents import Vectors
from indexer.index_choice import IndexKind
from indexer.thresholds import DEFAULT, Thresholds

BANDS: Final[Mapping[int, int]] = {K: QUERIES, 100: 64, 1_000: 24}
"""The k of each band, and the number of queries that its recall is measured with: fewer where each
has more places, and takes longer.
"""

MOST_QUERIES: Final = 1_024
"""Of many rows the first band's recall is measured with up to so many queries.

With 256 queries its interval is so wide that a million rows are searched twice as hard as needed.
"""

ROWS_PER_QUERY: Final = 1_000
"""So the time of measuring stays in proportion to that of building."""

KEPT: Final = 1 / 3
"""The share of rows that pass the filters that effort is measured with."""

UNMEASURED: Final = 8
"""For a band that was not measured, this many times its k are scored, and for one that was the same
share more beyond the last.
"""


class Band(NamedTuple):
    """Searches for at most k rows, under a filter or not."""

    k: int
    filtered: bool


FIRST: Final = Band(K, filtered=False)


def band_of(k: int) -> int:
    """The k of the band of a search for k rows: the least that is enough, else the last."""
    return next((one for one in BANDS if k <= one), max(BANDS))


@dataclass(frozen=True, slots=True)
class Efforts:
    """The effort of a search, by band: at least in the first."""

    measured: Mapping[Band, Measured]

    @property
    def first(self) -> Measured:
        """That of the least k, without a filter."""
        return self.measured[FIRST]

    def params(self, k: int, *, filtered: bool) -> SearchParams:
        """The search parameters for k rows."""
        band = Band(band_of(k), filtered)
        if band in self.measured:
            params = self.measured[band].params
        else:
            params = _guessed(self.first.params, band)
        return params if k <= band.k else _scaled(params, k / band.k)

    def layer(self, index: AnnIndex, k: int, *, filtered: bool) -> Layer:
        """The index, to be searched for k rows."""
        thorough = self.params(k, filtered=True)
        return Layer(index, thorough if filtered else self.params(k, filtered=False), thorough)

    def harder(self, kind: IndexKind, band: Band) -> Self | None:
        """The same with the next slower search parameters in a band; None after the last."""
        now = self.params(band.k, filtered=band.filtered)
        params = next_params(kind, now, band.k)
        if params is None:
            return None
        known = self.measured.get(band, self.first)
        return replace(self, measured={**self.measured, band: replace(known, params=params)})

    def at_least(self, rescore: int) -> Self:
        """The same with no fewer rows rescored in any band."""
        return self._with(lambda params: _deepened(params, rescore))

    def raised(self, factor: float) -> Self:
        """The same with so many times the effort in each band."""
        return self._with(lambda params: _scaled(params, factor))

    def _with(self, change: Callable[[SearchParams], SearchParams]) -> Self:
        return replace(
            self,
            measured={
                band: replace(one, params=change(one.params)) for band, one in self.measured.items()
            },
        )

    def describe(self) -> dict[str, dict[str, object]]:
        """The measured figures, by k, for users."""
        told: dict[str, dict[str, object]] = {}
        for band, one in sorted(self.measured.items()):
            own = told.setdefault(str(band.k), {})
            if band.filtered:
                own["filtered"] = _figures(one)
            else:
                own.update(_figures(one))
        return told


def next_params(kind: IndexKind, params: SearchParams, k: int) -> SearchParams | None:
    """The fastest search parameters of a kind for k rows that are slower; None after the last."""
    now = params.rescore, params.nprobe
    tried = INDEX_KINDS[kind].params_for(k)
    return next((one for one in tried if (one.rescore, one.nprobe) > now), None)


def _guessed(first: SearchParams, band: Band) -> SearchParams:
    """Search parameters for a band that was not measured, given those of the first."""
    wanted = UNMEASURED * band.k * (2 if band.filtered else 1)
    factor = max(1, min(wanted / max(first.rescore, 1), band.k / K))
    return SearchParams(int(factor * first.nprobe), max(first.rescore, wanted))


def _scaled(params: SearchParams, factor: float) -> SearchParams:
    return SearchParams(math.ceil(factor * params.nprobe), math.ceil(factor * params.rescore))


def _deepened(params: SearchParams, rescore: int) -> SearchParams:
    return replace(params, rescore=max(params.rescore, rescore))


def _figures(one: Measured) -> dict[str, object]:
    return {
        "recall": one.recall.mean,
        "recall_interval": [one.recall.low, one.recall.high],
        "recall_queries": one.recall.queries,
        "probes": one.params.nprobe,
        "rescored": one.params.rescore,
        "query_ms": one.query_ms,
    }


def queries_for(rows: int) -> Mapping[int, int]:
    """The number of queries, by k, that effort over so many rows is measured with."""
    return {**BANDS, K: max(BANDS[K], min(MOST_QUERIES, rows // ROWS_PER_QUERY))}


def draw_samples(
    vectors: Vectors, live: Allowed | None = None, queries: Mapping[int, int] | None = None
) -> dict[Band, SampleQueries]:
    """Queries with exact answers for each band; ``queries`` says how many, by k.

    A filter passes rows drawn at random, or those on one subject, for a quarter of as many queries
    each: it may have to do with what is asked, or not.
    """
    queries = queries or queries_for(len(vectors))
    samples = {
        Band(k, filtered=False): draw_sample(vectors, live, k, count=count)
        for k, count in queries.items()
    }
    for seed, passing in enumerate(_filters(vectors, live)):
        for k, count in queries.items():
            own = draw_sample(vectors, live, k, passing, count // 4, seed)
            band = Band(k, filtered=True)
            samples[band] = samples[band] + own if band in samples else own
    return samples


def _filters(vectors: Vectors, live: Allowed | None) -> Iterator[Allowed]:
    """(rows,) masks of rows that pass: a share drawn at random, and as many about one subject."""
    rng = np.random.default_rng(0)
    yield rng.random(len(vectors)) < KEPT
    members = np.arange(len(vectors)) if live is None else np.flatnonzero(live)
    if len(members):
        near = vectors @ vectors[rng.choice(members)]
        yield near >= np.quantile(near, 1 - KEPT)


def tune_efforts(
    index: AnnIndex,
    vectors: Vectors,
    samples: Mapping[Band, SampleQueries],
    target: float,
    thresholds: Thresholds = DEFAULT,
) -> Efforts:
    """The least efforts that reach the target in each band: none less than in an easier one."""
    measured: dict[Band, Measured] = {}
    least: SearchParams | None = None
    for band in sorted(samples, key=lambda band: (band.k, band.filtered)):
        measured[band] = tune(index, vectors, samples[band], target, thresholds, least)
        least = measured[Band(band.k, filtered=False)].params
    return Efforts(measured)
