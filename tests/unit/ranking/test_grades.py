"""The word beside a hit: by its relevance, which rises with its margin and falls with its place."""

from __future__ import annotations

import numpy as np
import pytest
from samples import make_identity

from indexer.queries import Grade
from indexer.ranking.grades import SHIPPED, ShippedCurve, grade_of, shipped_relevance


@pytest.mark.parametrize(
    ("relevance", "grade"),
    [
        (1.0, Grade.STRONG),
        (0.5, Grade.STRONG),
        (0.49, Grade.FAIR),
        (0.15, Grade.FAIR),
        (0.149, Grade.WEAK),
        (0.0, Grade.WEAK),
    ],
)
def test_a_grade_is_a_range_of_relevance(relevance: float, grade: Grade) -> None:
    """Half of what is strong is relevant at least, and one in seven of what is fair."""
    assert grade_of(relevance) is grade


def test_relevance_is_a_logistic_function() -> None:
    """By hand: log odds of 10 x 0.2 - 1 x log 1 - 1 = 1, and of 2 - log 2 - 1."""
    curve = ShippedCurve(10.0, 1.0, -1.0)
    found = curve.relevance(np.array([0.2, 0.2]), np.array([1, 2]))
    np.testing.assert_allclose(found, [np.e / (1 + np.e), np.e / (2 + np.e)])


@pytest.mark.parametrize("weights", sorted(SHIPPED))
def test_relevance_rises_with_the_margin_and_falls_with_the_place(weights: str) -> None:
    """Of every curve that is shipped; a first hit far above the typical one is strong."""
    curve = SHIPPED[weights]
    margins = np.linspace(-0.3, 0.7, 50)
    assert (np.diff(curve.relevance(margins, np.ones(50, np.int64))) > 0).all()
    assert (np.diff(curve.relevance(np.full(50, 0.3), np.arange(1, 51))) < 0).all()
    assert grade_of(curve.relevance(np.array([0.5]), np.array([1]))[0]) is Grade.STRONG
    assert grade_of(curve.relevance(np.array([0.0]), np.array([1]))[0]) is Grade.WEAK


def test_of_another_model_nothing_is_known() -> None:
    """Neither without a background, which the margin is taken from."""
    assert shipped_relevance(make_identity(), None) is None
