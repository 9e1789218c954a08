"""Nearest rows by inner product: the only module that calls FAISS.

Vectors have unit length, so the inner product is the cosine. :func:`cosines` defines a score.
:func:`exact_search` compares with every allowed row. An :class:`AnnIndex` finds candidates among
the rows it covers, see :mod:`indexer.ann.approximate`. The properties of each kind of index
are in :data:`INDEX_KINDS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from operator import gt
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.ann.kinds import INDEX_KINDS, Visits, lists_for
from indexer.documents import Vector, Vectors
from indexer.errors import Damaged, InvalidInput
from indexer.index_choice import IndexKind
from indexer.matrix_threads import threads_for_product
from indexer.on_first_use import OnFirstUse
from indexer.thresholds import DEFAULT, Thresholds

if TYPE_CHECKING:
    import faiss
else:
    faiss = OnFirstUse("faiss")

# OpenMP reads this once, when FAISS loads it. Its threads else spin while they wait for one
# another, which on a machine with other work keeps the one that they wait for from running:
# training on 20,000 vectors took 82 s instead of 2.4 s with two cores and a load of 14.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

RowIds: TypeAlias = NDArray[np.int64]
Cosines: TypeAlias = NDArray[np.float32]
Allowed: TypeAlias = NDArray[np.bool_]
"""(rows,) bool: the rows that a result may contain."""

GATHER_SHARE: Final = 0.05
"""Below this share of allowed rows, gathering them is cheaper than scanning with a bitmap."""

MATRIX_QUERIES: Final = 8
"""With this many queries or more, all rows are compared by NumPy's matrix product.

FAISS's own took 9 s for 256 queries and 1,000,000 rows, NumPy's 1.4 s (two cores).
"""

_PRODUCT_ROWS: Final = 512
_PRODUCT_COLUMNS: Final = 16_384
_RANGE_QUERIES: Final = 256
_FEW: Final = 4
_ONE: Final = np.float32(1.0)
_MORE: Final = 6
_SCANNED: Final = MATRIX_QUERIES - 1
ROUNDING: Final = 4e-6
"""A bound on the difference of a product from a score: 2e-7 was the most in 35,000 tries."""

_LISTS_IN_ORDER: Final = 11
"""FAISS's number for a search list by list as the quantizer orders them, with a reservoir."""

_CODE_ITERATIONS: Final = 10
"""FAISS makes 25, for two and a half times the time and the same recall: 0.9972 and 0.998 with 400
rows rescored of 2,048, 0.9800 and 0.9805 of 8,192, 0.9878 and 0.9882 of 60,000.
"""

_TRAINING_ROWS: Final = 65_536
_ROWS_PER_LIST: Final = 40
"""The rows FAISS wants for training a list, at least; see its ClusteringParameters."""

_BATCH_ROWS: Final = 65_536
_SEED: Final = 1


