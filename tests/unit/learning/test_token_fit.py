"""The fit of token vectors, beside a direct solution of the same equations."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from indexer.learning.token_fit import Fitting, begin, cosines, fit, unit

TOKENS, TEXTS, DIMENSION = 30, 80, 6
RANDOM = np.random.default_rng(3)
COUNTS = RANDOM.poisson(0.3, (TEXTS, TOKENS)).astype(np.float32)
COUNTS[:, 0] += 1  # no text is empty
COUNTS[:, -3:] = 0
BAGS = sparse.csr_matrix(COUNTS)
START = RANDOM.standard_normal((TOKENS, DIMENSION)).astype(np.float32)
TARGETS = unit(COUNTS @ RANDOM.standard_normal((TOKENS, DIMENSION)).astype(np.float32))


def test_enough_steps_give_the_ridge_regression() -> None:
    """The change solves (A'A + r I) x = A' (t - A e), texts scaled to length 1."""
    ridge = 0.3
    fitted = fit(START, BAGS, TARGETS, Fitting(ridge, 60), lambda _: None)
    a = (COUNTS / np.linalg.norm(COUNTS @ START, axis=1, keepdims=True))[:, :-3].astype(float)
    square = a.T @ a
    square += ridge * np.diag(square).mean() * np.eye(len(square))
    change = np.linalg.solve(square, a.T @ (TARGETS - a @ START[:-3]))
    assert np.abs(fitted[:-3] - START[:-3] - change).max() < 1e-3


def test_tokens_that_no_text_has_stay() -> None:
    """They are where they began."""
    fitted = fit(START, BAGS, TARGETS, Fitting(), lambda _: None)
    assert (fitted[-3:] == START[-3:]).all()


def test_frequent_tokens_begin_small() -> None:
    """They say little of a text."""
    tokens = unit(RANDOM.standard_normal((TOKENS, DIMENSION)).astype(np.float32))
    many = COUNTS.copy()
    many[:, 1] += 500
    rare, frequent = (
        np.linalg.norm(begin(tokens, sparse.csr_matrix(counts), TARGETS), axis=1)
        for counts in (COUNTS, many)
    )
    assert frequent[1] / frequent[5] < 0.2 * rare[1] / rare[5]


def test_a_fit_brings_texts_nearer() -> None:
    """To their targets, from the beginning on."""
    fitted = fit(START, BAGS, TARGETS, Fitting(), lambda _: None)
    assert cosines(fitted, BAGS, TARGETS).mean() > cosines(START, BAGS, TARGETS).mean() + 0.5
    assert np.allclose(
        cosines(fitted, BAGS, TARGETS), (unit(COUNTS @ fitted) * TARGETS).sum(axis=1), atol=1e-5
    )


def test_progress_counts_steps() -> None:
    """Each is told when it is done."""
    told: list[int] = []
    fit(START, BAGS, TARGETS, Fitting(steps=3), told.append)
    assert told == [1, 2, 3]
