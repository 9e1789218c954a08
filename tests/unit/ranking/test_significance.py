"""Significance by hand, against SciPy, and uniform where nothing is related."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats
from scipy.stats import genpareto

from indexer.ranking.null_queries import NullQuery, null_queries
from indexer.ranking.significance import (
    Background,
    Lengths,
    Survival,
    Tail,
    background_of,
    fit_tail,
    kolmogorov_smirnov,
    outlying_fields,
)

FIELDS = [f"field {i}" for i in range(40)]


def drawn(seed: int, count: int = 600) -> tuple[np.ndarray, list[NullQuery]]:
    """Best cosines of queries of one length to which nothing is related, with their fields."""
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(FIELDS, size=2, replace=False) for _ in range(count)]
    queries = [NullQuery("x" * 40, (str(a), str(b))) for a, b in pairs]
    return rng.gumbel(0.25, 0.05, size=count), queries


def of_field(queries: Sequence[NullQuery], *names: str) -> np.ndarray:
    """True for each query that is about one of these fields."""
    return np.array([not set(names).isdisjoint(query.fields) for query in queries])


def survival_of(background: Background, scores: np.ndarray) -> np.ndarray:
    """The significance of each score."""
    return np.array([background.significance(float(score), 40) for score in scores])


def test_p_is_one_more_than_reach_it_of_one_more_than_there_are() -> None:
    """Below the tail it is the formula of a Monte Carlo test; a tie reaches."""
    scores = np.array([0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    survival = Survival.of(scores)
    found = survival(np.array([0.0, 0.1, 0.2, 0.25, 0.85, 0.9]))
    np.testing.assert_allclose(found, np.array([11, 11, 10, 8, 2, 2]) / 11)


def test_above_the_highest_tenth_p_is_its_share_of_the_tail() -> None:
    """The tail begins where the body ends, and goes on above all scores."""
    scores, _ = drawn(0)
    survival = Survival.of(scores)
    above = np.sort(scores)[-60]
    assert survival.threshold == above
    excesses = scores[scores > above] - above
    tail = fit_tail(excesses)
    given = np.array([above + 1e-9, above + 0.05, 0.9])
    expected = 61 / 601 * genpareto.sf(given - above, tail.shape, scale=tail.scale)
    np.testing.assert_allclose(survival(given), expected, rtol=1e-6)
    assert 0 < survival(np.array([1.0]))[0] < 1e-3


@pytest.mark.parametrize("shape", [0.0, 0.05, 0.2])
def test_the_tail_is_as_likely_as_the_one_that_scipy_fits(shape: float) -> None:
    """The likelihood is SciPy's up to what the least shape forbids."""
    excesses = genpareto.rvs(shape, scale=0.6, size=3_000, random_state=3)

    def loss(tail: Tail) -> float:
        return -float(genpareto(tail.shape, scale=tail.scale).logpdf(excesses).sum())

    theirs = genpareto.fit(excesses, floc=0)
    found = fit_tail(excesses)
    assert found.shape >= 0
    assert loss(found) <= loss(Tail(max(theirs[0], 0.0), theirs[2])) + 0.02
    given = np.linspace(0, 5, 50)
    expected = genpareto.sf(given, found.shape, scale=found.scale)
    np.testing.assert_allclose(found.survival(given), expected, rtol=1e-9)


def test_a_tail_of_nothing_is_no_error() -> None:
    """Equal scores have no excesses, and what is above them has no chance."""
    assert Survival.of(np.full(100, 0.3))(np.array([0.31]))[0] < 1e-6
    assert Survival.of(np.full(100, 0.3))(np.array([0.3]))[0] == 1