class AnnIndex:
    """A FAISS index over the first rows of a generation; immutable once built."""

    def __init__(self, kind: IndexKind, index: Any) -> None:  # noqa: ANN401 - FAISS has no types
        self.kind = kind
        self._index = index
        self._alone = _nearest_first(index) if INDEX_KINDS[kind].visits is Visits.LISTS else index

    @property
    def rows(self) -> int:
        """The number of rows it covers: row r is its r-th."""
        return int(self._index.ntotal)

    @classmethod
    def build(cls, kind: IndexKind, vectors: Vectors) -> Self:
        """An index of this kind over all of these rows, (n, d) float32; reads them in order."""
        if kind not in INDEX_KINDS:
            raise InvalidInput(f"kind {kind} has nothing to build; one of {', '.join(INDEX_KINDS)}")
        rows, dimension = vectors.shape
        index = faiss.index_factory(
            dimension, INDEX_KINDS[kind].factory(dimension, rows), faiss.METRIC_INNER_PRODUCT
        )
        _train_codes_briefly(index)
        wanted = max(_TRAINING_ROWS, _ROWS_PER_LIST * lists_for(rows))
        drawn = np.random.default_rng(_SEED).permutation(rows)[:wanted]
        # Sorted, so that the memory map is read from front to back.
        index.train(np.ascontiguousarray(vectors[np.sort(drawn)]))
        for part in batches(vectors, _BATCH_ROWS):
            index.add(np.ascontiguousarray(part))
        return cls(kind, index)

    @classmethod
    def decode(cls, kind: IndexKind, encoded: NDArray[np.uint8], name: str) -> Self:
        """The index from the bytes of :meth:`encode`, whose checksum must have been verified."""
        try:
            return cls(kind, faiss.deserialize_index(encoded))
        except RuntimeError as error:
            raise Damaged(f"{name} is not an index that this version of FAISS reads") from error

    def extended(self, vectors: Vectors) -> Self:
        """A copy with these rows appended; the original is unchanged."""
        index = faiss.clone_index(self._index)
        for part in batches(vectors, _BATCH_ROWS):
            index.add(np.ascontiguousarray(part))
        return type(self)(self.kind, index)

    def encode(self) -> NDArray[np.uint8]:
        """The index as bytes."""
        encoded: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return encoded

    def candidates(
        self, queries: Vectors, count: int, nprobe: int, allowed: Allowed | None = None
    ) -> tuple[Cosines, RowIds]:
        """(q, count) rows that may be the nearest, best first, -1 where there are no more.

        With the scores that the index gives them: rows with equal codes have equal ones.
        Raises InvalidInput for a set of allowed rows if the kind does not support one.
        """
        if allowed is not None and not INDEX_KINDS[self.kind].selects:
            raise InvalidInput(f"an index of kind {self.kind} takes no set of allowed rows")
        # Held here until the search ends, as the selector only points into it.
        bitmap = None if allowed is None else np.packbits(allowed, bitorder="little")
        parameters = self._parameters(nprobe, bitmap)
        index = self._alone if len(queries) == 1 else self._index
        found: tuple[Cosines, RowIds] = index.search(queries, count, params=parameters)
        return found

    def _parameters(self, nprobe: int, bitmap: NDArray[np.uint8] | None) -> Any:  # noqa: ANN401
        """Search parameters for this call only: a shared index is never written to."""
        selector = None
        if bitmap is not None:
            selector = faiss.IDSelectorBitmap(len(bitmap), faiss.swig_ptr(bitmap))
        match INDEX_KINDS[self.kind].visits:
            case Visits.LISTS:
                return faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
            case Visits.NODES:
                return faiss.SearchParametersHNSW(efSearch=nprobe, sel=selector)
            case Visits.ROWS:
                return None


def _train_codes_briefly(index: Any) -> None:  # noqa: ANN401 - FAISS has no types
    """Set the iterations of k-means by which product quantisation finds its codes."""
    inner = index
    if isinstance(index, faiss.IndexPreTransform):
        inner = faiss.downcast_index(index.index)
    if hasattr(inner, "pq"):
        inner.pq.cp.niter = _CODE_ITERATIONS


def _nearest_first(index: Any) -> Any:  # noqa: ANN401 - FAISS has no types
    """A view of an index with lists that goes through the nearest first: the same rows, sooner.

    FAISS goes through them by their numbers, so that queries can share them. For a query alone the
    order of nearness is faster, since few rows of later lists are as good as those found by then.
    The view shares all that the index holds, which must live as long.
    """
    if isinstance(index, faiss.IndexPreTransform):
        view = faiss.IndexPreTransform(_nearest_first(faiss.downcast_index(index.index)))
        for place in reversed(range(index.chain.size())):
            view.prepend_transform(faiss.downcast_VectorTransform(index.chain.at(place)))
        return view
    view = faiss.IndexIVFPQFastScan(
        index.quantizer, index.d, index.nlist, index.pq.M, index.pq.nbits, index.metric_type,
        index.bbs,
    )  # fmt: skip
    view.pq, view.by_residual = index.pq, index.by_residual
    view.replace_invlists(index.invlists, False)
    view.is_trained, view.ntotal = index.is_trained, index.ntotal
    view.implem = _LISTS_IN_ORDER
    return view


