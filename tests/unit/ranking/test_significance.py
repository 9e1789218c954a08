"""How rarely unrelated texts score as high: against SciPy, and uniform where nothing is related."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import CensoredData, genpareto

from indexer.documents import Vectors, normalise
from indexer.ranking.significance import (
    LEAST_DOCUMENTS,
    Background,
    Survival,
    Tail,
    background_of,
    best_of,
    fit_tail,
    kolmogorov_smirnov,
    near_duplicate,
)

ROWS = 6_000


def texts(count: int, seed: int) -> Vectors:
    """Unrelated unit vectors as models give them: around a common direction, few axes strong."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, 97) ** -0.25
    return normalise(0.2 + rng.normal(size=(count, 96)) * spread)


@pytest.fixture(scope="module")
def background() -> Background:
    """The background of 6,000 unrelated texts."""
    found = background_of(texts(ROWS, 0), np.arange(ROWS, dtype=np.int32), ROWS)
    assert found is not None
    return found


@pytest.mark.parametrize("shape", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("share_above", [0.0, 0.02])
def test_the_tail_is_as_likely_as_the_one_that_scipy_fits(shape: float, share_above: float) -> None:
    """The likelihood, with censoring, is SciPy's up to what the least shape forbids."""
    excesses = genpareto.rvs(shape, scale=0.6, size=3_000, random_state=3)
    cut = np.quantile(excesses, 1 - share_above) if share_above else np.inf
    data = CensoredData(excesses[excesses < cut], right=np.full((excesses >= cut).sum(), cut))

    def loss(tail: Tail) -> float:
        frozen = genpareto(tail.shape, scale=tail.scale)
        below = frozen.logpdf(excesses[excesses < cut]).sum()
        return -(below + np.count_nonzero(excesses >= cut) * frozen.logsf(min(cut, 1e9)))

    theirs = genpareto.fit(data, floc=0)
    found = fit_tail(excesses, cut)
    best = Tail(max(theirs[0], 0.0), theirs[2])
    assert found.shape >= 0
    assert loss(found) <= loss(best) + 0.02
    given = np.linspace(0, 5, 50)
    expected = genpareto.sf(given, found.shape, scale=found.scale)
    np.testing.assert_allclose(found.survival(given), expected, rtol=1e-9)


def test_excesses_above_the_cut_count_but_not_how_high_they_are() -> None:
    """Related pairs among the highest do not move the tail."""
    excesses = genpareto.rvs(0.0, scale=0.5, size=5_000, random_state=0)
    cut = float(np.quantile(excesses, 0.98))
    moved = np.where(excesses >= cut, excesses + 50.0, excesses)
    assert fit_tail(moved, cut) == fit_tail(excesses, cut)
    assert fit_tail(moved).shape > fit_tail(moved, cut).shape


def test_equal_values_have_a_tail_too() -> None:
    """A sample without any spread falls to nothing above its value, without an error."""
    survival = Survival.of(np.full(1_000, 0.25))
    assert survival(np.array([0.0, 0.25])).tolist() == [1.0, 1.0]
    assert survival(np.array([0.5]))[0] == 0.0


def test_a_chance_is_the_share_of_the_sample_in_the_body() -> None:
    """Below the threshold, P(X >= x) is what was counted."""
    sample = np.random.default_rng(0).normal(size=20_000)
    values = np.quantile(sample, [0.05, 0.3, 0.5, 0.8])
    counted = [(sample >= value).mean() for value in values]
    np.testing.assert_allclose(Survival.of(sample)(values), counted, atol=2e-3)


def test_the_best_of_many_unrelated_scores_is_uniform() -> None:
    """What a hit carries: 1 - (1 - p)^n of the best of n, for a population with such a tail."""
    rng = np.random.default_rng(7)
    survival = Survival.of(rng.exponential(size=400_000))
    best = rng.exponential(size=(400, 5_000)).max(axis=1)
    found = best_of(survival(best), 5_000)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_chances_of_unrelated_pairs_are_uniform(background: Background) -> None:
    """Pairs of texts that the background has never seen, no two of them with a common text."""
    queries, documents = texts(3_000, 1), texts(3_000, 2)
    cosines = np.einsum("nd,nd->n", queries, documents, dtype=np.float64)
    chances = background.chances(queries, cosines[:, None])[:, 0]
    assert stats.kstest(chances, "uniform").pvalue > 0.01
    plain = stats.kstest(1 - stats.rankdata(cosines) / len(cosines), chances)
    assert plain.statistic < 0.05  # the order of pairs is about that of their cosines


def test_each_query_has_uniform_chances_however_close_it_is_to_everything(
    background: Background,
) -> None:
    """A query near the collection's mean is not taken for related to all of it."""
    documents = texts(4_000, 3)
    middle = normalise(texts(200, 4).mean(axis=0, keepdims=True) + 0.5 * texts(1, 5))
    edge = normalise(texts(1, 6) - texts(200, 4).mean(axis=0, keepdims=True))
    for query in (middle, edge):
        chances = background.chances(query, (documents @ query[0]).astype(np.float64)[None])[0]
        assert kolmogorov_smirnov(chances)[0] < 0.1
        assert 0.3 < chances.mean() < 0.7


def test_significance_errs_on_the_safe_side(background: Background) -> None:
    """Where nothing is related, no more of the best hits fall below a level than that level."""
    documents = texts(5_000, 8)
    found = [
        background.significance(query, np.array([float((documents @ query).max())]), 5_000)[0]
        for query in texts(400, 9)
    ]
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 400)


