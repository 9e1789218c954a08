"""What a collection's vectors are like, measured on one state of it in bounded time.

What needs every pair of rows is measured on samples, always the same for the same rows: the shape
and the hubs on SAMPLE_ROWS, near duplicates from as many rows as PAIRS allows to all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.analysis import geometry
from indexer.documents import Vectors
from indexer.ranking.significance import Background, near_duplicate
from indexer.reports import Diagnosis, Hub, Neighbours, Step, Tell
from indexer.storage.analysis.score_background import sample_rows
from indexer.storage.ann.faiss_index import batches, exact_search, near_rows
from indexer.storage.generation.row_table import RowTable
from indexer.storage.sqlite.snapshot import Snapshot

SAMPLE_ROWS: Final = 8_192
PAIRS: Final = 2**27
"""So many pairs are looked at for near duplicates: every pair of 11,585 rows."""

LEAST_LOOKED: Final = 256
"""So many chunks are looked at however many there are to compare them with."""

HUB_K: Final = 10
SHOWN: Final = 5
EQUAL: Final = 1.0 - 1e-6
"""Rounding leaves equal vectors a cosine this close to 1."""

_NORM_ROWS: Final = 65_536
_QUERIES: Final = 256
_RANDOM_PAIRS: Final = 200_000
_SEED: Final = 6


def diagnose(
    name: str, snapshot: Snapshot, rows: RowTable, background: Background | None, tell: Tell
) -> Diagnosis:
    """The figures of one state of a collection."""
    started = time.monotonic()
    counts = snapshot.counts()
    drawn = sample_rows(rows, SAMPLE_ROWS)
    sample = _Sample(drawn, _gather(rows, drawn), rows.owners[drawn])
    random_cosines = _random_cosines(sample)
    typical = float(random_cosines.mean()) if len(random_cosines) else 0.0
    tell(Step("shape", 1, 1))
    eigenvalues = geometry.spectrum(sample.vectors) if len(drawn) else np.zeros(1)
    aligned = _aligned(rows)
    shortest, longest = _norms(rows, tell)
    near = _near_duplicates(snapshot, rows, near_duplicate(typical), tell)
    skewness, hubs = _hubs(snapshot, sample, tell)
    copies, groups = _same_contents(snapshot)
    return Diagnosis(
        collection=name,
        model=rows.identity.name,
        documents=counts.documents,
        chunks=counts.chunks,
        truncated=counts.truncated,
        dimension=rows.identity.dimension,
        sampled=len(drawn),
        shortest=shortest,
        longest=longest,
        mean_cosine=typical if len(random_cosines) else None,
        uniformity=geometry.uniformity(random_cosines) if len(random_cosines) else None,
        alignment=geometry.alignment(*aligned) if len(aligned[0]) else None,
        aligned_pairs=len(aligned[0]),
        participation_ratio=geometry.participation_ratio(eigenvalues),
        effective_rank=geometry.effective_rank(eigenvalues),
        copies=copies,
        copied=groups,
        near=near,
        hub_k=min(HUB_K, max(len(drawn) - 1, 0)),
        hub_skewness=skewness,
        hubs=hubs,
        background=background,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """Rows in random order with their vectors and documents."""

    rows: NDArray[np.int64]
    vectors: Vectors
    owners: NDArray[np.int32]


def _gather(rows: RowTable, drawn: NDArray[np.int64]) -> Vectors:
    place = np.sort(drawn)
    gathered: Vectors = np.array(rows.vectors[place])[np.searchsorted(place, drawn)]
    return gathered


def _norms(rows: RowTable, tell: Tell) -> tuple[float, float]:
    """The least and the greatest length of a vector that is of a document."""
    shortest, longest = np.inf, 0.0
    done = 0
    for part in batches(rows.vectors, _NORM_ROWS):
        norms = np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float32))
        norms = norms[rows.owners[done : done + len(part)] >= 0]
        if len(norms):
            shortest, longest = min(shortest, float(norms.min())), max(longest, float(norms.max()))
        done += len(part)
        tell(Step("norms", done, len(rows.owners)))
    return (shortest, longest) if longest else (0.0, 0.0)


def _random_cosines(sample: _Sample) -> NDArray[np.float64]:
    """The cosines of random pairs of different documents."""
    count = len(sample.rows)
    if count < 2:
        return np.empty(0)
    rng = np.random.default_rng(_SEED)
    left, right = rng.integers(count, size=(2, _RANDOM_PAIRS))
    kept = sample.owners[left] != sample.owners[right]
    left, right = left[kept], right[kept]
    cosines = [
        np.einsum("nd,nd->n", sample.vectors[left[part]], sample.vectors[right[part]])
        for part in np.array_split(np.arange(len(left)), 50)
    ]
    return np.concatenate(cosines).astype(np.float64)


def _aligned(rows: RowTable) -> tuple[Vectors, Vectors]:
    """Pairs of chunks of one document that follow each other."""
    pairs = np.flatnonzero((rows.owners[:-1] == rows.owners[1:]) & (rows.owners[:-1] >= 0))
    drawn = np.sort(np.random.default_rng(_SEED).permutation(pairs)[: SAMPLE_ROWS // 2])
    return np.array(rows.vectors[drawn]), np.array(rows.vectors[drawn + 1])


def _near_duplicates(snapshot: Snapshot, rows: RowTable, least: float, tell: Tell) -> Neighbours:
    """How many of the rows looked at have a near duplicate in another document."""
    total = len(rows.owners)
    looked = sample_rows(rows, min(max(PAIRS // max(total, 1), LEAST_LOOKED), total))
    near, equal = np.zeros(len(looked), dtype=np.bool_), np.zeros(len(looked), dtype=np.bool_)
    examples: dict[tuple[int, int], float] = {}
    for start in range(0, len(looked), _QUERIES):
        part = looked[start : start + _QUERIES]
        for places, found, scores in near_rows(_gather(rows, part), rows.vectors, least):
            own, other = rows.owners[part[places]], rows.owners[found]
            kept = (own != other) & (other >= 0)
            near[start + places[kept]] = True
            equal[start + places[kept & (scores >= EQUAL)]] = True
            _show(examples, own[kept], other[kept], scores[kept])
        tell(Step("near duplicates", start + len(part), len(looked)))
    ids = _ids(snapshot, {number for pair in examples for number in pair})
    return Neighbours(
        least,
        len(looked),
        int(near.sum()),
        int(equal.sum()),
        tuple((ids[a], ids[b], score) for (a, b), score in examples.items()),
    )


def _show(
    examples: dict[tuple[int, int], float],
    own: NDArray[np.int32],
    other: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Add the first pairs, no document twice, while there are few."""
    if len(examples) == SHOWN:
        return
    shown = {number for pair in examples for number in pair}
    for a, b, score in zip(own.tolist(), other.tolist(), scores.tolist(), strict=True):
        if a not in shown and b not in shown:
            examples[(a, b)] = min(score, 1.0)
            shown |= {a, b}
            if len(examples) == SHOWN:
                return


