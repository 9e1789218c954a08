"""Whether something got worse for certain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from indexer.evaluation.worsening import Placements, Told, auc_fall, calibration_rise
from indexer.ranking.calibration import expected_error

RELATED, UNRELATED = np.arange(40), np.arange(60)
BEFORE = (RELATED * 37 % 41 + 14.0, UNRELATED * 29 % 61 * 2.0 // 3)
AFTER = (RELATED * 23 % 41 + 10.0, UNRELATED * 47 % 61 * 2.0 // 3)
Scores = tuple[np.ndarray, np.ndarray]


def placed(scores: Scores) -> Placements:
    """The placements of related scores among unrelated ones, the same for each."""
    related, unrelated = scores
    return Placements.of(related.tolist(), [unrelated] * len(related))


def told(seed: int, wrong: float, queries: int = 60) -> Told:
    """Ten hits a query, relevant as often as is told, or so much less often."""
    random = np.random.default_rng(seed)
    chances = random.beta(0.6, 2.0, 10 * queries)
    relevant = random.random(10 * queries) < chances * (1 - wrong)
    return Told(np.repeat(np.arange(queries), 10), chances, relevant)


def error_of(one: Told, other: Told, exchanged: Sequence[bool]) -> float:
    """The error of one with the hits of these queries from the other."""
    parts = [
        (side.chances[side.queries == query], side.relevant[side.queries == query])
        for query, swapped in enumerate(exchanged)
        for side in [other if swapped else one]
    ]
    chances, relevant = (np.concatenate(part) for part in zip(*parts, strict=True))
    return expected_error(chances, relevant)


def test_it_is_the_area_that_others_compute() -> None:
    """Ties among the scores count half."""
    truth = np.r_[np.ones(40), np.zeros(60)]
    found = auc_fall(placed(BEFORE), placed(AFTER))
    assert found.before == pytest.approx(roc_auc_score(truth, np.concatenate(BEFORE)))
    assert found.after == pytest.approx(roc_auc_score(truth, np.concatenate(AFTER)))
    assert placed(BEFORE).unrelated.mean() == pytest.approx(found.before)


def test_it_is_the_p_value_that_another_program_computes() -> None:
    """That of MLstatkit 0.1.91, two-sided there."""
    other = 0.2207373128888267
    assert 2 * auc_fall(placed(BEFORE), placed(AFTER)).p == pytest.approx(other, abs=1e-9)


def test_its_error_is_that_of_new_samples() -> None:
    """Related and unrelated queries drawn again, from both, fall below 0 as often as p says."""
    random = np.random.default_rng(2)
    gains = []
    for _ in range(500):
        rows, others = random.integers(0, 40, 40), random.integers(0, 60, 60)
        one, other = (placed((pair[0][rows], pair[1][others])) for pair in (BEFORE, AFTER))
        gains.append(float(other.related.mean() - one.related.mean()))
    found = auc_fall(placed(BEFORE), placed(AFTER))
    beyond = np.array(gains) - np.mean(gains) < found.after - found.before
    assert 0.05 < found.p < 0.2
    assert found.p == pytest.approx(float(beyond.mean()), abs=0.03)


def test_an_area_that_grows_or_stays_did_not_fall() -> None:
    """Its p value is above a half, or 1 if nothing changed."""
    assert auc_fall(placed(AFTER), placed(BEFORE)).p > 0.5
    assert auc_fall(placed(BEFORE), placed(BEFORE)).p == 1.0


def test_each_query_may_have_unrelated_scores_of_its_own() -> None:
    """As those of another map are."""
    others = [BEFORE[1], BEFORE[1] + 5.0] * 20
    wins = [
        [(own > other) + (own == other) / 2 for other in row]
        for own, row in zip(BEFORE[0], others, strict=True)
    ]
    found = Placements.of(BEFORE[0].tolist(), others)
    assert found.related == pytest.approx(np.mean(wins, axis=1))
    assert found.unrelated == pytest.approx(np.mean(wins, axis=0))


def test_an_error_that_rises_is_as_likely_as_among_all_exchanges() -> None:
    """Of eight queries all exchanges can be counted."""
    before, after = told(1, 0.1, queries=8), told(5, 0.6, queries=8)
    rise = after.error - before.error
    assert rise > 0
    counted = sum(
        error_of(after, before, exchanged) - error_of(before, after, exchanged) >= rise - 1e-12
        for exchanged in product([False, True], repeat=8)
    )
    assert calibration_rise(before, after).p == pytest.approx(counted / 256, abs=0.03)


def test_relevance_that_is_told_wrongly_is_found() -> None:
    """And what is told as truly by another is not."""
    true, wrong = told(3, 0.0), told(4, 0.7)
    assert calibration_rise(true, wrong).p < 0.01
    assert calibration_rise(wrong, true).p == 1.0
    found = [calibration_rise(told(seed, 0.1), told(seed + 50, 0.1)).p for seed in range(4)]
    assert sum(p <= 0.05 for p in found) <= 1