def test_scores_are_brought_to_one_length() -> None:
    """The line is that of least squares, as SciPy fits it, and ends with the lengths known of."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(2, 300, size=400)
    scores = 0.5 - 0.04 * np.log(lengths) + rng.normal(scale=0.02, size=400)
    found = Lengths.of(scores, lengths)
    assert found.slope == pytest.approx(stats.linregress(np.log(lengths), scores).slope)
    adjusted = found.adjusted(scores, lengths)
    assert abs(stats.pearsonr(np.log(lengths), adjusted).statistic) < 1e-9
    ends = found.adjusted(np.array([0.3, 0.3]), np.array([300, 10**6]))
    assert ends[0] == pytest.approx(ends[1], abs=1e-3)


def test_a_short_query_is_held_against_short_ones() -> None:
    """Where short queries find more, as high a score of one means less."""
    scores, queries = drawn(2)
    lengths = np.random.default_rng(3).integers(3, 200, size=len(queries))
    several = [
        NullQuery("x" * int(length), query.fields)
        for length, query in zip(lengths, queries, strict=True)
    ]
    background = background_of(scores - 0.05 * np.log(lengths), several, 1_000)
    assert background.significance(0.25, 5) > 2 * background.significance(0.25, 150)
    mean = round(np.exp(background.lengths.centre))
    assert background.significance(0.1) == pytest.approx(
        background.significance(0.1, mean), rel=0.05
    )


def test_significance_of_unrelated_queries_is_uniform() -> None:
    """Of queries that the background has never seen; so 5 of 100 have less than 0.05."""
    scores, queries = drawn(4)
    background = background_of(scores, queries, 1_000)
    others, _ = drawn(5, 3_000)
    found = survival_of(background, others)
    assert kolmogorov_smirnov(found)[0] < 0.06
    assert 0.035 < (found < 0.05).mean() < 0.065
    assert background.fit.p > 0.01
    assert background.fit.queries == 600


def test_fields_that_the_collection_is_about_are_left_out() -> None:
    """What their queries find has no part in it: the rest says what it would without them."""
    scores, queries = drawn(6)
    about = of_field(queries, FIELDS[3], FIELDS[8])
    raised = scores + np.where(about, 0.3, 0.0)
    assert outlying_fields(raised, queries) == {FIELDS[3], FIELDS[8]}
    background = background_of(raised, queries, 1_000)
    assert background.left_out == (FIELDS[3], FIELDS[8])
    np.testing.assert_allclose(background.survival.scores, np.sort(scores[~about]))
    assert background.typical == np.median(scores[~about])


def test_no_field_is_left_out_where_all_are_alike() -> None:
    """Neither where nothing is related, nor in a collection about everything."""
    scores, queries = drawn(7)
    assert outlying_fields(scores, queries) == frozenset()
    assert outlying_fields(scores + 0.4, queries) == frozenset()


def test_half_of_the_fields_are_kept_at_least() -> None:
    """Then most are what the collection is about, and nothing is left to hold them against."""
    scores, queries = drawn(8)
    raised = scores + np.where(of_field(queries, *FIELDS[:30]), 5.0, 0.0)
    assert len(outlying_fields(raised, queries)) <= 20


def test_a_cosine_at_a_significance_is_the_least_that_has_it() -> None:
    """So a picture of the null can say where something begins."""
    scores, queries = drawn(9)
    background = background_of(scores, queries, 1_000)
    for wanted in (0.05, 0.01):
        found = background.cosine_at(wanted)
        assert background.significance(found) <= wanted < background.significance(found - 1e-6)


def test_null_queries_are_halves_of_two_fields() -> None:
    """One for each text, of many fields and lengths, always the same, none like another."""
    queries = null_queries()
    assert queries == null_queries()
    assert len({query.text for query in queries}) == len(queries) == 600
    assert all(query.fields[0] != query.fields[1] for query in queries)
    assert len({field for query in queries for field in query.fields}) == 50
    words = [len(query.text.split()) for query in queries]
    assert min(words) <= 2
    assert max(words) >= 35


def test_the_statement_of_fit_is_scipys() -> None:
    """Distance and p value of the test of Kolmogorov and Smirnov."""
    for seed, power in enumerate((1.0, 1.05, 1.3)):
        chances = np.random.default_rng(seed).random(500) ** power
        theirs = stats.kstest(chances, "uniform")
        distance, p = kolmogorov_smirnov(chances)
        assert distance == pytest.approx(theirs.statistic)
        assert p == pytest.approx(theirs.pvalue, abs=0.01)
    assert kolmogorov_smirnov(np.array([])) == (0.0, 1.0)
