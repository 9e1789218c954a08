"""The gradient of t-SNE by a grid, in time linear in the points and in the cells.

All points repel each other, which is a sum over all pairs. Here it is the slope of a potential: the
sum over all others of ``1 / (1 + r²)``, r being their distance. Points are spread over a grid by
cubic B-splines, the grid is convolved with the kernel by Fourier transforms, and the potential and
its slope are read at the points by the same splines, as Essmann et al. do for charges ("A smooth
particle mesh Ewald method", 1995). Linderman et al. ("Fast interpolation-based t-SNE for improved
visualization of single-cell RNA-seq data", 2019), whom openTSNE follows, interpolate by a parabola
on three nodes a cell, and convolve four times where one potential needs one.

Sums over many points are float64, what is known of one is float32: the grid's own error is larger
by a factor of thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Shape: TypeAlias = tuple[int, int]

SPACING: Final = 0.4
"""Between two nodes; the kernel is half as high at 1. Forces are known to 2 % of their mean."""

LEAST_CELLS: Final = 128
"""Along the longer side of the map, also while that is short."""

MOST_CELLS: Final = 2_048
"""Along it, also when a point has left the others far behind: cells are wider then."""

_AROUND: Final = 4
"""Nodes in each direction of which a point's splines are not zero."""

_BATCH: Final = 8_192
"""Points that are worked on at once."""

_TINY: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class _Splines:
    """The shares of nodes around some points in what these give and take.

    ``corner`` is (m,), the first node of each in the flat grid; the others are (4, m): the values
    of the splines along the first axis and the second, and their derivatives.
    """

    corner: NDArray[np.int64]
    along: Floats
    along_slope: Floats
    across: Floats
    across_slope: Floats


@dataclass(frozen=True, slots=True)
class _Kernel:
    """``1 / (1 + r²) - least``, transformed.

    ``least`` is its value farthest away: while all points are near each other, at the start, the
    kernel differs from 1 by less than float32 resolves. ``near`` is (4, 4), what a node gets from
    those up to three away along the two axes.
    """

    shape: Shape
    spacing: float
    transformed: Floats
    least: float
    near: Doubles


