"""Rankings by example, on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexer.errors import InvalidVector
from indexer.ranking.recommendation import best_scores, mean_direction

COSINES = st.floats(-1, 1, width=32)


def cosines(columns: int) -> st.SearchStrategy[np.ndarray]:
    """Those of seven candidates."""
    return arrays(np.float32, (7, columns), elements=COSINES)


@given(st.integers(0, 4).flatmap(cosines), st.integers(1, 4).flatmap(cosines))
def test_whatever_is_nearer_to_the_unliked_comes_last(
    liked: np.ndarray, unliked: np.ndarray
) -> None:
    """Scores follow the rule, candidate by candidate, and none of the vetoed is above another."""
    scores = best_scores(liked, unliked)
    for score, near, away in zip(scores, liked.tolist(), unliked.tolist(), strict=True):
        if not near:
            assert score == np.float32(-max(away))
        elif max(near) > max(away) + 1e-6:
            assert score == np.float32(max(near))
        else:
            assert score == pytest.approx(-2 - max(away)) and score <= -1 + 1e-6


@given(cosines(3), cosines(2), st.permutations(range(3)), st.permutations(range(2)))
def test_the_order_of_examples_does_not_matter(
    liked: np.ndarray, unliked: np.ndarray, one: list[int], other: list[int]
) -> None:
    """Examples are sets."""
    shuffled = best_scores(liked[:, one], unliked[:, other])
    np.testing.assert_array_equal(best_scores(liked, unliked), shuffled)


def test_the_mean_leads_from_the_unliked_to_the_liked() -> None:
    """The direction is the difference of means; either side may be empty."""
    x, y, none = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[1:], np.empty((0, 2))
    np.testing.assert_allclose(mean_direction(x, y), [0.5**0.5, -(0.5**0.5)], rtol=1e-6)
    np.testing.assert_array_equal(mean_direction(x, none), [1, 0])
    np.testing.assert_array_equal(mean_direction(none, y), [0, -1])
    with pytest.raises(InvalidVector, match="the examples' mean"):
        mean_direction(x, x)
