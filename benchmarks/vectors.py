"""What is searched in a benchmark: stored vectors, queries that are not among them, the truth.

Vectors come from a file, or are drawn. The mixture that is drawn from without a file is a tree:
each vector is the sum of a branch at every level and a leaf of its own, all Gaussian with the same
falling spectrum, scaled to unit length. Its constants were fitted by the cosines of random pairs
and of nearest neighbours of a million titles embedded by all-MiniLM-L6-v2. Where more rows are
wanted than a file holds, a Gaussian mixture is fitted to the file's own vectors instead: means by
k-means, and of each component the covariance of its own members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

K: Final = 10
DIMENSION: Final = 384
SHARES: Final = (0.5, 0.1, 0.01, 0.001, 0.00001)
"""Shares of the rows that filters keep."""

FILTER_QUERIES: Final = 100
BATCH: Final = 16_384
_TIE: Final = 1e-6
_SEED: Final = 4

_LEVELS: Final = ((1, 0.22), (16, 0.30), (256, 0.36), (4_096, 0.40), (65_536, 0.38))
"""Branches of a level, and their length; the leaf has what is left of unit length."""

_SPECTRUM: Final = 0.65
"""The j-th of the directions has variance j ** -_SPECTRUM."""

_FIT_ROWS: Final = 131_072
_COMPONENTS: Final = 1_024

Draw = Callable[[np.random.Generator, int], Vectors]


@dataclass(frozen=True, slots=True)
class Data:
    """A folder with what is searched: written once by :func:`prepare`, memory-mapped by all."""

    folder: Path

    @property
    def base(self) -> Vectors:
        """(rows, d) float32 unit rows, memory-mapped."""
        base: Vectors = np.load(self.folder / "base.npy", mmap_mode="r")
        return base

    @property
    def queries(self) -> Vectors:
        """(q, d) float32 unit rows, none of them stored."""
        queries: Vectors = np.load(self.folder / "queries.npy")
        return queries

    @property
    def places(self) -> NDArray[np.int64]:
        """(rows,) a random permutation: the metadata that filters compare, ``place < bound``."""
        places: NDArray[np.int64] = np.load(self.folder / "places.npy")
        return places

    def recall(self, found: NDArray[np.int64], queries: slice, share: float | None = None) -> float:
        """The share of the K nearest that rows (q, K), -1 for none, hold; ties are not misses."""
        least = np.load(self.folder / f"least-{share}.npy")[queries]
        wanted = min(K, bound(len(self.base), share))
        base, shares = self.base, []
        places = None if share is None else self.places
        for query, rows, lowest in zip(self.queries[queries], found, least, strict=True):
            own = np.unique(rows[rows >= 0])
            if places is not None:
                assert (places[own] < bound(len(base), share)).all()
            near = int(np.count_nonzero(base[own] @ query >= lowest - _TIE))
            shares.append(min(near, wanted) / wanted)
        return float(np.mean(shares))


def bound(rows: int, share: float | None) -> int:
    """How many rows a filter keeps."""
    return rows if share is None else max(1, round(rows * share))


def prepare(folder: Path, vectors: Path | None, rows: int, queries: int) -> Data:
    """Write what is searched, in bounded memory; fewer rows if the file to be searched has fewer.

    Queries are drawn from among all vectors, and left out of those that are stored.
    """
    rng = np.random.default_rng(_SEED)
    parts = _from_file(vectors, rows + queries, rng) if vectors else _drawn(rows + queries, rng)
    held_out = np.zeros(rows + queries, dtype=np.bool_)
    held_out[rng.permutation(rows + queries)[:queries]] = True
    _write(folder, parts, held_out)
    np.save(folder / "places.npy", rng.permutation(rows))
    data = Data(folder)
    for share, least in zip((None, *SHARES), find_least(data), strict=True):
        np.save(folder / f"least-{share}.npy", least)
    return data


def _write(folder: Path, parts: Iterator[Vectors], held_out: NDArray[np.bool_]) -> None:
    queries: list[Vectors] = []
    stored = done = 0
    base: Vectors | None = None
    for part in parts:
        if base is None:
            shape = (int(np.count_nonzero(~held_out)), part.shape[1])
            base = np.lib.format.open_memmap(
                folder / "base.npy", mode="w+", dtype=np.float32, shape=shape
            )
        unit = part / np.linalg.norm(part, axis=1, keepdims=True)
        if not np.isfinite(unit).all():
            raise SystemExit(f"a vector of rows {done} to {done + len(part)} has no direction")
        out = held_out[done : done + len(part)]
        own = unit[~out]
        base[stored : stored + len(own)] = own
        queries.append(unit[out].astype(np.float32))
        stored, done = stored + len(own), done + len(part)
    np.save(folder / "queries.npy", np.concatenate(queries))


def _from_file(path: Path, count: int, rng: np.random.Generator) -> Iterator[Vectors]:
    held: Vectors = np.load(path, mmap_mode="r")
    if count > len(held):
        yield from _in_batches(fit_mixture(held, rng), count, rng)
        return
    for start in range(0, count, BATCH):
        yield np.asarray(held[start : min(start + BATCH, count)], dtype=np.float32)


def _drawn(count: int, rng: np.random.Generator) -> Iterator[Vectors]:
    return _in_batches(make_tree(DIMENSION, rng), count, rng)


def _in_batches(draw: Draw, count: int, rng: np.random.Generator) -> Iterator[Vectors]:
    for start in range(0, count, BATCH):
        yield draw(rng, min(BATCH, count - start))


def make_tree(dimension: int, rng: np.random.Generator) -> Draw:
    """The mixture that needs no data."""
    scale = np.arange(1, dimension + 1, dtype=np.float32) ** (-_SPECTRUM / 2)
    scale /= np.linalg.norm(scale)

    def gaussian(random: np.random.Generator, count: int) -> Vectors:
        return random.standard_normal((count, dimension), dtype=np.float32) * scale

    levels = [length * gaussian(rng, branches) for branches, length in _LEVELS]
    leaf = np.sqrt(1 - sum(length**2 for _, length in _LEVELS))

    def draw(random: np.random.Generator, count: int) -> Vectors:
        drawn = np.float32(leaf) * gaussian(random, count)
        branch = random.integers(_LEVELS[-1][0], size=count)
        for level in levels:
            drawn += level[branch * len(level) // _LEVELS[-1][0]]
        return drawn

    return draw


def fit_mixture(held: Vectors, rng: np.random.Generator) -> Draw:
    """A Gaussian mixture fitted to a sample of vectors."""
    import faiss

    sample = np.sort(rng.permutation(len(held))[:_FIT_ROWS])
    members = np.ascontiguousarray(held[sample], dtype=np.float32)
    means = faiss.Kmeans(members.shape[1], min(_COMPONENTS, len(members) // 32), seed=_SEED)
    means.train(members)
    nearest = means.index.search(members, 1)[1][:, 0]
    groups = [members[nearest == number] for number in range(means.k)]
    groups = [group for group in groups if len(group) > 1]
    weights = np.array([len(group) for group in groups]) / sum(map(len, groups))

    def draw(random: np.random.Generator, count: int) -> Vectors:
        drawn = np.empty((count, members.shape[1]), dtype=np.float32)
        component = random.choice(len(groups), size=count, p=weights)
        for number in np.unique(component):
            where, group = np.flatnonzero(component == number), groups[number]
            mean = group.mean(axis=0)
            mix = random.standard_normal((len(where), len(group)), dtype=np.float32)
            drawn[where] = mean + mix @ (group - mean) / np.sqrt(len(group) - 1)
        return drawn

    return draw


def find_least(data: Data) -> list[Vectors]:
    """The cosine of the K-th nearest row of each query, of all rows and under each filter."""
    base, queries, places = data.base, data.queries, data.places
    best = [_Best(queries)] + [_Best(queries[:FILTER_QUERIES]) for _ in SHARES]
    for start in range(0, len(base), BATCH):
        part = np.asarray(base[start : start + BATCH])
        own = places[start : start + BATCH]
        for one, share in zip(best, (None, *SHARES), strict=True):
            one.offer(part[own < bound(len(base), share)])
    return [one.least() for one in best]


class _Best:
    """The K best cosines of each query so far."""

    def __init__(self, queries: Vectors) -> None:
        self._queries = queries
        self._scores = np.empty((len(queries), 0), dtype=np.float32)

    def offer(self, vectors: Vectors) -> None:
        scores = self._queries @ vectors.T
        if scores.shape[1] > K:
            scores = np.partition(scores, -K, axis=1)[:, -K:]
        self._scores = np.sort(np.concatenate([self._scores, scores], axis=1), axis=1)[:, -K:]

    def least(self) -> Vectors:
        return self._scores[:, 0]


def describe_neighbours(base: Vectors, queries: Vectors) -> dict[str, Sequence[float]]:
    """Quantiles (5, 25, 50, 75, 95 %) of cosines to random rows and to the K-th nearest."""
    best = _Best(queries)
    for start in range(0, len(base), BATCH):
        best.offer(np.asarray(base[start : start + BATCH]))
    pairs = np.einsum("ij,ij->i", queries, base[: len(queries)])
    at = (5, 25, 50, 75, 95)
    return {
        "random": np.percentile(pairs, at).tolist(),
        "nearest": np.percentile(best.least(), at).tolist(),
    }
