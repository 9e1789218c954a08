"""Fusion: two rankings made one, whatever the candidates' order, and within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from indexer.ranking.fusion import (
    RANK_OFFSET,
    SPAN,
    Values,
    convex,
    like_cosines,
    reciprocal_ranks,
    scale_of,
    standardised,
)

SCORES = st.floats(0, 50).map(lambda value: round(value, 6))  # the tiniest differ by rounding only


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Values, Values, np.ndarray]:
    """Cosines, BM25 scores, and which candidates are of the pool."""
    count = draw(st.integers(1, 30))
    cosines = draw(arrays.arrays(np.float64, count, elements=st.floats(-1, 1, width=32)))
    lexical = draw(arrays.arrays(np.float64, count, elements=SCORES))
    pool = draw(arrays.arrays(np.bool_, count))
    return cosines.round(6), lexical, pool


@given(candidates(), st.randoms(use_true_random=False))
def test_fusion_knows_no_order(given: tuple[Values, Values, np.ndarray], random) -> None:
    """Candidates in another order get the same scores."""
    order = list(range(len(given[0])))
    random.shuffle(order)
    there = convex(*(values[order] for values in given))
    assert there == pytest.approx(convex(*given)[order], abs=1e-9)
    ranks = [np.argsort(np.argsort(-values)) + 1 for values in given[:2]]
    there = reciprocal_ranks(*(values[order] for values in ranks))
    assert (there == reciprocal_ranks(*ranks)[order]).all()


@given(candidates())
def test_better_by_both_is_better(given: tuple[Values, Values, np.ndarray]) -> None:
    """A candidate that is no worse in either ranking is no worse in the fused one."""
    dense, lexical, _ = given
    for fused in (convex(*given), reciprocal_ranks(*(_ranks(one) for one in given[:2]))):
        dominated = (dense[:, None] >= dense) & (lexical[:, None] >= lexical)
        assert (fused[:, None] >= fused - 1e-9)[dominated].all()


def _ranks(scores: Values) -> np.ndarray:
    """Ranks that equal scores share."""
    return 1 + (scores[None, :] > scores[:, None]).sum(axis=1)


@given(candidates())
def test_a_ranking_is_worth_a_bounded_span(given: tuple[Values, Values, np.ndarray]) -> None:
    """Within the pool no ranking separates two candidates by more than the span."""
    for scores in given[:2]:
        held = standardised(scores, given[2])[given[2]]
        assert np.isfinite(held).all()
        assert not len(held) or np.ptp(held) <= SPAN + 1e-9


@given(candidates())
def test_the_scale_is_the_mean_and_the_deviation(given: tuple[Values, Values, np.ndarray]) -> None:
    """NumPy's, to the bit, unless one score is far from all others."""
    for scores in given[:2]:
        held = scores[given[2]]
        if not len(held):
            continue
        mean, unit = scale_of(scores, given[2])
        assert mean == held.mean()
        assert unit == (max(held.std(), np.ptp(held) / SPAN) if np.ptp(held) > 1e-300 else 0)


@given(candidates(), st.floats(0.01, 100), st.floats(-10, 10))
@example((np.zeros(3), np.zeros(3), np.ones(3, dtype=np.bool_)), 1.0, 0.43275086102734484)
def test_scales_do_not_matter(
    given: tuple[Values, Values, np.ndarray], factor: float, shift: float
) -> None:
    """Scores in another unit, counted from elsewhere, are standardised to the same."""
    _, lexical, pool = given
    moved = standardised(lexical * factor + shift, pool)
    assert moved == pytest.approx(standardised(lexical, pool), abs=1e-4)


def test_a_lone_match_does_not_drown_the_other_ranking() -> None:
    """One document with a rare word among many without is worth the span, and not more."""
    lexical = np.zeros(1_000)
    lexical[7] = 11.0
    everything = np.ones(1_000, dtype=np.bool_)
    assert np.ptp(standardised(lexical, everything)) == pytest.approx(SPAN)


def test_where_all_score_the_same_the_other_ranking_decides() -> None:
    """A query whose words are in no document is ranked by meaning alone."""
    dense = np.array([0.2, 0.9, 0.5])
    fused = convex(dense, np.zeros(3), np.ones(3, dtype=np.bool_))
    assert np.argsort(-fused).tolist() == [1, 2, 0]


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    """1 / (60 + rank), summed; an unranked document gets nothing from that ranking."""
    fused = reciprocal_ranks(np.array([1, 2, 0]), np.array([3, 0, 1]))
    expected = [1 / 61 + 1 / 63, 1 / 62, 1 / 61]
    assert RANK_OFFSET == 60
    assert fused == pytest.approx(expected)


@given(candidates())
def test_fused_scores_read_like_cosines(given: tuple[Values, Values, np.ndarray]) -> None:
    """Standard cosines become what they were, and others get their mean and unit."""
    dense, lexical, pool = given
    alone = like_cosines(standardised(dense, pool), dense, pool)
    if not len(dense[pool]):
        return
    assert alone[pool] == pytest.approx(dense[pool], abs=1e-9)
    both = like_cosines(convex(dense, lexical, pool), dense, pool)
    assert both[pool].mean() == pytest.approx(dense[pool].mean(), abs=1e-9)


def test_words_decide_among_equal_cosines() -> None:
    """Then the unit is a tenth."""
    dense, lexical, pool = np.full(2, 0.4), np.array([0.0, 1.0]), np.ones(2, np.bool_)
    fused = like_cosines(convex(dense, lexical, pool), dense, pool)
    assert fused == pytest.approx([0.4 - 0.1 * 0.35, 0.4 + 0.1 * 0.35])
