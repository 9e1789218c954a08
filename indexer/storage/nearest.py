"""Nearest rows by inner product: the one place that knows FAISS.

Vectors have unit length, so the inner product is the cosine.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors

Rows: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]

GATHER_SHARE: Final = 0.05
"""Below this share of allowed rows, gathering them is cheaper than scanning with a bitmap."""


def exact_search(
    queries: Vectors, vectors: Vectors, k: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[Scores, Rows]:
    """The k rows of largest cosine for each query, found by comparing with every allowed row.

    ``queries`` is (q, d) and ``vectors`` (n, d), float32 unit rows; ``allowed`` is (n,) or None
    for all. Returns scores (q, m) in [-1, 1], descending, and their rows (q, m), ties by row;
    m is k, or the number of allowed rows if that is less.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    count = len(vectors) if allowed is None else int(np.count_nonzero(allowed))
    k = min(k, count)
    if k == 0:
        empty = (len(queries), 0)
        return np.empty(empty, np.float32), np.empty(empty, np.int64)
    if allowed is not None and count <= GATHER_SHARE * len(vectors):
        members = np.flatnonzero(allowed)
        scores, places = _scan(queries, vectors[members], k, None)
        return _ordered(scores, members[places])
    selector = None if allowed is None or count == len(vectors) else allowed
    return _ordered(*_scan(queries, vectors, k, selector))


def _scan(
    queries: Vectors, vectors: Vectors, k: int, allowed: NDArray[np.bool_] | None
) -> tuple[Scores, Rows]:
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    selector = None
    if allowed is not None:
        bitmap = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bitmap))
    faiss.knn_inner_product(
        faiss.swig_ptr(queries),
        faiss.swig_ptr(vectors),
        vectors.shape[1],
        len(queries),
        len(vectors),
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(rows),
        selector,
    )
    return scores, rows


def _ordered(scores: Scores, rows: Rows) -> tuple[Scores, Rows]:
    """Both sorted by score, ties by row; scores clipped to what a cosine can be."""
    order = np.lexsort((rows, -scores))
    return (
        np.clip(np.take_along_axis(scores, order, axis=1), -1.0, 1.0),
        np.take_along_axis(rows, order, axis=1),
    )