class GridGradient:
    """The objective that openTSNE's optimiser calls at each step, for one degree of freedom."""

    def __init__(self, threads: int, spacing: float = SPACING) -> None:
        self._threads = threads
        self._spacing = spacing
        self._pool = ThreadPoolExecutor(threads)
        self._kernel: _Kernel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def __call__(
        self,
        embedding: Doubles,
        P: Any,  # noqa: ANN401, N803 - a sparse matrix, by the name that openTSNE gives
        *,
        should_eval_error: bool = False,
        **_: object,
    ) -> tuple[float, Doubles]:
        """The Kullback-Leibler divergence, 0 unless it is asked for, and the gradient, (n, 2).

        ``embedding`` are the (n, 2) places, ``P`` the (n, n) affinities, a CSR matrix. As in
        openTSNE the gradient is without its factor of 4.
        """
        places = np.asarray(embedding)
        total, repulsion = self.repulsion(places)
        gradient, divergence = self._attraction(places, P, told=should_eval_error)
        gradient -= repulsion / total
        if should_eval_error:
            divergence += float(P.data.sum()) * float(np.log(total + _TINY))
        return divergence, gradient

    def repulsion(self, places: Doubles) -> tuple[float, Doubles]:
        """The sum of ``1 / (1 + r²)`` over all ordered pairs, and the (n, 2) forces.

        A force is the sum of ``(y_i - y_j) / (1 + r²)²`` over all other points j: half of the
        potential's slope, downwards.
        """
        low, high = places.min(axis=0), places.max(axis=0)
        length = float((high - low).max())
        spacing = max(min(self._spacing, length / LEAST_CELLS), length / MOST_CELLS) or 1.0
        first, second = (int(cells) + _AROUND + 1 for cells in (high - low) / spacing)
        splines = _splines((places - low) / spacing, second)
        potential, kernel = self._convolve(_spread(splines, (first, second)), spacing)
        values, forces = np.empty(len(places), np.float32), np.empty_like(places)
        for part in _parts(len(places)):
            values[part], forces[part] = _read(splines, part, potential)
        forces /= -2.0 * spacing
        others = len(places) * (len(places) - 1) * kernel.least  # no less than if all were far away
        total = float(values.sum(dtype=np.float64)) - _of_themselves(splines, kernel.near) + others
        return max(total, others), forces

    def _convolve(self, grid: Doubles, spacing: float) -> tuple[Floats, _Kernel]:
        """A grid convolved with the kernel, and that.

        Room beside it keeps its ends from meeting.
        """
        from scipy.fft import irfft2, next_fast_len, rfft2

        rows, columns = grid.shape
        shape = (next_fast_len(2 * rows, real=True), next_fast_len(2 * columns, real=True))
        kernel = self._kernel
        if kernel is None or (kernel.shape, kernel.spacing) != (shape, spacing):
            self._kernel = kernel = _kernel(shape, spacing, self._threads)
        transformed = rfft2(grid.astype(np.float32), s=shape, workers=self._threads)
        transformed *= kernel.transformed
        whole = irfft2(transformed, s=shape, workers=self._threads, overwrite_x=True)
        return np.ascontiguousarray(whole[:rows, :columns]), kernel

    def _attraction(
        self,
        places: Doubles,
        affinities: Any,  # noqa: ANN401
        *,
        told: bool,
    ) -> tuple[Doubles, float]:
        """The pull of its neighbours on each point, (n, 2), and the divergence but for one sum."""
        pulled, axes = np.empty_like(places), np.ascontiguousarray(places.T, dtype=np.float32)

        def pull(part: slice) -> float:
            drawn, own = _pull(axes, affinities, part, told=told)
            pulled[part] = drawn.T
            return own

        return pulled, sum(self._pool.map(pull, _parts(len(places))))


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _BATCH):
        yield slice(start, min(start + _BATCH, count))


