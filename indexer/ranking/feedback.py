"""A ranking with feedback from its own first hits: what is like several of them moves up.

The best documents of a good ranking are mostly about the query, and say more of it than its few
words do. So their mean, weighted by how well they rank, is a second query (Rocchio, "Relevance
feedback in information retrieval", 1971, without judgements; for vectors of models Li et al.,
"Pseudo relevance feedback with deep language models and dense retrievers", TOIS 2023). It orders
the best documents only, and finds none: one wrong document among the first misleads less that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector, Vectors, normalise
from indexer.ranking.fusion import Values, standardised

TEACHERS: Final = 5
"""The best documents, whose mean the others are held against."""

DEPTH: Final = 30
"""The best documents that are ordered anew."""

WEIGHT: Final = 0.3
"""The weight of the likeness to that mean; docs/evaluation.md says how these were set."""

TEMPERATURE: Final = 0.5


def direction_of(documents: Sequence[Vectors], scores: Values) -> Vector | None:
    """(d,) the mean of documents, each the mean of its vectors, weighted by exp(score / 0.5).

    None if there are none, or they cancel out.
    """
    if not documents:
        return None
    weights = np.exp((scores - scores.max()) / TEMPERATURE)
    total = (weights[:, None] * _means(documents)).sum(axis=0)
    if not total.any():
        return None
    unit: Vector = normalise(total[None, :], "the mean of the best documents")[0]
    return unit


def _means(documents: Sequence[Vectors]) -> NDArray[np.float64]:
    """(n, d) the mean of each document's vectors."""
    if all(len(vectors) == 1 for vectors in documents):
        return np.concatenate(documents).astype(np.float64)
    return np.stack([vectors.mean(axis=0, dtype=np.float64) for vectors in documents])


def with_feedback(fused: Values, best: NDArray[np.int64], likeness: NDArray[np.floating]) -> Values:
    """Fused scores, (n,), with WEIGHT times the standardised likeness of the best, (m,), added.

    ``best`` are the places of those m among the n. All others count as the least like of them.
    """
    scaled = standardised(likeness.astype(np.float64), np.ones(len(best), np.bool_))
    added = np.full(len(fused), scaled.min())
    added[best] = scaled
    total: Values = fused + WEIGHT * added
    return total