def test_a_related_document_is_significant(background: Background) -> None:
    """A score that no unrelated text comes near is rare, and the rarer the higher it is."""
    query = texts(1, 10)[0]
    found = background.significance(query, np.array([0.9999, 0.99, 0.5]), ROWS)
    assert found[0] < found[1] < found[2]
    assert found[0] < 0.01


def test_near_duplicates_do_not_make_related_what_is_not() -> None:
    """A collection with a copy of every text says the same of unrelated ones."""
    vectors = texts(2_000, 11)
    rng = np.random.default_rng(0)
    copies = normalise(vectors + rng.normal(size=vectors.shape, scale=0.01))
    alone = background_of(vectors, np.arange(2_000, dtype=np.int32), 2_000)
    order = rng.permutation(4_000)
    doubled = background_of(
        np.concatenate([vectors, copies])[order], np.arange(4_000, dtype=np.int32), 4_000
    )
    assert alone is not None
    assert doubled is not None
    assert doubled.near > 0
    levels = (0.5, 0.1, 0.01)
    for query in texts(5, 12):
        cosines = np.quantile(vectors @ query, [0.5, 0.9, 0.99])[None]
        for one in (alone, doubled):
            np.testing.assert_allclose(one.chances(query[None], cosines)[0], levels, rtol=0.6)


def test_chunks_of_one_document_are_not_unrelated() -> None:
    """Pairs within a document are left out, however many chunks it has."""
    vectors = texts(600, 13)
    twice = np.repeat(vectors, 5, axis=0)
    order = np.random.default_rng(0).permutation(len(twice))
    owners = np.repeat(np.arange(600, dtype=np.int32), 5)
    found = background_of(twice[order], owners[order], len(twice))
    assert found is not None
    assert found.near == 0


def test_a_small_collection_has_no_background() -> None:
    """Too few documents say nothing, however many chunks they have."""
    owners = np.repeat(np.arange(LEAST_DOCUMENTS - 1, dtype=np.int32), 4)
    assert background_of(texts(len(owners), 0), owners, len(owners)) is None
    enough = np.repeat(np.arange(LEAST_DOCUMENTS, dtype=np.int32), 4)
    assert background_of(texts(len(enough), 0), enough, len(enough)) is not None


def test_copies_of_one_text_have_no_background() -> None:
    """Where all is related, nothing says what unrelated texts score."""
    vectors = np.repeat(texts(1, 0), 100, axis=0)
    assert background_of(vectors, np.arange(100, dtype=np.int32), 100) is None


def test_near_duplicates_are_told_by_how_close_random_texts_are() -> None:
    """Nearer than a tenth of their mean distance."""
    assert near_duplicate(0.0) == pytest.approx(0.9)
    assert near_duplicate(0.8) == pytest.approx(0.98)


def test_the_statement_of_fit_is_scipys(background: Background) -> None:
    """Distance and p value of Kolmogorov and Smirnov."""
    for seed, power in ((0, 1.0), (1, 1.0), (2, 1.1), (3, 1.3)):
        chances = np.random.default_rng(seed).random(500) ** power
        theirs = stats.kstest(chances, "uniform")
        distance, p = kolmogorov_smirnov(chances)
        assert distance == pytest.approx(theirs.statistic, abs=1e-12)
        assert p == pytest.approx(theirs.pvalue, abs=0.01)
    assert background.fit.p > 0.01
    assert background.fit.pairs == 1_500
