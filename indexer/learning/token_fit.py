"""Vectors of tokens whose sums point where a model's vectors of texts do.

They begin with the model's own vectors of single tokens: centred, weighted down where a token is
frequent (Arora, Liang and Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR
2017), and mapped linearly onto the texts' vectors, which also moves tokens that no text has. Then
those of the texts' tokens are fitted by ridge regression, which holds them near that beginning.
Nothing here knows a model or a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors

Bags: TypeAlias = Any
"""(n, tokens) scipy.sparse.csr_matrix of float32: how often each text has each token."""

Table: TypeAlias = NDArray[np.float32]
"""(tokens, d) float32, of any length."""

FREQUENT: Final = 1e-3
"""The share of all tokens at which a token counts for half as much as a rare one."""

RIDGE: Final = 0.1
STEPS: Final = 8

LENGTHS: Final = 1.0
"""The ridge of the linear map."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """``ridge`` holds tokens to their beginning, in units of a token's mean weight in the texts.

    ``steps`` are of conjugate gradients; ending early holds rare tokens back, too.
    """

    ridge: float = RIDGE
    steps: int = STEPS


def begin(tokens: Vectors, bags: Bags, targets: Vectors) -> Table:
    """The vectors of all tokens before the fit: centred, weighted and mapped."""
    counts = np.asarray(bags.sum(axis=0)).ravel() + 1.0
    weights = FREQUENT / (FREQUENT + counts / counts.sum())
    weighted = ((tokens - tokens.mean(axis=0)) * weights[:, None]).astype(np.float32)
    sums = unit(bags @ weighted)
    square = sums.T @ sums + LENGTHS * np.eye(sums.shape[1], dtype=np.float32)
    mapped: Table = weighted @ np.linalg.solve(square, sums.T @ targets).astype(np.float32)
    return mapped


def fit(
    table: Table, bags: Bags, targets: Vectors, fitting: Fitting, tell: Callable[[int], None]
) -> Table:
    """The table with the vectors of those tokens fitted that the texts have.

    Each text counts alike, whatever its length. ``tell`` is called with the steps that are done.
    """
    seen = np.flatnonzero(np.asarray(bags.sum(axis=0)).ravel())
    some, start = bags[:, seen].tocsr(), table[seen]
    lengths = np.linalg.norm(some @ start, axis=1)
    scaled = some.multiply(1.0 / np.maximum(lengths, _TINY)[:, None]).tocsr().astype(np.float32)
    fitted = table.copy()
    fitted[seen] += _solve(scaled, targets - scaled @ start, fitting, tell)
    return fitted


_TINY: Final = 1e-20


def _solve(bags: Bags, rest: Table, fitting: Fitting, tell: Callable[[int], None]) -> Table:
    """The change of each token, (tokens, d), that explains the rest of each text, (n, d).

    Conjugate gradients on the normal equations, all d at once, preconditioned by their diagonal
    (Saad, "Iterative methods for sparse linear systems", 2003, chapter 9).
    """
    turned = bags.T.tocsr()
    diagonal = np.asarray(bags.multiply(bags).sum(axis=0)).ravel()
    ridge = np.float32(fitting.ridge * diagonal.mean())
    inverse = (1.0 / (diagonal + ridge)).astype(np.float32)[:, None]
    residual = turned @ rest
    change: Table = np.zeros_like(residual)
    direction = inverse * residual
    size = np.einsum("ij,ij->j", residual, direction)
    for step in range(fitting.steps):
        image = turned @ (bags @ direction) + ridge * direction
        pace = size / np.maximum(np.einsum("ij,ij->j", direction, image), _TINY)
        change += pace * direction
        residual -= pace * image
        near = inverse * residual
        before, size = size, np.einsum("ij,ij->j", residual, near)
        direction = near + size / np.maximum(before, _TINY) * direction
        tell(step + 1)
    return change


def cosines(table: Table, bags: Bags, targets: Vectors) -> NDArray[np.float32]:
    """The cosine of each text's vector by a table to its target, (n,)."""
    near: NDArray[np.float32] = np.einsum("ij,ij->i", unit(bags @ table), targets)
    return near


def unit(rows: Table) -> Vectors:
    """The rows scaled to unit length; zero rows stay."""
    scaled: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
    return scaled
