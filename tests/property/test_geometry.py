"""Laws of the shape of a cloud of vectors."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import random_units
from tries import tries

from indexer.analysis.geometry import (
    alignment,
    effective_rank,
    occurrences,
    participation_ratio,
    skewness,
    spectrum,
    uniformity,
)

SLACK = 1e-6


@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 10**6))
@settings(max_examples=tries(20), deadline=None)
def test_figures_are_bounded_and_know_no_order(count: int, dimension: int, seed: int) -> None:
    """Each keeps its bounds; shuffled rows and a turned cloud give the same."""
    vectors = random_units(count, dimension, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    turn = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0].astype(np.float32)
    values = spectrum(vectors)
    for same in (vectors[order], vectors @ turn):
        np.testing.assert_allclose(spectrum(same), values, atol=1e-6)
    ratio, rank = participation_ratio(values), effective_rank(values)
    assert 1 - SLACK <= ratio <= rank + SLACK <= dimension + 2 * SLACK
    cosines = (vectors @ vectors[order].T).ravel().astype(np.float64)
    assert -8 - SLACK <= uniformity(cosines) <= SLACK
    assert uniformity(rng.permutation(cosines)) == uniformity(np.sort(cosines)) or np.isclose(
        uniformity(cosines), uniformity(np.sort(cosines))
    )
    assert uniformity(np.minimum(cosines + 0.1, 1.0)) >= uniformity(cosines)
    assert 0 <= alignment(vectors, vectors[order]) <= 4 + SLACK
    assert np.isclose(alignment(vectors, vectors[order]), alignment(vectors[order], vectors))


@given(st.lists(st.integers(-1, 9), min_size=1, max_size=60))
def test_every_neighbour_is_counted_once(neighbours: list[int]) -> None:
    """Occurrences sum to how many neighbours there are; their skewness is finite."""
    found = occurrences(np.array([neighbours]), 10)
    assert found.sum() == sum(one >= 0 for one in neighbours)
    assert np.isfinite(skewness(found))
