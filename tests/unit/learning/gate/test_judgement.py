"""What the gate asks of a candidate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer.evaluation.worsening import Worsening
from indexer.learning.gate.attempts import ATTEMPTS, note_attempt
from indexer.learning.gate.judgement import Decision, InMode, Measured, Paired, Tolerance, decide
from indexer.learning.gate.power import queries_needed
from indexer.learning.split import DOCUMENTS, QUERIES
from indexer.queries import Mode

N = 120
RANDOM = np.random.default_rng(3)
BEFORE = RANDOM.uniform(0.2, 0.6, N)
NOISE = RANDOM.normal(0, 0.1, N)
NOISE -= NOISE.mean()


def paired(gain: float, count: int = N) -> Paired:
    """Values that gain this much in the mean, unevenly."""
    return Paired(BEFORE[:count], BEFORE[:count] + NOISE[:count] - NOISE[:count].mean() + gain)


def measured(
    gain: float = 0.05, documents: float = 0.0, known: float = 0.9, **more: object
) -> Measured:
    """A trial of a candidate that gains this much by query, and that by document, in both modes.

    More results are of dense searches.
    """
    both = InMode(
        {QUERIES: paired(gain), DOCUMENTS: paired(documents)}, {"short": paired(gain, 40)}
    )
    dense = replace(both, **more)  # type: ignore[arg-type]
    return Measured(N, 0, known, {Mode.DENSE: dense, Mode.HYBRID: both}, None)


def in_modes(dense: float, hybrid: float) -> Measured:
    """A trial of a candidate that gains this much by query in each mode."""
    gains = {Mode.DENSE: dense, Mode.HYBRID: hybrid}
    modes = {mode: InMode({QUERIES: paired(gain)}, {}) for mode, gain in gains.items()}
    return replace(measured(), modes=modes)


def judge(given: Measured, tried: int = 1) -> Decision:
    """The decision on it."""
    return decide(given, tried, "judgements", "2026-01-02T03:04:05Z")


def test_a_gain_that_is_shown_passes() -> None:
    """And its figures stand beside the verdict."""
    decision = judge(measured())
    assert decision.verdict.passed and not decision.verdict.reasons
    by_query = [one for one in decision.figures if one.split == QUERIES]
    assert [one.mode for one in by_query] == ["dense", "hybrid"]
    for one in by_query:
        assert one.after - one.before == pytest.approx(0.05)
        assert one.queries == N and one.p is not None and one.p < 0.001


def test_a_gain_in_either_mode_is_enough() -> None:
    """Hybrid is what serves where no mode is named; a gain in neither is none."""
    assert judge(in_modes(0.05, 0.0)).verdict.passed
    assert judge(in_modes(0.0, 0.05)).verdict.passed
    refused = judge(in_modes(0.001, 0.002)).verdict
    assert not refused.passed and "no gain is shown" in refused.reasons[0]
    assert "in dense searches and from" in refused.reasons[0]


@pytest.mark.parametrize("mode", [Mode.DENSE, Mode.HYBRID])
def test_a_loss_in_one_mode_is_refused(mode: Mode) -> None:
    """Whatever the other gains."""
    given = in_modes(-0.05, 0.1) if mode is Mode.DENSE else in_modes(0.1, -0.05)
    (reason,) = judge(given).verdict.reasons
    assert f"of {mode} searches falls" in reason


def test_each_mode_is_a_test() -> None:
    """What one mode alone would show by a hair is not shown by the better of two."""
    both = in_modes(0.019, 0.0)
    alone = replace(both, modes={Mode.DENSE: both.modes[Mode.DENSE]})
    assert judge(alone).verdict.passed
    assert not judge(both).verdict.passed


def test_no_gain_is_refused_with_what_would_help() -> None:
    """A small gain: so many more queries; none at all: something else."""
    small = judge(measured(0.004)).verdict
    assert not small.passed and "more queries" in small.advice[0]
    none = judge(measured(-0.004)).verdict
    assert not none.passed and "does not help" in none.advice[0]


def test_ten_queries_are_refused_whatever_they_gain() -> None:
    """Each may gain, and still say nothing."""
    given = replace(measured(0.5), queries=10)
    verdict = judge(given).verdict
    assert not verdict.passed and "10 judged queries are too few" in verdict.reasons[0]
    assert verdict.advice == ("judge 20 more queries",)


def test_queries_that_were_trained_on_are_refused() -> None:
    """One of them is enough."""
    verdict = judge(replace(measured(), trained=1)).verdict
    assert (
        not verdict.passed
        and "1 of 120 queries to judge by were trained on" in (verdict.reasons[0])
    )


def test_the_case_is_told() -> None:
    """Which held-out queries those at hand are like, and whether the gain is memory."""
    memory, more = measured(0.05, 0.0), measured(0.05, 0.05, known=0.1)
    told = judge(memory).verdict.case
    assert "90%" in told and "held out by query" in told and "memory of the others" in told
    told = judge(more).verdict.case
    assert "10%" in told and "held out by document" in told and "more than memory" in told


def test_the_case_says_the_p_of_the_figures() -> None:
    """That of both modes together, as it stands in the table beside it."""
    decision = judge(measured(0.05, 0.02))
    by_document = [one for one in decision.figures if one.split == DOCUMENTS]
    assert len(by_document) == 2 and 0 < by_document[0].p < 1
    for one in by_document:
        assert f"(p {one.p:.4f}) in {one.mode} searches" in decision.verdict.case


def test_a_gain_on_new_documents_alone_is_not_enough() -> None:
    """Queries as users ask them decide."""
    assert not judge(measured(0.0, 0.05, known=0.1)).verdict.passed


def test_a_loss_on_new_documents_is_refused() -> None:
    """What it knows may not cost what it does not know."""
    verdict = judge(measured(0.05, -0.05)).verdict
    assert not verdict.passed and "never saw" in verdict.reasons[0]


def test_each_candidate_that_was_tried_makes_it_harder() -> None:
    """The best of many is better by chance."""
    given = measured(0.023)
    assert judge(given).verdict.passed
    verdict = judge(given, tried=20).verdict
    assert not verdict.passed and "counting 20 candidates" in verdict.reasons[0]


def test_a_slice_that_loses_is_named() -> None:
    """One that loses by chance, among many, is not."""
    losing = measured(slices={"long queries": paired(-0.1, 40), "others": paired(0.1, 40)})
    assert [one[:17] for one in judge(losing).verdict.reasons] == ["long queries lose"]
    by_chance = Paired(BEFORE[:40], BEFORE[:40] + NOISE[:40] - NOISE[:40].mean() - 0.037)
    assert not judge(measured(slices={"one": by_chance})).verdict.passed
    many = {f"slice {place}": paired(0.0, 40) for place in range(9)}
    assert judge(measured(slices={"one": by_chance, **many})).verdict.passed


def test_unrelated_queries_must_stand_out_as_before() -> None:
    """Else the significance of answers says less; a fall that chance explains is none."""
    fallen = Worsening(0.99, 0.95, 0.04)
    (reason,) = judge(replace(measured(), off_topic=fallen)).verdict.reasons
    assert "the AUC falls by 0.0400 from 0.9900 to 0.9500 (p 0.0400)" in reason
    assert "more than the 0.01 that is let pass" in reason
    by_chance = judge(replace(measured(), off_topic=replace(fallen, p=0.06))).verdict
    assert by_chance.passed and not by_chance.notes


def test_relevance_must_be_told_as_truly() -> None:
    """A calibration error that rises for certain is a reason, in whichever mode."""
    risen = Worsening(0.03, 0.06, 0.04)
    (reason,) = judge(measured(calibration=risen)).verdict.reasons
    assert "of dense searches is told less truly" in reason and "rises by 0.0300" in reason
    assert judge(measured(calibration=replace(risen, p=0.06))).verdict.passed


def test_what_is_certain_but_small_is_let_pass_and_told() -> None:
    """By a bound of each that may be set; none is let pass with 0."""
    given = replace(
        measured(calibration=Worsening(0.03, 0.045, 0.001)), off_topic=Worsening(0.99, 0.985, 0.001)
    )
    verdict = judge(given).verdict
    assert verdict.passed and len(verdict.notes) == 2
    assert "falls by 0.0050" in verdict.notes[0] and "within the 0.01" in verdict.notes[0]
    assert "rises by 0.0150" in verdict.notes[1] and "within the 0.02" in verdict.notes[1]
    strict = decide(given, 1, "judgements", "", Tolerance(0.001, 0.0)).verdict
    assert not strict.passed and not strict.notes and len(strict.reasons) == 2
    assert (
        "more than the 0.001" in strict.reasons[0] and "more than the 0 that" in strict.reasons[1]
    )


def test_as_many_queries_are_needed_as_a_test_would_take() -> None:
    """The textbook's number for half a deviation at 5 % and a power of 80 %, and for less of it."""
    assert queries_needed(0.5, 1.0, 0.05) == 32
    assert queries_needed(-0.5, 1.0, 0.05) == 32
    assert queries_needed(0.5, 1.0, 0.005) == 54
    assert queries_needed(0.0, 1.0, 0.05) is None


def test_a_candidate_counts_once_for_its_judgements(tmp_path: Path) -> None:
    """Also if the line of another was cut off by a crash."""
    folder = tmp_path / "models"
    assert note_attempt(folder, "these", "a") == 1
    assert note_attempt(folder, "these", "a") == 1
    assert note_attempt(folder, "others", "a") == 1
    with (folder / ATTEMPTS).open("a") as file:
        file.write('{"judge')
        file.write("\n")
    assert note_attempt(folder, "these", "b") == 2
