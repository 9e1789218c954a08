"""Laws of significance, whatever the sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tries import tries

from indexer.ranking.significance import Survival, fit_tail

samples = arrays(
    np.float64, st.integers(1, 200), elements=st.floats(-1, 1, allow_nan=False, width=32)
)
values = arrays(
    np.float64, st.integers(2, 50), elements=st.floats(-1, 1, allow_nan=False, width=32)
)


@given(samples, values, st.randoms())
@settings(max_examples=tries(40), deadline=None)
def test_a_survival_function_is_one(sample: np.ndarray, at: np.ndarray, random: object) -> None:
    """It is in [0, 1], never rises, has no step at its tail, and knows no order of the sample."""
    survival = Survival.of(sample)
    found = survival(np.sort(at))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) <= 0).all()
    shuffled = sample.tolist()
    random.shuffle(shuffled)
    np.testing.assert_array_equal(Survival.of(np.array(shuffled))(at), survival(at))
    below = survival(np.array([survival.threshold]))[0]
    above = survival(np.array([np.nextafter(survival.threshold, np.inf)]))[0]
    assert 0.99 * below < above <= below or survival.tail.scale < 1e-6


@given(samples.map(np.abs))
@settings(max_examples=tries(40), deadline=None)
def test_a_tail_is_no_lighter_than_an_exponential_one(excesses: np.ndarray) -> None:
    """Its shape is bounded, its scale above 0, and it does not depend on order."""
    tail = fit_tail(excesses)
    assert 0 <= tail.shape <= 0.5
    assert tail.scale > 0
    assert fit_tail(excesses[::-1]) == tail
