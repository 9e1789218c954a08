"""Diagnostics of a collection's vectors, measured on one state of it in bounded time.

Figures that need every pair of chunks are measured on samples, always the same for the same state:
the shape and the hubs on SAMPLE_CHUNKS, near duplicates from as many as PAIRS allows to all others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.analysis import geometry
from indexer.documents import Vector, Vectors
from indexer.engine import EngineState, Key, Sample
from indexer.ranking.significance import Background
from indexer.reports import Diagnosis, Hub, Neighbours, Step, Tell

SAMPLE_CHUNKS: Final = 8_192
ALIGNED_DOCUMENTS: Final = SAMPLE_CHUNKS // 2
"""Documents of which pairs of consecutive chunks are measured."""

PAIRS: Final = 2**27
"""Pairs examined for near duplicates: every pair of 11,585 chunks."""

LEAST_LOOKED: Final = 256
"""Chunks examined, at least, however many there are to compare them with."""

HUB_K: Final = 10
SHOWN: Final = 5
EQUAL: Final = 1.0 - 1e-6
"""The cosine of equal vectors may be this far below 1 by rounding."""

_ROUNDING: Final = 4e-6
"""A product of matrices of unit vectors is off by less."""

RowIds: TypeAlias = NDArray[np.int64]

_SCANNED: Final = 16_384
_QUERIES: Final = 256
_EXAMPLES: Final = 10_000
_RANDOM_PAIRS: Final = 200_000
_SEED: Final = 6


def diagnose(name: str, state: EngineState, background: Background | None, tell: Tell) -> Diagnosis:
    """The figures of one state of a collection."""
    started = time.monotonic()
    counts = state.counts
    sample = state.sample(SAMPLE_CHUNKS, _SEED)
    count = len(sample.vectors)
    random_cosines = _random_cosines(sample)
    typical = float(random_cosines.mean()) if len(random_cosines) else 0.0
    tell(Step("shape", 1, 1))
    eigenvalues = geometry.spectrum(sample.vectors) if count else np.zeros(1)
    aligned = _aligned(state, sample)
    scan = _scan(state, geometry.near_duplicate(typical), tell)
    skewness, hubs = _hubs(state, sample, tell)
    copies, copied = state.copies(SHOWN)
    return Diagnosis(
        collection=name,
        model=state.identity.name,
        documents=counts.documents,
        chunks=counts.chunks,
        truncated=counts.truncated,
        unknown=counts.unknown,
        dimension=state.identity.dimension,
        sampled=count,
        shortest=scan.shortest if scan.longest else 0.0,
        longest=scan.longest,
        mean_cosine=typical if len(random_cosines) else None,
        uniformity=geometry.uniformity(random_cosines) if len(random_cosines) else None,
        alignment=geometry.alignment(*aligned) if len(aligned[0]) else None,
        aligned_pairs=len(aligned[0]),
        participation_ratio=geometry.participation_ratio(eigenvalues),
        effective_rank=geometry.effective_rank(eigenvalues),
        copies=copies,
        copied=tuple(copied),
        near=_neighbours(state, scan),
        hub_k=min(HUB_K, max(count - 1, 0)),
        hub_skewness=skewness,
        hubs=hubs,
        background=background,
        seconds=time.monotonic() - started,
    )


def _random_cosines(sample: Sample) -> NDArray[np.float64]:
    """The cosines of random pairs of different documents."""
    count = len(sample.vectors)
    if count < 2:
        return np.empty(0)
    rng = np.random.default_rng(_SEED)
    left, right = rng.integers(count, size=(2, _RANDOM_PAIRS))
    kept = sample.keys[left] != sample.keys[right]
    left, right = left[kept], right[kept]
    cosines = [
        np.einsum("nd,nd->n", sample.vectors[left[part]], sample.vectors[right[part]])
        for part in np.array_split(np.arange(len(left)), 50)
    ]
    return np.concatenate(cosines).astype(np.float64)


def _aligned(state: EngineState, sample: Sample) -> tuple[Vectors, Vectors]:
    """Pairs of consecutive chunks of one document, for the documents in the sample."""
    keys = [Key(key) for key in dict.fromkeys(sample.keys.tolist())][:ALIGNED_DOCUMENTS]
    longer = [one.vectors for one in state.vectors(keys).values() if len(one.vectors) > 1]
    if not longer:
        none = np.empty((0, state.identity.dimension), np.float32)
        return none, none
    left = np.concatenate([vectors[:-1] for vectors in longer])
    right = np.concatenate([vectors[1:] for vectors in longer])
    return left[: SAMPLE_CHUNKS // 2], right[: SAMPLE_CHUNKS // 2]


class _Pairs(NamedTuple):
    """Pairs, (m,) each: places among the rows looked at, others in a part, rounded cosines."""

    places: RowIds
    others: RowIds
    cosines: Vector


def _best_of_each(places: RowIds, cosines: Vector) -> RowIds:
    """The index of the largest cosine of each place; places, (m,), ascend."""
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    if not len(starts):
        return starts
    largest = np.maximum.reduceat(cosines, starts)
    tied = np.flatnonzero(cosines == np.repeat(largest, np.diff(starts, append=len(places))))
    return tied[np.flatnonzero(np.diff(places[tied], prepend=-1))]


@dataclass(slots=True)
class _Scan:
    """The results of one pass over all vectors: lengths, and near duplicates of a sample."""

    least: float
    looked: Sample
    near: NDArray[np.bool_]
    equal: NDArray[np.bool_]
    shortest: float = np.inf
    longest: float = 0.0
    examples: dict[tuple[int, int], float] = field(default_factory=dict)

    def measure(self, part: Sample) -> None:
        """Include the lengths of some vectors."""
        norms = np.sqrt(np.einsum("nd,nd->n", part.vectors, part.vectors, dtype=np.float32))
        self.shortest = min(self.shortest, float(norms.min()))
        self.longest = max(self.longest, float(norms.max()))

    def compare(self, part: Sample) -> None:
        """Find the near duplicates among them."""
        for start in range(0, len(self.looked.vectors), _QUERIES):
            cosines = self.looked.vectors[start : start + _QUERIES] @ part.vectors.T
            places, others = np.nonzero(cosines > self.least - _ROUNDING)
            kept = self.looked.keys[start + places] != part.keys[others]
            places, others = places[kept], others[kept]
            pairs = _Pairs(start + places, others, cosines[places, others])
            self.near[self._reaching(self.least, pairs, part.vectors)] = True
            self.equal[self._reaching(EQUAL, pairs, part.vectors)] = True
            first = np.flatnonzero(pairs.cosines > self.least)[:_EXAMPLES]
            own, other = self.looked.keys[pairs.places[first]], part.keys[others[first]]
            self._show(own, other, pairs.cosines[first])

    def _reaching(self, bound: float, pairs: _Pairs, vectors: Vectors) -> NDArray[np.bool_]:
        """(looked,) whether a row's cosine in any pair is ``bound`` or more.

        Exactly, where rounding could decide: a matrix product rounds by where in it a row is,
        which is a matter of the collection's history.
        """
        reached = np.zeros(len(self.near), dtype=np.bool_)
        reached[pairs.places[pairs.cosines > bound + _ROUNDING]] = True
        unsure = np.flatnonzero(np.abs(pairs.cosines - bound) <= _ROUNDING)
        # A row's best pair first, which of copies is enough: there may be very many of them.
        best = _best_of_each(pairs.places[unsure], pairs.cosines[unsure])
        for some in (unsure[best], np.delete(unsure, best)):
            some = some[~reached[pairs.places[some]]]
            for chunk in np.array_split(some, len(some) // _SCANNED + 1):
                own = self.looked.vectors[pairs.places[chunk]].astype(np.float64)
                exact = np.einsum("nd,nd->n", own, vectors[pairs.others[chunk]])
                reached[pairs.places[chunk[exact >= bound]]] = True
        return reached

    def _show(self, own: RowIds, other: RowIds, scores: Vector) -> None:
        """Add the first pairs as examples, no document twice, while there are few."""
        shown = {key for pair in self.examples for key in pair}
        for a, b, score in zip(own.tolist(), other.tolist(), scores.tolist(), strict=True):
            if len(self.examples) == SHOWN:
                return
            if a not in shown and b not in shown:
                self.examples[(a, b)] = min(score, 1.0)
                shown |= {a, b}


def _scan(state: EngineState, least: float, tell: Tell) -> _Scan:
    """The results of one pass over all vectors."""
    total = state.counts.chunks
    looked = state.sample(min(max(PAIRS // max(total, 1), LEAST_LOOKED), total), _SEED + 1)
    none = np.zeros(len(looked.vectors), dtype=np.bool_)
    scan = _Scan(least, looked, none, none.copy())
    for done, part in _counted(state.scan(_SCANNED)):
        scan.measure(part)
        scan.compare(part)
        tell(Step("near duplicates", done, total))
    return scan


def _counted(parts: Iterator[Sample]) -> Iterator[tuple[int, Sample]]:
    done = 0
    for part in parts:
        if len(part.vectors):
            done += len(part.vectors)
            yield done, part


def _neighbours(state: EngineState, scan: _Scan) -> Neighbours:
    ids = state.ids({Key(key) for pair in scan.examples for key in pair})
    return Neighbours(
        scan.least,
        len(scan.near),
        int(scan.near.sum()),
        int(scan.equal.sum()),
        tuple((ids[Key(a)], ids[Key(b)], score) for (a, b), score in scan.examples.items()),
    )


def _hubs(state: EngineState, sample: Sample, tell: Tell) -> tuple[float, tuple[Hub, ...]]:
    """The skewness of how often sampled chunks are neighbours, and the most frequent ones."""
    count = len(sample.vectors)
    k = min(HUB_K, count - 1)
    if k < 1:
        return 0.0, ()
    times = np.zeros(count, dtype=np.int64)
    for start in range(0, count, _QUERIES):
        cosines = sample.vectors[start : start + _QUERIES] @ sample.vectors.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf  # no chunk is its own neighbour
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        times += geometry.occurrences(nearest, count)
        tell(Step("hubs", start + len(cosines), count))
    most = np.argsort(-times, kind="stable")[:SHOWN]
    keys = [Key(key) for key in sample.keys[most].tolist()]
    ids = state.ids(keys)
    return geometry.skewness(times), tuple(
        Hub(ids[key], int(times[place])) for key, place in zip(keys, most.tolist(), strict=True)
    )