def _kernel(shape: Shape, spacing: float, threads: int) -> _Kernel:
    """The kernel for a padded grid.

    It is divided by the transforms of the splines that spread and of those that read, so that what
    they blur is undone: between nodes it is the cubic spline through its values on them.
    """
    from scipy.fft import irfft2, rfft2

    away = [np.minimum(np.arange(size), size - np.arange(size)) * spacing for size in shape]
    squares = np.square(away[0])[:, None] + np.square(away[1])
    least = 1.0 / (1.0 + squares.max())
    values = (squares.max() - squares) * least / (1.0 + squares)  # 1 / (1 + squares) - least
    blur = [(2.0 + np.cos(2.0 * np.pi * np.arange(size) / size)) / 3.0 for size in shape]
    blurred = np.square(blur[0][:, None] * blur[1][: shape[1] // 2 + 1])
    transformed = rfft2(values, workers=threads).real / blurred
    near = irfft2(transformed, s=shape, workers=threads)[:_AROUND, :_AROUND]
    return _Kernel(shape, spacing, transformed.astype(np.float32), least, near.copy())


def _splines(places: Doubles, columns: int) -> _Splines:
    """Those of points, (m, 2) in units of the spacing, on a grid of so many columns."""
    whole = places.astype(np.int64)
    beyond = (places - whole).astype(np.float32)
    return _Splines(
        whole[:, 0] * columns + whole[:, 1],
        *_cubic(np.ascontiguousarray(beyond[:, 0])),
        *_cubic(np.ascontiguousarray(beyond[:, 1])),
    )


def _cubic(beyond: Floats) -> tuple[Floats, Floats]:
    """The cubic B-splines of four nodes, and their slopes, (4, m), so far beyond the second."""
    left = 1.0 - beyond
    square, left_square = beyond * beyond, left * left
    values = (
        left_square * left / 6.0,
        (0.5 * beyond - 1.0) * square + 2.0 / 3.0,
        (0.5 * left - 1.0) * left_square + 2.0 / 3.0,
        square * beyond / 6.0,
    )
    slopes = (
        -0.5 * left_square,
        (1.5 * beyond - 2.0) * beyond,
        (2.0 - 1.5 * left) * left,
        0.5 * square,
    )
    return np.stack(values), np.stack(slopes)


def _spread(splines: _Splines, shape: Shape) -> Doubles:
    """The sum of what all points give to each node."""
    grid = np.zeros(shape[0] * shape[1])
    for row, along in enumerate(splines.along):
        nodes = _row(splines.corner, row, shape[1]).ravel()
        given = np.multiply(along, splines.across, dtype=np.float64).ravel()
        grid += np.bincount(nodes, given, minlength=len(grid))
    return grid.reshape(shape)


def _of_themselves(splines: _Splines, near: Doubles) -> float:
    """The sum of what points read of what they gave themselves: not just 1 each, but blurred."""
    along, across = _overlaps(splines.along), _overlaps(splines.across)
    return float(np.einsum("km,km->", along, near.astype(np.float32) @ across, dtype=np.float64))


def _overlaps(shares: Floats) -> Floats:
    """The products of each point's shares, summed by how many nodes they are apart, (4, m)."""
    apart = [np.einsum("nm,nm->m", shares[gap:], shares[: _AROUND - gap]) for gap in range(_AROUND)]
    return np.stack(apart) * np.array([1, 2, 2, 2], np.float32)[:, None]


def _row(corner: NDArray[np.int64], row: int, columns: int) -> NDArray[np.int64]:
    """The four nodes beside each of m points in one row of the grid, (4, m)."""
    return corner + (row * columns + np.arange(_AROUND)[:, None])


def _read(splines: _Splines, part: slice, potential: Floats) -> tuple[Floats, Floats]:
    """The potential at some points, (m,), and its slope in units of the spacing, (m, 2)."""
    corner, columns = splines.corner[part], potential.shape[1]
    across, across_slope = splines.across[:, part], splines.across_slope[:, part]
    values, slopes = np.zeros(len(corner), np.float32), np.zeros((2, len(corner)), np.float32)
    for row in range(_AROUND):
        nodes = potential.take(_row(corner, row, columns))
        along, here = splines.along[row, part], np.einsum("nm,nm->m", across, nodes)
        values += along * here
        slopes[0] += splines.along_slope[row, part] * here
        slopes[1] += along * np.einsum("nm,nm->m", across_slope, nodes)
    return values, slopes.T


def _pull(
    places: Floats,
    affinities: Any,  # noqa: ANN401
    part: slice,
    *,
    told: bool,
) -> tuple[Floats, float]:
    """The pull of their neighbours on some points, (2, m), and their part of the divergence.

    ``places`` is (2, n). A point is drawn by the sum of ``p (y_i - y_j) / (1 + r²)``.
    """
    firsts = affinities.indptr[part.start : part.stop + 1]
    held, counts = slice(firsts[0], firsts[-1]), np.diff(firsts)
    affinity, others = affinities.data[held].astype(np.float32), affinities.indices[held]
    apart = [np.repeat(axis[part], counts) - axis.take(others) for axis in places]
    near = 1.0 / (1.0 + apart[0] * apart[0] + apart[1] * apart[1])
    divergence = affinity * np.log(affinity / near) if told else np.zeros(1)
    near *= affinity
    drawn, some = np.zeros((2, len(counts)), np.float32), counts > 0
    for axis, away in zip(drawn, apart, strict=True):
        axis[some] = np.add.reduceat(near * away, firsts[:-1][some] - firsts[0])
    return drawn, float(divergence.sum(dtype=np.float64))