def cosines(queries: Vectors, vectors: Vectors, rows: RowIds) -> Cosines:
    """(q, m) the cosines of each query and its own rows, (q, m); -1 where a row is -1.

    This defines a score: each search ends with it, or with an equally rounded computation, so that
    a pair has the same score wherever it is computed. The rounding of a matrix product depends on
    the place of a row in it.
    """
    rows = np.ascontiguousarray(rows)
    scores = np.empty(rows.shape, dtype=np.float32)
    with threads_for(queries):
        faiss.fvec_inner_products_by_idx(
            faiss.swig_ptr(scores),
            faiss.swig_ptr(np.ascontiguousarray(queries, dtype=np.float32)),
            faiss.swig_ptr(np.ascontiguousarray(vectors)),
            faiss.swig_ptr(rows),
            vectors.shape[1],
            *rows.shape,
        )
    return np.maximum(np.minimum(scores, _ONE), -_ONE)


def score_rows(queries: Vectors, vectors: Vectors, rows: RowIds, k: int) -> tuple[Cosines, RowIds]:
    """The k best of the given rows, (q, m) with -1 for none, with scores by :func:`cosines`.

    A result ends with -1 if fewer rows were given.
    """
    k = min(k, rows.shape[1])
    scores, best = _empty(len(queries), k)
    if len(rows) and rows.min(initial=0) < 0:  # FAISS stops reading a line at its first -1
        rows = -np.sort(-rows, axis=1)
    rows = np.ascontiguousarray(rows)
    faiss.knn_inner_products_by_idx(
        faiss.swig_ptr(queries),
        faiss.swig_ptr(vectors),
        faiss.swig_ptr(rows),
        vectors.shape[1],
        len(queries),
        len(vectors),
        rows.shape[1],
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(best),
        rows.shape[1],
    )
    return _ordered(scores, best)


