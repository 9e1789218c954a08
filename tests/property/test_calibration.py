"""Laws of calibration, whatever was judged."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from indexer.ranking.calibration import (
    Judged,
    expected_error,
    fit_curve,
    fit_temperature,
)


@st.composite
def judged_hits(draw: st.DrawFn) -> Judged:
    """Some queries' hits by falling score, some of them relevant and some not."""
    queries, depth = draw(st.integers(2, 8)), draw(st.integers(2, 8))
    count = queries * depth
    finite = st.floats(-5, 5, width=32)
    scores = np.array(draw(st.lists(finite, min_size=count, max_size=count)), dtype=np.float64)
    scores = np.sort(scores.reshape(queries, depth), axis=1)[:, ::-1].ravel()
    relevant = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    relevant[:2] = (True, False)
    places = np.tile(np.arange(1, depth + 1), queries)
    return Judged(np.repeat(np.arange(queries), depth), scores, scores / 5, places, relevant)


@given(judged_hits(), st.randoms())
@settings(max_examples=tries(12), deadline=None)
def test_relevance_is_a_chance_that_rises_with_score_and_falls_with_place(
    judged: Judged, random: object
) -> None:
    """In [0, 1]; and it does not depend on the order in which hits were given."""
    curve = fit_curve(judged)
    scores = np.linspace(-6, 6, 30)
    at = np.full(30, 3)
    found = curve(scores, at)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    assert (np.diff(curve(np.full(30, 0.5), np.arange(1, 31))) <= 0).all()
    order = list(range(len(judged.scores)))
    random.shuffle(order)
    shuffled = Judged(
        judged.queries[order],
        judged.scores[order],
        judged.cosines[order],
        judged.places[order],
        judged.relevant[order],
    )
    np.testing.assert_allclose(fit_curve(shuffled)(scores, at), found, atol=1e-3)
    temperature = fit_temperature(judged)
    assert temperature is None or 1e-3 <= temperature <= 10.0001
    assert (fit_temperature(shuffled) is None) == (temperature is None)


@given(
    st.lists(st.tuples(st.floats(0, 1, width=16), st.booleans()), min_size=1, max_size=80),
    st.randoms(),
)
@settings(deadline=None)
def test_an_expected_error_is_bounded_and_knows_no_order(
    pairs: list[tuple[float, bool]], random: object
) -> None:
    """In [0, 1], 0 for what is certain and right, 1 for what is certain and never happens."""
    chances = np.array([chance for chance, _ in pairs])
    happened = np.array([did for _, did in pairs])
    error = expected_error(chances, happened)
    assert 0 <= error <= 1
    order = list(range(len(pairs)))
    random.shuffle(order)
    assert np.isclose(expected_error(chances[order], happened[order]), error)
    assert expected_error(happened.astype(float), happened) == 0
    assert expected_error(np.ones(len(pairs)), np.zeros(len(pairs), dtype=np.bool_)) == 1
