"""Maximal marginal relevance, against the formula taken literally."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import random_units

from indexer.ranking.mmr import diversify, rescaled

SEEDS = st.integers(0, 10_000)
SHARES = st.floats(0, 1)


def literally(relevance: list[float], cosines: np.ndarray, k: int, diversity: float) -> list[int]:
    """Each step tries every candidate, as the paper has it."""
    chosen: list[int] = []
    while len(chosen) < min(k, len(relevance)):
        left = [i for i in range(len(relevance)) if i not in chosen]

        def marginal(i: int) -> float:
            if not chosen:
                return relevance[i]
            near = max(cosines[i, j] for j in chosen)
            return (1 - diversity) * relevance[i] - diversity * near

        chosen.append(max(left, key=marginal))
    return chosen


@given(SEEDS, st.integers(0, 25), st.integers(1, 30), SHARES)
def test_the_order_is_that_of_the_formula(seed: int, n: int, k: int, diversity: float) -> None:
    """Whatever the candidates, the chosen ones are those of trying all at each step."""
    vectors = random_units(n, seed=seed)
    relevance = np.random.default_rng(seed).uniform(-1, 1, n)
    expected = literally(relevance.tolist(), vectors @ vectors.T, k, diversity)
    assert diversify(relevance, vectors, k, diversity).tolist() == expected


@given(SEEDS, st.integers(1, 25))
def test_without_diversity_relevance_decides(seed: int, k: int) -> None:
    """At 0 the order is that of relevance, equals in the order they came."""
    relevance = np.random.default_rng(seed).integers(0, 5, 20)
    order = np.argsort(-relevance, kind="stable")[:k]
    assert diversify(relevance, random_units(20, seed=seed), k, 0.0).tolist() == order.tolist()


@given(SEEDS, SHARES, st.permutations(range(12)))
def test_the_order_of_candidates_does_not_matter(
    seed: int, diversity: float, shuffle: list[int]
) -> None:
    """Shuffled candidates that have no ties are chosen in the same order."""
    vectors = random_units(12, seed=seed)
    relevance = np.random.default_rng(seed).uniform(-1, 1, 12)
    chosen = diversify(relevance, vectors, 5, diversity)
    shuffled = diversify(relevance[shuffle], vectors[shuffle], 5, diversity)
    if 0 < diversity < 1:  # at 1 what is equally far decides, and rounding with it
        np.testing.assert_array_equal(np.array(shuffle)[shuffled], chosen)
    assert shuffle[shuffled[0]] == chosen[0] == np.argmax(relevance)


def test_a_copy_of_what_was_chosen_comes_late() -> None:
    """A duplicate is as relevant as its original, and adds nothing."""
    x, y = np.eye(2, dtype=np.float32)
    vectors = np.stack([x, x, y])
    assert diversify(np.array([1.0, 1.0, 0.5]), vectors, 3, 0.5).tolist() == [0, 2, 1]
    assert diversify(np.array([1.0, 1.0, 0.5]), vectors, 3, 0.1).tolist() == [0, 1, 2]


@given(st.lists(st.floats(-1e6, 1e6), max_size=9))
def test_rescaled_scores_lie_between_0_and_1_in_the_same_order(scores: list[float]) -> None:
    """The least becomes 0, the largest 1; equal ones all 1."""
    found = rescaled(np.array(scores))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(scores)]) >= 0).all()
    if scores:
        assert found.max() == pytest.approx(1)
        assert found.min() == 0 or len(set(scores)) == 1
