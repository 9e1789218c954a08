"""Exact search against a matrix product in float64."""

from __future__ import annotations

import numpy as np
import pytest
from samples import random_units

from indexer.ann.faiss_index import exact_search, near_rows


@pytest.mark.parametrize("share", [None, 0.001, 0.04, 0.5, 1.0])
@pytest.mark.parametrize("queries", [1, 3, 40])
def test_exact_search_equals_the_matrix_product(share: float | None, queries: int) -> None:
    """Scores and rows are those of sorting all allowed products, whatever share is allowed."""
    vectors, asked = random_units(3000), random_units(queries, seed=1)
    allowed = None
    if share is not None:
        allowed = np.random.default_rng(2).random(3000) < share
        allowed[17] = True
    scores, rows = exact_search(asked, vectors, 25, allowed)
    products = asked.astype(np.float64) @ vectors.astype(np.float64).T
    if allowed is not None:
        products[:, ~allowed] = -np.inf
    count = min(25, 3000 if allowed is None else int(allowed.sum()))
    order = np.argsort(-products, axis=1)[:, :count]
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(scores, np.take_along_axis(products, order, 1), atol=1e-6)


def test_equal_scores_come_in_order_of_rows() -> None:
    """Ties are broken by row, so that answers repeat."""
    vectors = np.repeat(random_units(2), 5, axis=0)
    scores, rows = exact_search(vectors[:1], vectors, 10)
    assert rows[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert scores.max() <= 1.0


@pytest.mark.parametrize("share", [None, 0.5])
def test_a_batch_answers_as_its_queries_alone(share: float | None) -> None:
    """Over several blocks, rows are those of single queries, and scores but for rounding."""
    vectors = random_units(60_000, dimension=16)
    asked = np.concatenate([random_units(30, seed=1, dimension=16), vectors[5:600:20]])
    allowed = None if share is None else np.random.default_rng(2).random(60_000) < share
    alone = [exact_search(query[None], vectors, 10, allowed) for query in asked]
    scores, rows = exact_search(asked, vectors, 10, allowed)
    np.testing.assert_array_equal(rows, np.concatenate([one[1] for one in alone]))
    np.testing.assert_allclose(scores, np.concatenate([one[0] for one in alone]), atol=1e-6)


def test_a_batch_keeps_the_earlier_of_equal_rows() -> None:
    """Where the k-th ties with rows that came later, in its block or another, those are left."""
    vectors = np.tile(np.repeat(random_units(10_000, dimension=16), 2, axis=0), (3, 1))
    asked = random_units(30, seed=1, dimension=16)
    _, rows = exact_search(asked, vectors, 9)
    products = asked @ vectors[:20_000:2].T
    best = np.argsort(-products, axis=1)[:, :2] * 2
    expected = [[a, a + 1, a + 20_000, a + 20_001, a + 40_000, a + 40_001] for a, _ in best]
    assert rows[:, :6].tolist() == expected
    assert rows[:, 6:].tolist() == [[b, b + 1, b + 20_000] for _, b in best]


def test_nothing_allowed_finds_nothing() -> None:
    """An empty set of rows gives an empty answer of the right shape."""
    scores, rows = exact_search(random_units(2), random_units(9), 5, np.zeros(9, dtype=np.bool_))
    assert scores.shape == rows.shape == (2, 0)


@pytest.mark.parametrize(("queries", "rows"), [(3, 50), (300, 700), (2, 40_000), (0, 5)])
def test_near_rows_are_all_pairs_above_a_cosine(queries: int, rows: int) -> None:
    """Each once, with its cosine, also where queries and rows are looked at part by part."""
    asked, vectors = random_units(queries, seed=1), random_units(rows)
    products = asked.astype(np.float64) @ vectors.astype(np.float64).T
    found = {
        (int(place), int(row)): float(score)
        for part in near_rows(asked, vectors, 0.6)
        for place, row, score in zip(*part, strict=True)
    }
    expected = {(int(p), int(r)) for p, r in np.argwhere(products > 0.6)}
    assert set(found) == expected
    assert sum(len(part[0]) for part in near_rows(asked, vectors, 0.6)) == len(expected)
    for pair, score in found.items():
        assert score == pytest.approx(products[pair], abs=1e-6)
