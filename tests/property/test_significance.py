"""Laws of significance, whatever the sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexer.ranking.significance import Survival, best_of, fit_tail

samples = arrays(
    np.float64, st.integers(1, 200), elements=st.floats(-20, 20, allow_nan=False, width=32)
)
values = arrays(
    np.float64, st.integers(2, 50), elements=st.floats(-30, 30, allow_nan=False, width=32)
)


@given(samples, values, st.randoms())
@settings(max_examples=100, deadline=None)
def test_a_survival_function_is_one(sample: np.ndarray, at: np.ndarray, random: object) -> None:
    """It is in [0, 1], never rises, has no step at its tail, and knows no order of the sample."""
    survival = Survival.of(sample)
    found = survival(np.sort(at))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) <= 0).all()
    shuffled = sample.tolist()
    random.shuffle(shuffled)
    np.testing.assert_array_equal(Survival.of(np.array(shuffled))(at), survival(at))
    threshold = survival.knots[-1]
    assert survival(np.array([threshold]))[0] == survival.share
    above = survival(np.array([np.nextafter(threshold, np.inf)]))[0]
    assert above <= survival.share


@given(samples.map(np.abs), st.floats(0.01, 20))
@settings(max_examples=100, deadline=None)
def test_a_tail_is_no_lighter_than_an_exponential_one(excesses: np.ndarray, cut: float) -> None:
    """Its shape is bounded, its scale above 0, and it does not depend on order."""
    tail = fit_tail(excesses, cut)
    assert 0 <= tail.shape <= 0.5
    assert tail.scale > 0
    assert fit_tail(excesses[::-1], cut) == tail


@given(arrays(np.float64, 20, elements=st.floats(0, 1)), st.integers(1, 10**9))
def test_the_best_of_more_reaches_as_high_no_less_often(chances: np.ndarray, count: int) -> None:
    """In [0, 1], rising with the chance of one and with how many there are; of one it is p."""
    found = best_of(chances, count)
    assert ((found >= 0) & (found <= 1)).all()
    order = np.argsort(chances)
    assert (np.diff(found[order]) >= -1e-15).all()
    assert (best_of(chances, count + 1) >= found - 1e-15).all()
    np.testing.assert_allclose(best_of(chances, 1), chances, rtol=1e-12, atol=0)
    tiny = best_of(np.array([1e-18]), 1_000)[0]
    np.testing.assert_allclose(tiny, 1e-15, rtol=1e-9)
