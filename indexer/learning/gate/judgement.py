"""The decision whether a candidate may serve, from what a trial measured. Pure functions.

What is asked of a candidate:

- It was not trained on the queries it is judged by, and these are at least LEAST_QUERIES.
- On queries held out the measure gains in one of the modes that users search in, by a paired
  randomisation test at LEVEL, Bonferroni-corrected for the modes, and for the candidates tried on
  the same judgements; in no mode it loses. They ask for documents that were trained on and for
  others in the proportion in which users do, so this decides.
- On the documents alone that training never saw it does not lose, by the same test. Which of both
  splits the queries at hand are like is told: a gain that is memory is one, as long as users go on
  asking for the same documents.
- No slice of the queries loses (Holm-corrected for the number of slices and modes).
- Judged queries stand out from unrelated ones as they did, and relevance is told as truly: neither
  gets worse significantly and by more than is tolerated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.evaluation.statistics import Difference, difference_of, holm
from indexer.evaluation.worsening import Worsening
from indexer.learning.gate.power import queries_needed
from indexer.learning.split import DOCUMENTS, QUERIES
from indexer.learning.trained import Figure, Verdict
from indexer.queries import Mode

Floats = NDArray[np.float64]

LEVEL: Final = 0.05
LEAST_QUERIES: Final = 30
"""Of fewer queries too little can be said of slices, calibration and off-topic queries."""

MEASURE: Final = "ndcg@10"
LIKE_KNOWN: Final = 0.5
"""From this share of known documents on, queries are like those held out by query."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Bounds within which a figure may get worse, even for certain.

    ``auc`` is a fall of the AUC against unrelated queries, ``calibration`` a rise of the expected
    calibration error.
    """

    auc: float = 0.01
    calibration: float = 0.02


@dataclass(frozen=True)
class Paired:
    """A value of each query before and after, (n,) each."""

    before: Floats
    after: Floats

    @cached_property
    def difference(self) -> Difference | None:
        """The difference; None of no queries."""
        return difference_of(self.before, self.after) if len(self.before) else None


@dataclass(frozen=True, slots=True)
class InMode:
    """The results of searches in one mode.

    ``splits`` has the measure by split, ``slices`` the measure of queries of one kind.
    ``calibration`` is the expected calibration error.
    """

    splits: Mapping[str, Paired]
    slices: Mapping[str, Paired]
    calibration: Worsening | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of a trial.

    ``trained`` queries of ``queries`` were trained on, so that nothing can be said by them;
    ``known`` is the share of relevant documents that were trained on with other queries.
    ``off_topic`` is the AUC of the best score, as a test of whether a query is related to anything
    here. ``costs`` are other figures, before and after.
    """

    queries: int
    trained: int
    known: float
    modes: Mapping[Mode, InMode]
    off_topic: Worsening | None
    costs: Mapping[str, tuple[float, float]] | None = None

    def in_split(self, split: str) -> dict[Mode, Paired]:
        """The measure of a split's queries in each mode; none where there is no such query."""
        found = {mode: one.splits.get(split) for mode, one in self.modes.items()}
        return {mode: one for mode, one in found.items() if one is not None and len(one.before)}


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and the figures it stands on."""

    verdict: Verdict
    figures: tuple[Figure, ...]


def decide(
    measured: Measured,
    tried: int,
    judged: str,
    at: str,
    tolerance: Tolerance = Tolerance(),
) -> Decision:
    """The decision on one of ``tried`` candidates; ``judged`` names the judgements."""
    worse = list(_worse(measured, tolerance)) if _can_tell(measured) else []
    problems = [*_problems(measured, tried), *(one.problem for one in worse if not one.tolerated)]
    reasons = tuple(reason for reason, _ in problems)
    advice = tuple(dict.fromkeys(advice for _, advice in problems if advice))
    notes = tuple(one.note for one in worse if one.tolerated)
    verdict = Verdict(not problems, reasons, advice, tried, judged, at, _case(measured), notes)
    return Decision(verdict, tuple(_figures(measured, tried)))


def _problems(measured: Measured, tried: int) -> Iterator[tuple[str, str]]:
    """Each reason to refuse, with what would help."""
    if measured.trained:
        yield (
            f"{measured.trained:,} of {measured.queries:,} queries to judge by were trained on: "
            "what it remembers says nothing of what it learned",
            "judge by other queries, or train without these",
        )
        return
    if measured.queries < LEAST_QUERIES:
        yield (
            f"{measured.queries} judged queries are too few to tell: at least {LEAST_QUERIES}",
            f"judge {LEAST_QUERIES - measured.queries} more queries",
        )
        return
    yield from _gain_problems(measured, tried)
    yield from _loss_problems(measured)
    yield from _slice_problems(measured)


def _can_tell(measured: Measured) -> bool:
    return not measured.trained and measured.queries >= LEAST_QUERIES


def _gain_problems(measured: Measured, tried: int) -> Iterator[tuple[str, str]]:
    found = measured.in_split(QUERIES)
    if not found:
        yield "no query could be judged", "judge more queries"
        return
    tests = tried * len(found)
    if not any(_gains(paired, tests) for paired in found.values()):
        yield _no_gain(found, tried)


def _gains(paired: Paired, tests: int = 1) -> bool:
    found = paired.difference
    return found is not None and found.difference > 0 and corrected(found.p, tests) <= LEVEL


def _loss_problems(measured: Measured) -> Iterator[tuple[str, str]]:
    for split, where, advice in (
        (QUERIES, "", "train less strongly, or by another method"),
        (
            DOCUMENTS,
            " on documents that training never saw",
            "train on more documents, or less strongly",
        ),
    ):
        for mode, paired in measured.in_split(split).items():
            lost = paired.difference
            if lost is not None and lost.difference < 0 and lost.p <= LEVEL:
                yield f"{MEASURE} of {mode} searches falls {_change(lost)}{where}", advice


def _change(found: Difference, p: float | None = None) -> str:
    """A difference in words, with its own p unless another is given."""
    return f"from {found.a:.4f} to {found.b:.4f} (p {found.p if p is None else p:.4f})"


def _no_gain(found: Mapping[Mode, Paired], tried: int) -> tuple[str, str]:
    tests = tried * len(found)
    told = {mode: one.difference for mode, one in found.items()}
    changes = " and ".join(
        f"{_change(one, corrected(one.p, tests))} in {mode} searches"
        for mode, one in told.items()
        if one is not None
    )
    counted = f", counting {tried} candidates" if tried > 1 else ""
    best = max(found.values(), key=_certainty)
    reason = (
        f"{MEASURE} goes {changes} of {len(best.before):,} held-out queries{counted}: "
        "no gain is shown"
    )
    gains = best.after - best.before
    mean, deviation = float(gains.mean()), _deviation(gains)
    needed = queries_needed(mean, deviation, LEVEL / tests)
    if mean <= 0 or needed is None:
        return reason, "it does not help: try other data or another method"
    if needed <= len(gains):
        return reason, "judge some more queries: this gain is close to being shown"
    return reason, (
        f"judge about {needed - len(gains):,} more queries: a gain of {mean:.4f} is "
        f"shown by about {needed:,} in four of five trials"
    )


def _certainty(paired: Paired) -> float:
    """The mean gain in units of its deviation."""
    gains = paired.after - paired.before
    return float(gains.mean()) / (_deviation(gains) or 1.0)


def _deviation(gains: Floats) -> float:
    return float(gains.std(ddof=1)) if len(gains) > 1 else 0.0


def _case(measured: Measured) -> str:
    """A sentence that says which split the queries at hand are like, and how it fares there."""
    found = measured.in_split(DOCUMENTS)
    known = f"{measured.known:.0%} of the relevant documents were trained on with other queries"
    if not found:
        return f"{known}: nothing is known of documents that training never saw"
    like = "by query" if measured.known >= LIKE_KNOWN else "by document"
    changes = " and ".join(
        f"{_change(one.difference, corrected(one.difference.p, len(found)))} in {mode} searches"
        for mode, one in found.items()
        if one.difference is not None
    )
    gained = any(_gains(paired, len(found)) for paired in found.values())
    meaning = "so it is more than memory" if gained else "so any gain is memory of the others"
    return (
        f"{known}, so your queries are like those held out {like}; on documents that training "
        f"never saw {MEASURE} goes {changes}, {meaning}"
    )


def _slice_problems(measured: Measured) -> Iterator[tuple[str, str]]:
    told = {
        (mode, name): found
        for mode, one in measured.modes.items()
        for name, paired in one.slices.items()
        if (found := paired.difference) is not None
    }
    adjusted = holm(np.array([one.p for one in told.values()]))
    for ((mode, name), one), p in zip(told.items(), adjusted.tolist(), strict=True):
        if one.difference < 0 and p <= LEVEL:
            yield (
                f"{name} lose: {MEASURE} of {mode} searches falls {_change(one, p)}",
                f"train on more {name}",
            )


@dataclass(frozen=True, slots=True)
class _Worse:
    """A figure that got worse for certain: what it means, and whether that is let pass."""

    told: str
    bound: float
    advice: str
    tolerated: bool

    @property
    def problem(self) -> tuple[str, str]:
        """The reason to refuse, with what would help."""
        return f"{self.told}: more than the {self.bound:g} that is let pass", self.advice

    @property
    def note(self) -> str:
        """The sentence on it where it was let pass."""
        return f"{self.told}: within the {self.bound:g} that is let pass"


def _worse(measured: Measured, tolerance: Tolerance) -> Iterator[_Worse]:
    """Each figure that got worse significantly."""
    auc = measured.off_topic
    if auc is not None and auc.p <= LEVEL:
        yield _Worse(
            "queries stand out less from unrelated ones, so that significance says less: the AUC "
            f"falls {_worsening(auc)}",
            tolerance.auc,
            "train less strongly",
            auc.before - auc.after <= tolerance.auc,
        )
    for mode, one in measured.modes.items():
        error = one.calibration
        if error is not None and error.p <= LEVEL:
            yield _Worse(
                f"relevance of {mode} searches is told less truly: the calibration error rises "
                f"{_worsening(error)}",
                tolerance.calibration,
                "judge more queries, or train less strongly",
                error.after - error.before <= tolerance.calibration,
            )


def _worsening(found: Worsening) -> str:
    change = abs(found.after - found.before)
    return f"by {change:.4f} from {found.before:.4f} to {found.after:.4f} (p {found.p:.4f})"


def corrected(p: float, tests: int) -> float:
    """A p value corrected for this many tests (Bonferroni)."""
    return min(1.0, p * max(1, tests))


def _figures(measured: Measured, tried: int) -> Iterator[Figure]:
    """All figures: first those of the splits, by query before by document."""
    tests = tried * max(1, len(measured.modes))
    for split in (QUERIES, DOCUMENTS):
        for mode, paired in measured.in_split(split).items():
            yield from _measured_figures(split, mode, paired, tests)
    for mode, one in measured.modes.items():
        for name, paired in one.slices.items():
            yield from _measured_figures(name, mode, paired, 1)
    if (auc := measured.off_topic) is not None:
        before, after = auc.before, auc.after
        yield Figure("unrelated queries", "auc", before, after, measured.queries, auc.p, Mode.DENSE)
    for mode, one in measured.modes.items():
        if (error := one.calibration) is not None:
            before, after = error.before, error.after
            name = "calibration error"
            yield Figure("relevance", name, before, after, measured.queries, error.p, mode)
    for name, (before, after) in (measured.costs or {}).items():
        yield Figure("costs", name, before, after, measured.queries)


def _measured_figures(split: str, mode: Mode, paired: Paired, tests: int) -> Iterator[Figure]:
    one = paired.difference
    if one is not None:
        p = corrected(one.p, tests)
        yield Figure(split, MEASURE, one.a, one.b, len(paired.before), p, mode)
