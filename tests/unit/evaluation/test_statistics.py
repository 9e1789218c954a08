"""Paired tests and intervals, held against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tries import tries

from indexer.evaluation.statistics import (
    Values,
    bootstrap_interval,
    difference_of,
    holm,
    randomisation_p,
)


def mean_difference(a: Values, b: Values, axis: int = -1) -> Values:
    """SciPy's statistic: the mean of paired differences."""
    return np.mean(b - a, axis=axis)


def scipy_p(a: Values, b: Values, resamples: int) -> float:
    """SciPy's paired permutation test, two-sided."""
    found = stats.permutation_test(
        (a, b),
        mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(1),
    )
    return float(found.pvalue)


def pairs(seed: int, n: int, shift: float) -> tuple[Values, Values]:
    """Two systems' values of n queries; some are the same, as measures often are."""
    random = np.random.default_rng(seed)
    a = random.random(n).round(2)
    b = np.clip(a + random.normal(shift, 0.2, n).round(2) * (random.random(n) < 0.7), 0, 1)
    return a, b


@pytest.mark.parametrize("seed", range(8))
def test_few_queries_are_tested_exactly(seed: int) -> None:
    """Where all signs can be tried, the p value is SciPy's, to the last digits."""
    a, b = pairs(seed, 12, 0.1)
    expected = scipy_p(a, b, 2**12)
    assert randomisation_p(b - a) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("seed", "shift"), [(0, 0.0), (1, 0.02), (2, 0.04), (3, 0.3)])
def test_many_queries_are_tested_by_drawing(seed: int, shift: float) -> None:
    """The p value of drawn signs is SciPy's, and close to that of Student's t test."""
    a, b = pairs(seed, 80, shift)
    p = randomisation_p(b - a, resamples=20_000)
    error = 4 * np.sqrt(max(p, 1e-4) * (1 - p) / 20_000)
    assert p == pytest.approx(scipy_p(a, b, 20_000), abs=2 * error)
    assert p == pytest.approx(stats.ttest_rel(b, a).pvalue, abs=error + 0.01)


def test_equal_sums_count_as_extreme_whatever_their_rounding() -> None:
    """0.1 + 0.2 - 0.3 is not 0 in floating point, but as a difference it is as extreme."""
    differences = np.array([0.1, 0.2, -0.3])
    assert randomisation_p(differences) == 1.0
    assert randomisation_p(np.array([0.1, 0.2, 0.3])) == 2 / 8


def test_identical_systems_do_not_differ() -> None:
    """P is 1, the interval is nothing but 0, and every query is a tie."""
    values = np.array([0.0, 0.5, 1.0])
    found = difference_of(values, values.copy())
    assert (found.p, found.difference, found.interval.low, found.interval.high) == (1, 0, 0, 0)
    assert (found.wins, found.losses, found.ties) == (0, 0, 3)


def test_one_query_proves_nothing() -> None:
    """Either sign is as extreme as the other."""
    found = difference_of(np.array([0.2]), np.array([0.9]))
    assert found.p == 1.0
    assert found.interval.low == found.interval.high == pytest.approx(0.7)


def test_queries_are_counted_by_who_is_better() -> None:
    """Wins are B's; what differs by rounding is a tie."""
    a = np.array([0.1, 0.5, 0.3, 0.7])
    found = difference_of(a, np.array([0.2, 0.4, 0.1 + 0.2, 1.0]))
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    assert found.difference == pytest.approx(found.b - found.a)


def test_a_seed_gives_the_same_again() -> None:
    """And another seed another draw."""
    a, b = pairs(5, 60, 0.02)
    assert difference_of(a, b, seed=3) == difference_of(a, b, seed=3)
    assert difference_of(a, b, seed=3) != difference_of(a, b, seed=4)


def test_a_p_value_that_was_drawn_is_never_nought() -> None:
    """However large the difference: what was observed is one of the draws."""
    assert randomisation_p(np.full(100, 0.5), resamples=999) == 1 / 1000


def test_portions_cover_all_resamples() -> None:
    """More cells than fit into memory at once give p values as good."""
    a, b = pairs(7, 9_000, 0.002)
    p = randomisation_p(b - a, resamples=2_000)
    assert p == pytest.approx(stats.ttest_rel(b, a).pvalue, abs=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_the_percentile_bootstrap(seed: int) -> None:
    """SciPy's, but for the draw."""
    a, b = pairs(seed, 100, 0.05)
    found = bootstrap_interval(b - a, seed=seed)
    oracle = stats.bootstrap(
        (b - a,), np.mean, method="percentile", rng=np.random.default_rng(9), n_resamples=9_999
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=0.003)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """95 of 100 intervals hold the true mean, within what chance allows."""
    random = np.random.default_rng(0)
    samples = [random.normal(0.1, 0.3, 60) for _ in range(300)]
    covered = sum(
        found.low <= 0.1 <= found.high
        for found in (bootstrap_interval(one, resamples=1_000) for one in samples)
    )
    assert 0.91 <= covered / 300 <= 0.98


@pytest.mark.parametrize("shape", [(), (2, 2), (0,)])
def test_values_must_be_a_row(shape: tuple[int, ...]) -> None:
    """Anything else is refused, as are values of different queries."""
    with pytest.raises(ValueError, match="one shape"):
        difference_of(np.zeros(shape), np.zeros(shape))
    with pytest.raises(ValueError, match="one shape"):
        difference_of(np.zeros(2), np.zeros(3))


def holm_by_definition(p_values: Values) -> list[float]:
    """The largest of m p(1), (m-1) p(2) ... up to a value's own rank, at most 1."""
    ordered = sorted(p_values)
    m = len(ordered)
    return [
        min(1.0, max((m - j) * ordered[j] for j in range(ordered.index(p) + 1))) for p in p_values
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8, unique=True))
@settings(max_examples=tries(40), deadline=None)
def test_holm_is_its_definition(given_p: list[float]) -> None:
    """Adjusted values are those of the definition, keep their order, and never shrink."""
    p = np.array(given_p)
    adjusted = holm(p)
    assert list(adjusted) == pytest.approx(holm_by_definition(p))
    assert (adjusted >= p).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=10), st.randoms())
@settings(max_examples=tries(25), deadline=None)
def test_the_test_does_not_depend_on_order_or_direction(values: list[float], random) -> None:
    """Permuted queries and exchanged systems give the same p value, above 0 and at most 1."""
    differences = np.array(values)
    shuffled = np.array(random.sample(values, len(values)))
    p = randomisation_p(differences)
    assert 0 < p <= 1
    assert randomisation_p(shuffled) == p
    assert randomisation_p(-differences) == p
