"""The shape of a cloud of vectors, against SciPy, scikit-learn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from samples import random_units
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from indexer.analysis.geometry import (
    alignment,
    effective_rank,
    near_duplicate,
    occurrences,
    participation_ratio,
    skewness,
    spectrum,
    uniformity,
)
from indexer.documents import normalise


def test_near_duplicates_are_told_by_how_close_random_texts_are() -> None:
    """Nearer than a tenth of their mean distance."""
    assert near_duplicate(0.0) == pytest.approx(0.9)
    assert near_duplicate(0.8) == pytest.approx(0.98)


def test_uniformity_is_that_of_all_pairs() -> None:
    """As its authors compute it, from squared distances."""
    vectors = random_units(60)
    cosines = (vectors @ vectors.T)[np.triu_indices(60, 1)].astype(np.float64)
    expected = np.log(np.exp(-2 * pdist(vectors, "sqeuclidean")).mean())
    assert uniformity(cosines) == pytest.approx(expected, rel=1e-4)


def test_alignment_is_the_mean_squared_distance_of_pairs() -> None:
    """Zero for equal ones, four for opposite ones."""
    a, b = random_units(50), random_units(50, seed=1)
    expected = np.mean([np.sum((x - y) ** 2) for x, y in zip(a, b, strict=True)])
    assert alignment(a, b) == pytest.approx(expected, rel=1e-6)
    assert alignment(a, a) == 0
    assert alignment(a, -a) == pytest.approx(4)


def test_the_spectrum_is_that_of_principal_components() -> None:
    """The eigenvalues of the covariance, falling."""
    vectors = normalise(np.random.default_rng(0).normal(size=(200, 12)) * np.arange(1, 13))
    expected = PCA().fit(vectors.astype(np.float64)).explained_variance_ * 199 / 200
    np.testing.assert_allclose(spectrum(vectors), expected, rtol=1e-6)


def test_dimensions_count_the_directions_that_vary() -> None:
    """As many as are equal; between, the entropy counts small ones for more."""
    assert participation_ratio(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert effective_rank(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    uneven = np.array([5.0, 1.0, 0.5, 0.1])
    assert effective_rank(uneven) == pytest.approx(np.exp(stats.entropy(uneven / uneven.sum())))
    assert 1 < participation_ratio(uneven) < effective_rank(uneven) < 4
    assert participation_ratio(np.zeros(4)) == effective_rank(np.zeros(4)) == 0


def test_occurrences_are_those_of_the_nearest_neighbours() -> None:
    """Counted by scikit-learn; and their skewness by SciPy."""
    vectors = random_units(120)
    found = NearestNeighbors(n_neighbors=6).fit(vectors).kneighbors(vectors)[1][:, 1:]
    times = occurrences(found, 120)
    assert times.tolist() == [int((found == row).sum()) for row in range(120)]
    assert skewness(times) == pytest.approx(stats.skew(times))
    assert skewness(np.full(9, 4)) == 0
    assert occurrences(np.array([[1, -1]]), 3).tolist() == [0, 1, 0]
