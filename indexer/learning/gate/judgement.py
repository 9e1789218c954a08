"""The decision whether a candidate may serve, from what a trial measured. Pure functions.

What is asked of a candidate:

- It was not trained on the queries it is judged by, and these are at least LEAST_QUERIES.
- On queries held out the measure gains, by a paired randomisation test at LEVEL,
  Bonferroni-corrected for the candidates tried on the same judgements. They ask for documents that
  were trained on and for others in the proportion in which users do, so this decides.
- On the documents alone that training never saw it does not lose, by the same test. Which of both
  splits the queries at hand are like is told: a gain that is memory is one, as long as users go on
  asking for the same documents.
- No slice of the queries loses (Holm-corrected for the number of slices).
- Judged queries stand out from unrelated ones as they did, and relevance is told as truly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.evaluation.statistics import Difference, difference_of, holm
from indexer.learning.gate.power import queries_needed
from indexer.learning.split import DOCUMENTS, QUERIES
from indexer.learning.trained import Figure, Verdict

Floats = NDArray[np.float64]

LEVEL: Final = 0.05
LEAST_QUERIES: Final = 30
"""Of fewer queries too little can be said of slices, calibration and off-topic queries."""

MEASURE: Final = "ndcg@10"
CALIBRATION_TOLERANCE: Final = 0.02
"""An expected calibration error that grows by less is within what such samples scatter."""

LIKE_KNOWN: Final = 0.5
"""From this share of known documents on, queries are like those held out by query."""


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
class Measured:
    """The results of a trial.

    ``splits`` has the measure by split, ``slices`` the measure of queries of one kind.
    ``off_topic`` is, for each query, the share of unrelated queries that found nothing as near.
    ``calibration`` is the expected calibration error, ``costs`` other figures, before and after.
    ``trained`` queries of ``queries`` were trained on, so that nothing can be said by them;
    ``known`` is the share of relevant documents that were trained on with other queries.
    """

    queries: int
    trained: int
    known: float
    splits: Mapping[str, Paired]
    slices: Mapping[str, Paired]
    off_topic: Paired
    calibration: tuple[float, float] | None = None
    costs: Mapping[str, tuple[float, float]] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and the figures it stands on."""

    verdict: Verdict
    figures: tuple[Figure, ...]


def decide(measured: Measured, tried: int, judged: str, at: str) -> Decision:
    """The decision on one of ``tried`` candidates; ``judged`` names the judgements."""
    problems = list(_problems(measured, tried))
    reasons = tuple(reason for reason, _ in problems)
    advice = tuple(dict.fromkeys(advice for _, advice in problems if advice))
    verdict = Verdict(not problems, reasons, advice, tried, judged, at, _case(measured))
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
    yield from _case_problems(measured, tried)
    yield from _slice_problems(measured)
    yield from _off_topic_problems(measured)


def _case_problems(measured: Measured, tried: int) -> Iterator[tuple[str, str]]:
    own = measured.splits.get(QUERIES)
    found = own.difference if own else None
    if own is None or found is None:
        yield "no query could be judged", "judge more queries"
    elif not (found.difference > 0 and corrected(found.p, tried) <= LEVEL):
        yield _no_gain(own, found, tried)
    rest = measured.splits.get(DOCUMENTS)
    lost = rest.difference if rest else None
    if lost is not None and lost.difference < 0 and lost.p <= LEVEL:
        yield (
            f"{MEASURE} falls from {lost.a:.4f} to {lost.b:.4f} (p {lost.p:.4f}) on documents that "
            "training never saw",
            "train on more documents, or less strongly",
        )


def _no_gain(own: Paired, found: Difference, tried: int) -> tuple[str, str]:
    p = corrected(found.p, tried)
    counted = f", counting {tried} candidates" if tried > 1 else ""
    reason = (
        f"{MEASURE} goes from {found.a:.4f} to {found.b:.4f} on {len(own.before):,} held-out "
        f"queries (p {p:.4f}{counted}): no gain is shown"
    )
    gains = own.after - own.before
    deviation = float(gains.std(ddof=1)) if len(gains) > 1 else 0.0
    needed = queries_needed(found.difference, deviation, LEVEL / tried)
    if found.difference <= 0 or needed is None:
        return reason, "it does not help: try other data or another method"
    if needed <= len(gains):
        return reason, "judge some more queries: this gain is close to being shown"
    return reason, (
        f"judge about {needed - len(gains):,} more queries: a gain of {found.difference:.4f} is "
        f"shown by about {needed:,} in four of five trials"
    )


def _case(measured: Measured) -> str:
    """A sentence that says which split the queries at hand are like, and how it fares there."""
    rest = measured.splits.get(DOCUMENTS)
    found = rest.difference if rest else None
    known = f"{measured.known:.0%} of the relevant documents were trained on with other queries"
    if found is None:
        return f"{known}: nothing is known of documents that training never saw"
    like = "by query" if measured.known >= LIKE_KNOWN else "by document"
    change = f"{MEASURE} goes from {found.a:.4f} to {found.b:.4f} (p {found.p:.4f})"
    gained = found.difference > 0 and found.p <= LEVEL
    meaning = "so it is more than memory" if gained else "so any gain is memory of the others"
    return (
        f"{known}, so your queries are like those held out {like}; on documents that training "
        f"never saw {change}, {meaning}"
    )


def _slice_problems(measured: Measured) -> Iterator[tuple[str, str]]:
    found = {name: one.difference for name, one in measured.slices.items()}
    told = {name: one for name, one in found.items() if one is not None}
    adjusted = holm(np.array([one.p for one in told.values()]))
    for (name, one), p in zip(told.items(), adjusted.tolist(), strict=True):
        if one.difference < 0 and p <= LEVEL:
            yield (
                f"{name} lose: {MEASURE} falls from {one.a:.4f} to {one.b:.4f} (p {p:.4f})",
                f"train on more {name}",
            )


def _off_topic_problems(measured: Measured) -> Iterator[tuple[str, str]]:
    found = measured.off_topic.difference
    if found is not None and found.difference < 0 and found.p <= LEVEL:
        yield (
            f"queries stand out less from unrelated ones: AUC {found.a:.4f} before, {found.b:.4f} "
            f"after (p {found.p:.4f}), so that significance says less",
            "train less strongly",
        )
    if measured.calibration is not None:
        before, after = measured.calibration
        if after > before + CALIBRATION_TOLERANCE:
            yield (
                f"relevance is told less truly: the calibration error is {before:.4f} before, "
                f"{after:.4f} after",
                "judge more queries, or train less strongly",
            )


def corrected(p: float, tried: int) -> float:
    """A p value corrected for this many candidates (Bonferroni)."""
    return min(1.0, p * max(1, tried))


def _figures(measured: Measured, tried: int) -> Iterator[Figure]:
    for split, paired in measured.splits.items():
        if (one := paired.difference) is not None:
            p = corrected(one.p, tried)
            yield Figure(split, MEASURE, one.a, one.b, len(paired.before), p)
    for name, paired in measured.slices.items():
        if (one := paired.difference) is not None:
            yield Figure(name, MEASURE, one.a, one.b, len(paired.before), one.p)
    if (one := measured.off_topic.difference) is not None:
        yield Figure("unrelated queries", "auc", one.a, one.b, measured.queries, one.p)
    if measured.calibration is not None:
        before, after = measured.calibration
        yield Figure("relevance", "calibration error", before, after, measured.queries)
    for name, (before, after) in (measured.costs or {}).items():
        yield Figure("costs", name, before, after, measured.queries)
