"""Relevance from scores: calibrated on queries held out, and monotone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from indexer.errors import InvalidInput
from indexer.ranking.calibration import (
    TOP,
    Judged,
    calibrate,
    errors_of,
    expected_error,
    fit_curve,
    fit_temperature,
    held_out_relevance,
)


def judged_hits(queries: int = 300, depth: int = 50, seed: int = 0) -> Judged:
    """Hits by falling score, of which the true chance of relevance depends on score and place."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.normal(0.5, 0.15, size=(queries, depth)), axis=1)[:, ::-1].ravel()
    places = np.tile(np.arange(1, depth + 1), queries)
    odds = 8.0 * (scores - 0.7) - 1.0 * np.log(places)
    relevant = rng.random(len(odds)) < 1 / (1 + np.exp(-odds))
    return Judged(np.repeat(np.arange(queries), depth), scores, scores.copy(), places, relevant)


JUDGED = judged_hits()


def test_relevance_is_calibrated_on_queries_held_out() -> None:
    """The error is small for the first hits and for all; the place says more than the score."""
    errors = errors_of(held_out_relevance(JUDGED), JUDGED)
    assert errors.expected < 0.05
    assert errors.expected_all < 0.05
    alone = Judged(
        JUDGED.queries, JUDGED.scores, JUDGED.cosines, np.ones_like(JUDGED.places), JUDGED.relevant
    )
    by_score = errors_of(held_out_relevance(alone), JUDGED)
    assert by_score.brier > errors.brier + 0.003


def test_relevance_is_near_the_true_chance() -> None:
    """Of hits that were not learned from, for a known truth."""
    other = judged_hits(seed=1)
    truth = 1 / (1 + np.exp(-8.0 * (other.scores - 0.7) + np.log(other.places)))
    found = fit_curve(JUDGED)(other.scores, other.places)
    assert np.abs(found - truth).mean() < 0.02


def test_a_hit_is_held_out_with_its_whole_query() -> None:
    """No hit of a query is judged by a curve that saw another hit of it."""
    broken = JUDGED.relevant.copy()
    broken[JUDGED.queries == 7] = ~broken[JUDGED.queries == 7]
    changed = Judged(JUDGED.queries, JUDGED.scores, JUDGED.cosines, JUDGED.places, broken)
    own = JUDGED.queries == 7
    before, after = held_out_relevance(JUDGED), held_out_relevance(changed)
    np.testing.assert_array_equal(before[own], after[own])
    assert (before != after).any()


def test_the_measures_of_error_are_those_of_scikit_learn() -> None:
    """Brier score, log loss, and the calibration curve over bins of equally many."""
    rng = np.random.default_rng(0)
    relevance = rng.permutation(np.linspace(0.01, 0.99, len(JUDGED.scores)))
    errors = errors_of(relevance, JUDGED)
    top = JUDGED.places <= TOP
    truth, given = JUDGED.relevant[top], relevance[top]
    assert errors.brier == pytest.approx(brier_score_loss(truth, given))
    assert errors.log_loss == pytest.approx(log_loss(truth, given))
    assert errors.base == pytest.approx(truth.mean())
    shares, means = calibration_curve(truth, given, n_bins=10, strategy="quantile")
    assert errors.expected == pytest.approx(np.abs(shares - means).mean(), abs=2e-3)


def test_the_temperature_is_the_likeliest() -> None:
    """Against a search by SciPy, for the softmax over all of a query's hits."""
    hits = judged_hits(40, 20)

    def surprise(temperature: float) -> float:
        total = []
        for query in range(40):
            own = hits.queries == query
            if not hits.relevant[own].any():
                continue
            weights = np.exp(hits.cosines[own] / temperature)
            total.append(-np.log(weights[hits.relevant[own]].sum() / weights.sum()))
        return float(np.mean(total))

    best = optimize.minimize_scalar(surprise, bounds=(0.01, 5), method="bounded")
    assert fit_temperature(hits) == pytest.approx(best.x, rel=1e-3)


def test_without_cosines_there_is_no_temperature() -> None:
    """As of lexical hits."""
    blank = np.full_like(JUDGED.cosines, np.nan)
    assert fit_temperature(JUDGED.where(JUDGED.places < 0)) is None
    lexical = Judged(JUDGED.queries, JUDGED.scores, blank, JUDGED.places, JUDGED.relevant)
    assert calibrate(lexical, "lexical", "m", "d").temperature is None


def test_too_few_judgements_are_refused() -> None:
    """The message says how many there are, and how many are needed."""
    with pytest.raises(InvalidInput, match="at least 20"):
        calibrate(JUDGED.where(JUDGED.queries < 5), "dense", "m", "d")
    with pytest.raises(InvalidInput, match="of one kind only"):
        fit_curve(JUDGED.where(JUDGED.relevant))


def test_scores_of_any_scale_are_learned_from() -> None:
    """As BM25 has them: a curve of 100 times the score says the same."""
    scaled = Judged(
        JUDGED.queries, 100 * JUDGED.scores - 7, JUDGED.cosines, JUDGED.places, JUDGED.relevant
    )
    np.testing.assert_allclose(
        fit_curve(scaled)(scaled.scores, scaled.places),
        fit_curve(JUDGED)(JUDGED.scores, JUDGED.places),
        atol=5e-3,
    )


def test_nothing_has_no_error() -> None:
    """An empty sample is calibrated."""
    assert expected_error(np.array([]), np.array([], dtype=np.bool_)) == 0.0