def _hubs(snapshot: Snapshot, sample: _Sample, tell: Tell) -> tuple[float, tuple[Hub, ...]]:
    """How unevenly the sampled rows are each other's neighbours, and who is most often one."""
    count = len(sample.rows)
    k = min(HUB_K, count - 1)
    if k < 1:
        return 0.0, ()
    times = np.zeros(count, dtype=np.int64)
    for start in range(0, count, _QUERIES):
        part = np.arange(start, min(start + _QUERIES, count))
        _, found = exact_search(sample.vectors[part], sample.vectors, k + 1)
        others = np.where(found == part[:, None], -1, found)  # a row is no neighbour of itself
        others = np.where((others >= 0).cumsum(axis=1) > k, -1, others)
        times += geometry.occurrences(others, count)
        tell(Step("hubs", int(part[-1]) + 1, count))
    most = np.argsort(-times, kind="stable")[:SHOWN]
    ids = _ids(snapshot, sample.owners[most].tolist())
    return geometry.skewness(times), tuple(
        Hub(ids[int(sample.owners[place])], int(times[place])) for place in most
    )


def _same_contents(snapshot: Snapshot) -> tuple[int, tuple[Sequence[str], ...]]:
    """How many documents have a title and text that an earlier one has, and some of them."""
    groups = "SELECT min(id), max(id), count(*) AS n FROM documents GROUP BY hash HAVING n > 1"
    (copies,) = next(iter(snapshot.select(f"SELECT total(n - 1) FROM ({groups})")))  # noqa: S608
    shown = snapshot.select(f"{groups} ORDER BY n DESC, 1 LIMIT {SHOWN}")
    return int(copies), tuple((first, last) for first, last, _ in shown)


def _ids(snapshot: Snapshot, numbers: Iterable[int]) -> dict[int, str]:
    return {number: found.id for number, found in snapshot.documents(numbers).items()}
