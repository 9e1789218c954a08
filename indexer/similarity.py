"""Pairwise measures and the losses of contrastive learning, in NumPy alone.

These are the reference definitions that every index and every model is compared with. All is
computed in float64 whatever the input, tile by tile, so that beyond the result (and float64 copies
of the inputs) no more than about ``block`` numbers are held at a time.

Every pairwise function takes rows ``a`` (n, d) and ``b`` (m, d) and returns (n, m) float64. It
raises InvalidVector, which names the side and the row, for rows that are not finite or not of
one dimension, and for a result that float64 cannot hold. Only measures of direction refuse the
zero vector; the others take vectors as given, with their magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexer.errors import InvalidInput, InvalidVector

Matrix: TypeAlias = NDArray[np.float64]
"""(n, m) float64."""

BLOCK: Final = 1 << 18
"""Numbers held at a time beyond the result: 2 MiB, which fits a processor's cache."""

LEAST_SHRINKAGE: Final = 1e-6
"""Keeps a covariance invertible where Ledoit and Wolf's estimate is 0, as for two samples."""

_MOST_EXACT: Final = 1_000
"""At most this many overflowing sums are computed again exactly; if there are more, none are."""

# Below this a sum of squares may have lost parts that were too small for float64.
_SMALLEST_SAFE_SQUARE: Final = 2.0**-960


class Measure(StrEnum):
    """The pairwise measures, by the names that requests use."""

    COSINE = "cosine"
    COSINE_DISTANCE = "cosine_distance"
    DOT = "dot"
    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"
    MAHALANOBIS = "mahalanobis"
    NEGATIVE_SQUARED_EUCLIDEAN = "negative_squared_euclidean"


