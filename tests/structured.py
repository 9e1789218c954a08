"""Vectors as collections have them: topics of unequal size, near copies and copies.

Random vectors lie alike around every query, so that no filter, and no deletion, ever crowds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from samples import random_units

from indexer.documents import Vectors, normalise

TOPICS = 24
DIMENSION = 32
SPREAD = 0.12
NEAR_COPIES = 0.02


@dataclass(frozen=True, slots=True)
class Topical:
    """(n, d) unit rows and their (n,) topics; topic 0 is the largest."""

    vectors: Vectors
    topics: NDArray[np.int64]


def make_topical(count: int, seed: int = 0, copies: int = 0) -> Topical:
    """Rows of topics of which each is three quarters of the one before; the last are copies."""
    rng = np.random.default_rng(seed)
    shares = 0.75 ** np.arange(TOPICS)
    topics = rng.choice(TOPICS, size=count, p=shares / shares.sum())
    vectors = around(topics, SPREAD, rng)
    near = rng.random(count) < 0.1  # near copies of others
    vectors[near] = normalise(
        vectors[rng.integers(count, size=int(near.sum()))]
        + NEAR_COPIES * rng.normal(size=(int(near.sum()), DIMENSION))
    )
    if copies:
        vectors[-copies:] = vectors[0]
        topics[-copies:] = topics[0]
    return Topical(vectors, topics)


def around(topics: NDArray[np.int64], spread: float, rng: np.random.Generator) -> Vectors:
    """A unit row about each of these topics, whose directions are always the same."""
    centres = random_units(TOPICS, DIMENSION, seed=77)
    return normalise(centres[topics] + spread * rng.normal(size=(len(topics), DIMENSION)))


def bars_of(
    queries: Vectors,
    vectors: Vectors,
    ks: Iterable[int],
    allowed: NDArray[np.bool_] | None = None,
) -> dict[int, NDArray[np.float64]]:
    """For each k the products, (q, 1), that the k best rows reach; by float64."""
    products = queries.astype(np.float64) @ vectors.astype(np.float64).T
    if allowed is not None:
        products = products[:, allowed]
    last = {k: min(k, products.shape[1]) - 1 for k in ks}
    best = -np.partition(-products, sorted(set(last.values())), axis=1)
    return {k: best[:, [place]] - 1e-6 for k, place in last.items()}


def recall_of(
    queries: Vectors,
    vectors: Vectors,
    rows: NDArray[np.int64],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
    bars: Mapping[int, NDArray[np.float64]] | None = None,
) -> float:
    """The share of the k best places that these rows, (q, m), are as good as; by float64.

    ``bars`` are those that these queries have among these vectors, if they are known.
    """
    bar = (bars or bars_of(queries, vectors, [k], allowed))[k]
    k = min(k, len(vectors) if allowed is None else int(allowed.sum()))
    given = rows[:, :k]
    products = np.einsum("qd,qkd->qk", queries.astype(np.float64), vectors[given])
    good = (given >= 0) & (products >= bar)
    if allowed is not None:
        good &= allowed[given]
    assert all(len(set(own.tolist())) == len(own) for own in rows)
    return float(good.mean(axis=1).mean())