def exact_search(
    queries: Vectors,
    vectors: Vectors,
    k: int,
    allowed: Allowed | None = None,
    thresholds: Thresholds = DEFAULT,
) -> tuple[Cosines, RowIds]:
    """The k rows of largest cosine for each query, found by comparing with every allowed row.

    ``queries`` is (q, d) and ``vectors`` (n, d), float32 unit rows; ``allowed`` is (n,) or None
    for all. Returns scores (q, m) in [-1, 1], descending, and their rows (q, m), ties by row;
    m is k, or the number of allowed rows if that is less.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    count = len(vectors) if allowed is None else int(np.count_nonzero(allowed))
    k = min(k, count)
    if k == 0:
        return _empty(len(queries), 0)
    gathered = min(max(GATHER_SHARE * len(vectors), thresholds.gather_rows), len(vectors) // 2)
    if allowed is not None and count <= gathered:
        members = np.flatnonzero(allowed)
        with threads_for(queries):
            if len(queries) == 1:
                return score_rows(queries, vectors, members[None], k)
            scores, places = _compare(queries, vectors[members], k, None)
        return _ordered(scores, members[places])
    selector = None if allowed is None or count == len(vectors) else allowed
    with threads_for(queries):
        return _ordered(*_compare(queries, vectors, k, selector))


@contextmanager
def threads_for(queries: Vectors) -> Iterator[None]:
    """Use one thread a query at most.

    With more threads than queries, FAISS 1.15.1 compares 10,000 rows or more by another kernel,
    and the last bit of most scores is another one. Nor would they help: a single query would wait
    for them, long on busy cores (300,000 rows took 42 ms on two threads and 22 ms on one).
    """
    before = threads_to_use()
    if len(queries) < before:
        use_threads(max(len(queries), 1))
    try:
        yield
    finally:
        use_threads(before)


def _compare(
    queries: Vectors, vectors: Vectors, k: int, allowed: Allowed | None
) -> tuple[Cosines, RowIds]:
    if len(queries) < MATRIX_QUERIES:
        return _compare_pairs(queries, vectors, k, allowed)
    parts = [_multiply(part, vectors, k, allowed) for part in batches(queries, _PRODUCT_ROWS)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([p[1] for p in parts])


def _compare_pairs(
    queries: Vectors, vectors: Vectors, k: int, allowed: Allowed | None
) -> tuple[Cosines, RowIds]:
    """The k best allowed rows for fewer than MATRIX_QUERIES queries: FAISS compares each pair.

    On one thread a query at most, see :func:`threads_for`.
    """
    scores, rows = _empty(len(queries), k)
    selector = None
    if allowed is not None:
        bitmap = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(bitmap), faiss.swig_ptr(bitmap))
    with threads_for(queries):
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


def _multiply(
    queries: Vectors, vectors: Vectors, k: int, allowed: Allowed | None
) -> tuple[Cosines, RowIds]:
    """The k best allowed rows, found by matrix products of bounded size.

    A few more than k are found, and scored again. If a row left out may still be as good as the
    k-th, as one of many copies may, the query is compared with each row.
    """
    products, rows = _best_products(queries, vectors, k + _MORE, allowed)
    # All of them, since FAISS would keep any of those whose scores are the same.
    scores, best = score_rows(queries, vectors, rows, rows.shape[1])
    scores, best = scores[:, :k], best[:, :k]
    if rows.shape[1] < k + _MORE:
        return scores, best  # these are all rows
    unsure = np.flatnonzero(scores[:, -1] <= products[:, -1] + ROUNDING)
    for part in np.split(unsure, range(_SCANNED, len(unsure), _SCANNED)):
        scores[part], best[part] = _ordered(*_compare_pairs(queries[part], vectors, k, allowed))
    return scores, best


def _best_products(
    queries: Vectors, vectors: Vectors, k: int, allowed: Allowed | None
) -> tuple[Cosines, RowIds]:
    """The k allowed rows with the largest products, and these; all if there are fewer."""
    scores, rows = _empty(len(queries), 0)
    for start in range(0, len(vectors), _PRODUCT_COLUMNS):
        part = vectors[start : start + _PRODUCT_COLUMNS]
        members = np.arange(start, start + len(part))
        if allowed is not None:
            members = members[allowed[start : start + len(part)]]
            part = vectors[members]
        if len(members):
            with threads_for_product(part.size * len(queries)):
                products = queries @ part.T
            line, place = np.nonzero(products >= _bar(scores, products, k)[:, None])
            scores, rows = _joined(scores, rows, line, products[line, place], members[place], k)
    return scores, rows


def _bar(scores: Cosines, products: Cosines, k: int) -> Cosines:
    """The bound that a product must reach to be among the k best, (q,): ties go to earlier rows."""
    width = products.shape[1]
    bar = np.full(len(products), -np.inf, dtype=np.float32)
    if scores.shape[1] == k:
        bar = np.nextafter(scores[:, -1], np.float32(np.inf))
    if width > k and np.count_nonzero(products >= bar[:, None]) > _FEW * products.shape[0] * k:
        bar = np.maximum(bar, np.partition(products, width - k, axis=1)[:, width - k])
    return bar


def _joined(
    scores: Cosines, rows: RowIds, line: RowIds, new_scores: Cosines, new_rows: RowIds, k: int
) -> tuple[Cosines, RowIds]:
    """The k best of each line and of the new rows; all lines end up equally long."""
    lines = np.concatenate([np.repeat(np.arange(len(scores)), scores.shape[1]), line])
    all_scores = np.concatenate([scores.ravel(), new_scores])
    all_rows = np.concatenate([rows.ravel(), new_rows])
    order = np.lexsort((all_rows, -all_scores, lines))
    starts = np.searchsorted(lines[order], np.arange(len(scores)))
    kept = order[np.arange(len(order)) - starts[lines[order]] < k]
    return all_scores[kept].reshape(len(scores), -1), all_rows[kept].reshape(len(scores), -1)


def _empty(queries: int, k: int) -> tuple[Cosines, RowIds]:
    return np.empty((queries, k), dtype=np.float32), np.empty((queries, k), dtype=np.int64)


def merged(parts: list[tuple[Cosines, RowIds]], k: int) -> tuple[Cosines, RowIds]:
    """The k best of several results for the same queries."""
    scores = np.concatenate([part[0] for part in parts], axis=1)
    rows = np.concatenate([part[1] for part in parts], axis=1)
    scores, rows = _ordered(scores, rows)
    return scores[:, :k], rows[:, :k]


def _ordered(scores: Cosines, rows: RowIds) -> tuple[Cosines, RowIds]:
    """Both sorted by score, ties by row, missing rows (-1) last; scores clipped to cosines."""
    scores = np.maximum(np.minimum(scores, _ONE), -_ONE)
    if len(rows) == 1 and _is_in_order(scores[0].tolist(), rows[0].tolist()):
        return scores, rows  # as FAISS gives most answers; sorting takes as long as 30 rows' scores
    order = np.lexsort((rows, np.where(rows < 0, np.inf, -scores)))
    line = np.arange(len(order))[:, None]
    return scores[line, order], rows[line, order]


def _is_in_order(scores: list[float], rows: list[int]) -> bool:
    """Return whether scores fall, no two of them the same, and no row is missing."""
    return min(rows, default=0) >= 0 and all(map(gt, scores, scores[1:]))


def batches(vectors: Vectors, size: int) -> Iterator[Vectors]:
    """The rows in runs of at most ``size``, for bounded memory."""
    for start in range(0, len(vectors), size):
        yield vectors[start : start + size]


def threads_to_use() -> int:
    """The number of threads that FAISS uses for calls from this thread."""
    return int(faiss.omp_get_max_threads())


def use_threads(count: int) -> None:
    """Set the number of threads that FAISS uses for calls from this thread."""
    faiss.omp_set_num_threads(count)


def are_near(query: Vector, vectors: Vectors, least: float) -> Allowed:
    """(n,) mask of the rows, (n, d), whose score for a query, (d,), is at least ``least``."""
    near = np.empty(len(vectors), dtype=np.bool_)
    for start in range(0, len(vectors), _BATCH_ROWS):
        products = vectors[start : start + _BATCH_ROWS] @ query
        own = near[start : start + _BATCH_ROWS]
        own[:] = products >= least
        unsure = np.flatnonzero(np.abs(products - np.float32(least)) <= ROUNDING)
        if len(unsure):
            scores = cosines(query[None], vectors, unsure[None] + start)[0]
            own[unsure] = scores.astype(np.float64) >= least
    return near


def near_rows(
    queries: Vectors, vectors: Vectors, least: float
) -> Iterator[tuple[RowIds, RowIds, Cosines]]:
    """All pairs of a query's place and a row whose score is at least ``least``, in parts.

    ``queries`` is (q, d) and ``vectors`` (n, d), float32 unit rows. However many pairs there are,
    memory is bounded: each part is of a block of rows. By matrix products: FAISS's own search uses
    those only from 128,000 queries times dimensions on, and else takes 2.5 times as long.
    """
    for first in range(0, len(queries), _RANGE_QUERIES):
        part = queries[first : first + _RANGE_QUERIES]
        for start in range(0, len(vectors), _PRODUCT_COLUMNS):
            products = part @ vectors[start : start + _PRODUCT_COLUMNS].T
            places, rows = np.nonzero(products >= least - ROUNDING)
            if not len(places):
                continue
            rows += start
            scores = _scores_of_pairs(part, vectors, places, rows)
            near = scores.astype(np.float64) >= least
            if near.any():
                yield places[near] + first, rows[near], scores[near]


def _scores_of_pairs(queries: Vectors, vectors: Vectors, places: RowIds, rows: RowIds) -> Cosines:
    """(m,) the score of each pair of a query's place and a row, by place."""
    ends = np.flatnonzero(np.diff(places)) + 1
    return np.concatenate(
        [
            cosines(queries[own[0]][None], vectors, theirs[None])[0]
            for own, theirs in zip(np.split(places, ends), np.split(rows, ends), strict=True)
        ]
    )


def cluster_directions(vectors: Vectors, count: int, seed: int) -> Vectors:
    """The directions of ``count`` clusters of (n, d) unit rows, (count, d), by spherical k-means.

    At most as many as there are rows; the same rows give the same clusters.
    """
    rows, dimension = vectors.shape
    count = min(count, rows)
    if not count:
        return np.zeros((0, dimension), dtype=np.float32)
    # One point a centroid suffices: FAISS prints a warning below its usual 39.
    means = faiss.Kmeans(
        dimension, count, niter=20, seed=seed, spherical=True, min_points_per_centroid=1
    )
    means.train(np.ascontiguousarray(vectors, dtype=np.float32))
    found: Vectors = means.centroids
    return found
