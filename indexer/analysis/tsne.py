"""Vectors to places on a plane, so that near ones stay near: t-SNE, by openTSNE.

Only this module knows openTSNE. The gradient of many points is our own: openTSNE's takes several
times as long at the end of a map (:mod:`indexer.analysis.grid_gradient`). Attraction is by the
graph of nearest neighbours, each with the same weight (van der Maaten and Hinton, 2008, weigh them
by a perplexity; Böhm, Berens and Kobak, "Attraction-repulsion spectrum in neighbor embeddings",
2022, found that the graph alone gives the same maps, and it takes less than half of the time).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.analysis.grid_gradient import GridGradient
from indexer.documents import Vectors
from indexer.errors import MissingExtra

Places: TypeAlias = NDArray[np.float32]
"""(n, 2) float32, places on a plane; of a finished map in [-1, 1]."""

NEIGHBOURS: Final = 15
LEAST: Final = 16
"""Fewer vectors are drawn by their two principal components."""

EARLY_STEPS: Final = 250
STEPS: Final = 500
_STEPS_TOLD: Final = 25
_EARLY_EXAGGERATION: Final = 12.0
_MOMENTUM: Final = 0.8
_FIRST_SPREAD: Final = 1e-4
_JITTER: Final = 1e-2
"""The random displacement, relative to the spread: points in one place would never separate."""

REACH: Final = 0.8
"""The value, of 0.3 to 5, that keeps most neighbours of documents placed among 95,000 others."""

_SMALL: Final = 1_000
"""Below this many points openTSNE's tree is faster than a grid."""

_SEED: Final = 7


def principal_places(vectors: Vectors, sample: int = 8_192) -> Places:
    """The first two principal components of (n, d) rows, (n, 2), estimated from a sample."""
    if not len(vectors):
        return np.zeros((0, 2), dtype=np.float32)
    drawn = vectors[np.random.default_rng(_SEED).permutation(len(vectors))[:sample]]
    mean = drawn.mean(axis=0)
    _, _, directions = np.linalg.svd(drawn - mean, full_matrices=False)
    found = np.zeros((len(vectors), 2), dtype=np.float32)
    first = (vectors - mean) @ directions[:2].T
    found[:, : first.shape[1]] = first
    return found


def project(
    nearest: NDArray[np.int64],
    distances: NDArray[np.float32],
    first: Places,
    *,
    threads: int,
    tell: Callable[[int, int], None],
) -> Places:
    """Places of n points, given their k nearest others, (n, k), and the distances to these.

    ``first`` are places to begin from: their overall layout is kept, so that a map drawn again is
    still recognisable. The same input gives the same map. ``tell`` is called with the steps done
    and their total. Raises MissingExtra if openTSNE is not installed.
    """
    if len(first) < LEAST:
        return first
    try:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import Uniform
        from openTSNE.nearest_neighbors import PrecomputedNeighbors
    except ImportError as error:
        raise MissingExtra("openTSNE", "map") from error
    affinities = Uniform(
        k_neighbors=nearest.shape[1],
        knn_index=PrecomputedNeighbors(nearest, distances.astype(np.float64)),
        symmetrize="mean",
        n_jobs=threads,
        random_state=_SEED,
    )
    with GridGradient(threads) as gradient:
        embedding = TSNEEmbedding(
            _spread(first),
            affinities,
            negative_gradient_method="bh" if len(first) < _SMALL else gradient,
            n_jobs=threads,
            random_state=_SEED,
        )
        for before, steps, exaggeration in (
            (0, EARLY_STEPS, _EARLY_EXAGGERATION),
            (EARLY_STEPS, STEPS, None),  # not 1, since the learning rate is divided by it
        ):
            embedding.optimize(
                n_iter=steps,
                exaggeration=exaggeration,
                momentum=_MOMENTUM,
                inplace=True,
                callbacks=lambda done, *_, before=before: tell(before + done, EARLY_STEPS + STEPS),
                callbacks_every_iters=_STEPS_TOLD,
            )
    tell(EARLY_STEPS + STEPS, EARLY_STEPS + STEPS)
    return np.asarray(embedding, dtype=np.float32)


def _spread(first: Places) -> NDArray[np.float64]:
    """Places with the small spread that t-SNE starts from, no two of them the same."""
    centred = first.astype(np.float64) - first.mean(axis=0)
    spread = float(centred.std()) or 1.0
    noise = np.random.default_rng(_SEED).normal(size=centred.shape)
    started: NDArray[np.float64] = (centred / spread + _JITTER * noise) * _FIRST_SPREAD
    return started


def place(cosines: NDArray[np.float32], nearest: NDArray[np.int64], known: Places) -> Places:
    """Places for m new points, given their k nearest of the known ones, (m, k).

    Neighbours are weighted by the inverse square of their distance (Shepard, 1968). The point goes
    to the weighted mean of those within about REACH typical gaps of the neighbour with most weight
    around it. The mean of all would not do: a plane separates points that are near in many
    dimensions, and halfway between distant parts there is nothing the point belongs to.
    """
    squares = np.maximum(2.0 - 2.0 * cosines.astype(np.float64), 1e-9)
    around = known[nearest].astype(np.float64)
    apart = np.square(around[:, :, None] - around[:, None]).sum(axis=3)
    beside = np.exp(-apart / (2.0 * _gap(known) ** 2 * REACH**2))
    densest = np.argmax((beside / squares[:, None]).sum(axis=2), axis=1)
    weights = beside[np.arange(len(around)), densest] / squares
    weights /= weights.sum(axis=1, keepdims=True)
    placed: Places = np.einsum("mk,mkd->md", weights, around).astype(np.float32)
    return placed


def _gap(places: Places) -> float:
    """The side of the square that each point would have if they were spread evenly."""
    width, height = np.ptp(places, axis=0).tolist()
    return max(float(np.sqrt(width * height / len(places))), 1e-6)


def fit_square(places: Places) -> Places:
    """The map moved and scaled into [-1, 1], its shape kept."""
    if not len(places):
        return places
    low, high = places.min(axis=0), places.max(axis=0)
    size = float((high - low).max()) or 1.0
    fitted: Places = ((places - (low + high) / 2) * np.float32(2.0 / size)).astype(np.float32)
    return np.clip(fitted, -1.0, 1.0)
