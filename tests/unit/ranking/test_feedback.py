"""Feedback: a second query from the best documents, and what it adds to scores."""

from __future__ import annotations

import numpy as np
import pytest
from samples import random_units

from indexer.ranking.feedback import TEMPERATURE, WEIGHT, direction_of, with_feedback


def test_the_direction_is_a_weighted_mean() -> None:
    """Each document counts once, however many vectors it has, the better the more."""
    one, other = random_units(1, seed=1), random_units(3, seed=2)
    found = direction_of([one, other], np.array([1.5, 1.0]))
    expected = one[0] + np.exp(-0.5 / TEMPERATURE) * other.mean(axis=0)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_documents_that_cancel_out_say_nothing() -> None:
    """They have no direction together; nor have no documents."""
    vector = random_units(1)
    assert direction_of([np.concatenate([vector, -vector])], np.array([1.0])) is None
    assert direction_of([], np.array([])) is None


def test_likeness_is_added_in_deviations() -> None:
    """By hand: of 1, 3 and 2 the mean is 2 and the deviation the root of 2/3."""
    deviation = np.sqrt(2 / 3)
    found = with_feedback(
        np.array([5.0, 6.0, 7.0, 0.0]), np.array([2, 0, 1]), np.array([1.0, 3.0, 2.0])
    )
    added = np.array([1.0, 0.0, -1.0, -1.0]) / deviation
    assert found == pytest.approx(np.array([5.0, 6.0, 7.0, 0.0]) + WEIGHT * added)


def test_equal_likeness_changes_nothing() -> None:
    """Nor does a single document's."""
    scores = np.array([2.0, 1.0])
    assert with_feedback(scores, np.array([0, 1]), np.array([0.5, 0.5])).tolist() == [2.0, 1.0]
    assert with_feedback(scores[:1], np.array([0]), np.array([0.5])).tolist() == [2.0]