def cosine(a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """cos(a, b) = a·b / (|a| |b|), in [-1, 1]: the similarity. Refuses zero vectors."""
    left, right = _pair(a, b)
    return _tiled(Measure.COSINE, _unit(left, "a"), _unit(right, "b"), block, _cosines)


def cosine_distance(a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """1 - cos(a, b), in [0, 2]: the distance. Refuses zero vectors."""
    similarity = cosine(a, b, block=block)
    return np.subtract(1.0, similarity, out=similarity)


def dot(a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """a·b = Σ aᵢ bᵢ. Rows are scaled by powers of two meanwhile, so only a result overflows."""
    return _tiled(Measure.DOT, *_pair(a, b), block, _dots)


def euclidean(a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """|a - b| = √Σ (aᵢ - bᵢ)², from the differences: exact for near vectors, and 0 for equal."""
    return _tiled(Measure.EUCLIDEAN, *_pair(a, b), block, _distances)


def negative_squared_euclidean(a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """-|a - b|² = -Σ (aᵢ - bᵢ)²; on unit vectors 2 (cos(a, b) - 1), so it ranks as cosine does."""

    def tile(x: Matrix, y: Matrix) -> Matrix:
        difference = x[:, None, :] - y[None, :, :]  # (x, y, d)
        return 0.0 - _squares(difference)  # not the unary minus: a zero stays positive

    return _tiled(Measure.NEGATIVE_SQUARED_EUCLIDEAN, *_pair(a, b), block, tile)


def manhattan(a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """Σ |aᵢ - bᵢ|."""

    def tile(x: Matrix, y: Matrix) -> Matrix:
        total: Matrix = np.abs(x[:, None, :] - y[None, :, :]).sum(axis=2)
        return total

    return _tiled(Measure.MANHATTAN, *_pair(a, b), block, tile)


def mahalanobis(a: ArrayLike, b: ArrayLike, samples: ArrayLike, *, block: int = BLOCK) -> Matrix:
    """√((a - b)ᵀ Σ⁻¹ (a - b)), Σ the covariance of ``samples`` (s, d) as :func:`covariance` has it.

    It is the Euclidean distance after whitening: |L⁻¹ a - L⁻¹ b| where L Lᵀ = Σ (Cholesky).
    """
    left, right = _pair(a, b)
    spread = covariance(samples)
    _require_dimension(left, "a", spread.matrix.shape[1], "the samples")
    white_left, white_right = spread.whiten(left), spread.whiten(right)
    return _tiled(Measure.MAHALANOBIS, white_left, white_right, block, _distances)


class Pairwise(Protocol):
    """A measure that needs only the two sides."""

    def __call__(self, a: ArrayLike, b: ArrayLike, *, block: int = BLOCK) -> Matrix:
        """(n, d) and (m, d) to (n, m) float64."""
        ...


PAIRWISE: Final[Mapping[Measure, Pairwise]] = MappingProxyType(
    {
        Measure.COSINE: cosine,
        Measure.COSINE_DISTANCE: cosine_distance,
        Measure.DOT: dot,
        Measure.EUCLIDEAN: euclidean,
        Measure.MANHATTAN: manhattan,
        Measure.NEGATIVE_SQUARED_EUCLIDEAN: negative_squared_euclidean,
    }
)
"""The measures that need no samples; with mahalanobis these are all."""


def pairwise(
    measure: Measure,
    a: ArrayLike,
    b: ArrayLike,
    *,
    samples: ArrayLike | None = None,
    block: int = BLOCK,
) -> Matrix:
    """The measure of every row of ``a`` with every row of ``b``.

    Only mahalanobis reads ``samples``; it raises InvalidInput without them.
    """
    if measure is not Measure.MAHALANOBIS:
        return PAIRWISE[measure](a, b, block=block)
    if samples is None:
        raise InvalidInput("mahalanobis needs samples, whose covariance it measures by")
    return mahalanobis(a, b, samples, block=block)


def softmax(similarity: ArrayLike, temperature: float) -> Matrix:
    """Row-wise exp(sᵢ / T) / Σⱼ exp(sⱼ / T), each row summing to 1.

    The row's maximum is subtracted before dividing by T, so the largest exponent is 0 and no T
    above 0, however tiny, overflows: the limit is 1 for the maximum, shared among ties.
    """
    _check_temperature(temperature)
    scores = _rows(similarity, "similarity")
    if not scores.size:
        return scores
    weights = np.exp(_over_temperature(scores - scores.max(axis=1, keepdims=True), temperature))
    shares: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True, slots=True)
class Covariance:
    """An invertible covariance (d, d) about a mean (d,), and its shrinkage, in [0, 1].

    ``exponent`` is a power of two taken out: the covariance is ``matrix`` · 4^exponent.
    """

    mean: NDArray[np.float64]
    matrix: Matrix
    shrinkage: float
    exponent: int

    def whiten(self, vectors: Matrix) -> Matrix:
        """(n, d) rows mapped so that the covariance becomes the identity."""
        factor = np.linalg.cholesky(self.matrix)
        with np.errstate(over="ignore", invalid="ignore"):  # overflow is refused later
            centred = np.ldexp(vectors - self.mean, -self.exponent)
            mapped: Matrix = np.linalg.solve(factor, centred.T).T
        return mapped


def covariance(samples: ArrayLike) -> Covariance:
    """The covariance of ``samples`` (s, d), shrunk towards a scaled identity to be invertible.

    Σ = (1 - δ) S + δ μ I, where S = XᵀX / s for the centred samples X, μ = tr(S) / d, and
    δ = min(β², ε²) / ε² with ε² = |S - μI|² / d and β² = Σₖ |xₖxₖᵀ - S|² / (d s²), Frobenius norms:
    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88 (2004), the estimate that minimises the expected squared
    error. It also works for fewer samples than dimensions. δ is at least LEAST_SHRINKAGE. A single
    sample, or equal ones, have no spread: then Σ = I, and mahalanobis is Euclidean.

    Raises InvalidInput if there is no sample.
    """
    given = _rows(samples, "samples")
    if not given.size:
        raise InvalidInput("a covariance needs at least one sample, got none")
    size = int(_exponents(given).max())
    scaled = np.ldexp(given, -size)  # so that no difference overflows
    shifted = scaled - scaled[0]  # so that equal samples give exact zeros
    offset = shifted.mean(axis=0)
    centred = shifted - offset
    mean = np.ldexp(scaled[0] + offset, size)
    spread = float(np.abs(centred).max())
    if spread == 0:
        return Covariance(mean, np.eye(given.shape[1]), 1.0, 0)
    exponent = math.frexp(spread)[1]
    matrix, shrinkage = _shrink(np.ldexp(centred, -exponent))
    return Covariance(mean, matrix, shrinkage, size + exponent)


def _shrink(centred: Matrix) -> tuple[Matrix, float]:
    count, dimension = centred.shape
    raw = centred.T @ centred / count  # (d, d)
    scale = float(np.trace(raw)) / dimension
    target = scale * np.eye(dimension)
    distance = float(np.square(raw - target).sum())
    # Σₖ |xₖxₖᵀ - S|² = Σₖ |xₖ|⁴ - s |S|², which needs no (d, d) matrix per sample.
    fourth = float(np.square(np.square(centred).sum(axis=1)).sum())
    noise = max(fourth / count - float(np.square(raw).sum()), 0.0) / count
    shrinkage = min(noise / distance, 1.0) if distance > 0 else 1.0
    shrinkage = max(shrinkage, LEAST_SHRINKAGE)
    return (1.0 - shrinkage) * raw + shrinkage * target, shrinkage


def info_nce(embeddings: ArrayLike, temperature: float, *, block: int = BLOCK) -> float:
    """InfoNCE over pairs (2i, 2i+1): the mean of -log softmax(cos / T) at each row's partner.

    Each of the 2n rows must find its partner among the other 2n - 1; a row is no candidate for
    itself. This is NT-Xent of SimCLR (Chen et al. 2020, eq. 1). Embeddings are (2n, d) and are
    normalised here. Finite for every T unless the loss itself is beyond float64 (then inf).
    """
    rows = _unit(_rows(embeddings, "embeddings"), "embeddings")
    if not len(rows) or len(rows) % 2:
        raise InvalidInput(f"pairs (2i, 2i+1) need an even number of embeddings, got {len(rows)}")
    partners = np.arange(len(rows)) ^ 1
    return _cross_entropy(rows, rows, partners, temperature, block, skip_self=True)


def symmetric_cross_entropy(
    a: ArrayLike, b: ArrayLike, temperature: float, *, block: int = BLOCK
) -> float:
    """The mean of two cross-entropies of cos / T: aᵢ must find bᵢ among all b, and bᵢ find aᵢ.

    This is the loss of CLIP (Radford et al. 2021, fig. 3) with 1/T for its logit scale. ``a`` and
    ``b`` are (n, d) and are normalised here. Finite as :func:`info_nce` is.
    """
    left, right = _aligned(a, b)
    targets = np.arange(len(left))
    forward = _cross_entropy(left, right, targets, temperature, block)
    backward = _cross_entropy(right, left, targets, temperature, block)
    return forward / 2 + backward / 2


def retrieval_cross_entropy(
    queries: ArrayLike,
    documents: ArrayLike,
    temperature: float,
    *,
    negatives: ArrayLike | None = None,
    ignored: NDArray[np.bool_] | None = None,
    block: int = BLOCK,
) -> float:
    """InfoNCE of queries: the mean of -log softmax(cos / T) at each query's own document.

    ``queries`` and ``documents`` are (n, d), aligned; the candidates are all documents and the
    ``negatives`` (m, d), which may be mined (Karpukhin et al. 2020) or a queue (MoCo, He et al.
    2020). ``ignored`` (n, n + m) marks those that are no candidates for a query, but its own.
    """
    left, right = _aligned(queries, documents)
    more = np.empty((0, left.shape[1])) if negatives is None else _rows(negatives, "negatives")
    candidates = np.concatenate([right, _unit(more, "negatives")])
    skipped = None
    if ignored is not None:
        skipped = ignored & ~np.eye(len(left), len(candidates), dtype=np.bool_)
    targets = np.arange(len(left))
    return _cross_entropy(left, candidates, targets, temperature, block, ignored=skipped)


def cosent(scores: ArrayLike, grades: ArrayLike, temperature: float) -> float:
    """log(1 + Σ exp((sᵢ - sⱼ) / T)) over all pairs with gradeᵢ < gradeⱼ: CoSENT (Su 2022)."""
    _check_temperature(temperature)
    given, ranks = np.asarray(scores, np.float64), np.asarray(grades, np.float64)
    ordered = ranks[:, None] < ranks[None, :]
    wrong = (given[:, None] - given[None, :])[ordered] / temperature
    return float(np.logaddexp.reduce(np.append(wrong, 0.0)))


def angle_similarity(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """(n,) the similarity of aligned rows by angle, for AnglE (Li and Li 2023).

    The halves of a row are its real and imaginary parts. With x and y of unit length it is the
    absolute sum of the real and imaginary parts of xₖ ȳₖ.
    """
    left, right = _aligned(a, b)
    half = left.shape[1] // 2
    x, y = (rows[:, :half] + 1j * rows[:, half:] for rows in (left, right))
    products = (x * y.conj()).sum(axis=1)
    sums: NDArray[np.float64] = np.abs(products.real + products.imag)
    return sums


def triplet_loss(a: ArrayLike, b: ArrayLike, negatives: ArrayLike, margin: float) -> float:
    """The mean of max(0, margin + cos(aᵢ, nᵢ) - cos(aᵢ, bᵢ)) over aligned rows."""
    left, right = _aligned(a, b)
    _, wrong = _aligned(a, negatives)
    gaps = margin + np.vecdot(left, wrong) - np.vecdot(left, right)
    return float(np.maximum(gaps, 0.0).mean())


def cosine_distance_loss(a: ArrayLike, b: ArrayLike) -> float:
    """The mean of 1 - cos(aᵢ, bᵢ) over aligned rows, in [0, 2]. Refuses zero vectors."""
    left, right = _aligned(a, b)
    cosines = np.clip(np.einsum("ij,ij->i", left, right), -1.0, 1.0)
    return float(np.mean(1.0 - cosines))


def _cross_entropy(
    anchors: Matrix,
    candidates: Matrix,
    targets: NDArray[np.int64],
    temperature: float,
    block: int,
    skip_self: bool = False,
    ignored: NDArray[np.bool_] | None = None,
) -> float:
    """The mean over anchors of log Σⱼ exp(cosᵢⱼ / T) - cosᵢₜ / T, t the anchor's target.

    ``ignored`` (anchors, candidates) marks those that are no candidates for an anchor.
    """
    _check_temperature(temperature)
    losses = np.empty(len(anchors))
    for rows in _steps(len(anchors), max(1, _checked(block) // len(candidates))):
        cosines = _cosines(anchors[rows], candidates)  # (rows, candidates)
        here = np.arange(len(cosines))
        wanted = cosines[here, targets[rows]]
        if skip_self:
            cosines[here, here + rows.start] = -np.inf
        if ignored is not None:
            cosines[ignored[rows]] = -np.inf
        top = cosines.max(axis=1)
        with np.errstate(over="ignore"):
            gap = (top - wanted) / temperature
        rest = np.exp(_over_temperature(cosines - top[:, None], temperature))
        losses[rows] = gap + np.log(rest.sum(axis=1))
    return float(losses.mean())


def _over_temperature(differences: Matrix, temperature: float) -> Matrix:
    with np.errstate(over="ignore"):  # -inf is what exp needs: its 0 is exact
        exponents: Matrix = differences / temperature
    return exponents


def _aligned(a: ArrayLike, b: ArrayLike) -> tuple[Matrix, Matrix]:
    left, right = _pair(a, b)
    if len(left) != len(right) or not len(left):
        raise InvalidInput(
            f"a and b must be aligned, row by row, and not empty: got {len(left)} and {len(right)}"
        )
    return _unit(left, "a"), _unit(right, "b")


def _cosines(a: Matrix, b: Matrix) -> Matrix:
    cosines = a @ b.T
    return np.clip(cosines, -1.0, 1.0, out=cosines)  # rounding may leave 1 + 2e-16


def _dots(a: Matrix, b: Matrix) -> Matrix:
    left, right = _exponents(a), _exponents(b)
    scaled = np.ldexp(a, -left[:, None]) @ np.ldexp(b, -right[:, None]).T
    product: Matrix = np.ldexp(scaled, left[:, None] + right[None, :])
    infinite = np.argwhere(np.isinf(product))
    if len(infinite) <= _MOST_EXACT:
        for i, j in infinite.tolist():
            product[i, j] = _exact_dot(a[i], b[j])
    return product


def _exact_dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The true sum of products, rounded once: exact cancellation gives 0; inf if too large.

    Subtracting products of which one is rounded first, as processors with fused multiply-adds do,
    leaves the rounding error, which far from 1 is beyond float64.
    """
    total = sum(Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def _distances(a: Matrix, b: Matrix) -> Matrix:
    difference = a[:, None, :] - b[None, :, :]  # (a, b, d)
    squares = _squares(difference)
    doubtful = ~((squares > _SMALLEST_SAFE_SQUARE) & np.isfinite(squares))
    distances: Matrix = np.sqrt(squares)
    if doubtful.any():
        distances[doubtful] = _norms(difference[doubtful])
    return distances


def _squares(difference: Matrix) -> Matrix:
    squares: Matrix = np.einsum("ijk,ijk->ij", difference, difference)
    return squares


def _norms(rows: Matrix) -> Matrix:
    """(n,) lengths, each row scaled by its exponent so that squares neither overflow nor vanish."""
    exponents = _exponents(rows)
    scaled = np.ldexp(rows, -exponents[:, None])
    norms: Matrix = np.ldexp(np.sqrt(np.einsum("ij,ij->i", scaled, scaled)), exponents)
    return norms


def _unit(rows: Matrix, name: str) -> Matrix:
    zero = np.flatnonzero(~rows.any(axis=1))
    if zero.size:
        raise InvalidVector(f"{name}[{zero[0]}] is the zero vector: it has no direction")
    scaled = np.ldexp(rows, -_exponents(rows)[:, None])
    unit: Matrix = scaled / np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    return unit


def _exponents(rows: Matrix) -> NDArray[np.int32]:
    """(n,) powers of two just above each row's largest component; 0 for a row of zeros."""
    exponents: NDArray[np.int32] = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1]
    return exponents


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Matrix, Matrix]:
    left, right = _rows(a, "a"), _rows(b, "b")
    _require_dimension(left, "a", right.shape[1], "b")
    return left, right


def _require_dimension(rows: Matrix, name: str, dimension: int, other: str) -> None:
    if rows.shape[1] != dimension:
        raise InvalidVector(
            f"{name} has vectors of dimension {rows.shape[1]} and {other} of {dimension}: "
            "they must be of one dimension"
        )


def _rows(given: ArrayLike, name: str) -> Matrix:
    try:
        rows = np.asarray(given, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InvalidVector(f"{name} is not a list of vectors of one dimension: {error}") from error
    if rows.ndim != 2:
        raise InvalidVector(f"{name} must be rows of vectors (n, d), got the shape {rows.shape}")
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if broken.size:
        raise InvalidVector(f"{name}[{broken[0]}] is not finite: it holds NaN or infinity")
    return rows


def _tiled(
    measure: Measure,
    a: Matrix,
    b: Matrix,
    block: int,
    tile: Callable[[Matrix, Matrix], Matrix],
) -> Matrix:
    """(n, m) filled by square tiles, with (tile, tile, d) numbers to a block."""
    result = np.empty((len(a), len(b)))
    side = max(1, math.isqrt(_checked(block) // max(1, a.shape[1])))
    with np.errstate(over="ignore", invalid="ignore"):  # refused below, with its place
        for rows in _steps(len(a), side):
            for columns in _steps(len(b), side):
                result[rows, columns] = tile(a[rows], b[columns])
            _require_finite(measure, result[rows], rows.start)
    return result


def _require_finite(measure: Measure, stripe: Matrix, start: int) -> None:
    if not np.isfinite(stripe).all():
        row, column = np.argwhere(~np.isfinite(stripe))[0]
        raise InvalidVector(
            f"{measure} of a[{start + row}] and b[{column}] is beyond what float64 holds "
            f"({np.finfo(np.float64).max:.2g}): scale the vectors down"
        )


def _steps(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _checked(block: int) -> int:
    if block < 1:
        raise InvalidInput(f"block must be at least 1, got {block}")
    return block


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < math.inf:
        raise InvalidInput(f"temperature must be above 0 and finite, got {temperature}")
