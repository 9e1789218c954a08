"""Measures of rankings by judgements, as ir_measures computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np

from indexer.errors import InvalidInput
from indexer.evaluation.dataset import MOST_GRADE, Qrels
from indexer.evaluation.statistics import Values

Run: TypeAlias = Mapping[str, Sequence[str]]
"""Query id -> ids of the documents found, best first."""

AT_TEN: Final[Mapping[str, str]] = MappingProxyType(
    {"ndcg@10": "nDCG@10", "mrr@10": "RR@10", "recall@10": "R@10"}
)
"""Our names of the measures of an ordinary answer, with those of ir_measures."""

DEEP: Final[Mapping[str, str]] = MappingProxyType({"recall@100": "R@100", "map": "AP"})
"""The same for the measures that need a deep ranking."""

MEASURES: Final[Mapping[str, str]] = MappingProxyType({**AT_TEN, **DEEP})
"""All measures: nDCG with linear gains, reciprocal rank, recall, average precision."""

ORDINARY_K: Final = 10
LEAST_DEPTH: Final = 100
DEFAULT_DEPTH: Final = 1_000
"""The rank down to which TREC and BEIR compute average precision."""


MOST_STEEP_GRADE: Final = 4
"""The best grade for measures with a gain of 2 ** grade: TREC's script stops at a better one."""

UNRELATED: Final = frozenset({"Judged", "infAP"})
"""Measures that depend on which documents were judged, or pooled (-1), whatever their relevance."""


def parse_measures(names: Sequence[str]) -> dict[str, str]:
    """MEASURES and these, named as in ir_measures: nDCG@20, P@5, Success@1, Rprec.

    Raises InvalidInput for a name that is unknown, or of a measure that is not a mean over queries
    or not defined for every query.
    """
    parsed = dict(MEASURES)
    for name in names:
        theirs = _parse_measure(name)
        if theirs not in MEASURES.values():
            parsed[theirs] = theirs
    return parsed


def _parse_measure(name: str) -> str:
    """The measure's canonical name."""
    import ir_measures
    from ir_measures.measures.base import MeanAgg

    pipeline: Any = ir_measures.DefaultPipeline
    try:
        parsed: Any = ir_measures.parse_measure(name)
        parsed.validate_params()
    except (NameError, ValueError, AssertionError, SyntaxError) as error:
        raise InvalidInput(
            f"{name!r} is not a measure: name one as ir_measures does, as in nDCG@20, P@5, "
            "Success@1, Rprec or AP(rel=2); all are at https://ir-measur.es"
        ) from error
    if not pipeline.supports(parsed):
        raise InvalidInput(f"measure {name!r} needs a program that is not here: choose another")
    if not isinstance(parsed.aggregator(), MeanAgg):
        raise InvalidInput(f"measure {name!r} is no mean over queries: choose another")
    if problem := _find_fault(parsed):
        raise InvalidInput(f"measure {name!r}: {problem}")
    return str(parsed)


def measure(run: Run, qrels: Qrels, measures: Mapping[str, str] = MEASURES) -> dict[str, float]:
    """The mean of each measure over the queries of ``qrels``, by our names."""
    values = measure_each(run, qrels, measures)
    return {name: float(each.mean()) for name, each in values.items()}


def measure_each(
    run: Run, qrels: Qrels, measures: Mapping[str, str] = MEASURES
) -> dict[str, Values]:
    """Each measure of each query of ``qrels``, in its order, by our names.

    Documents rank in the order of the run, whatever their ids. Raises InvalidInput for grades that
    a measure does not take.
    """
    import ir_measures  # here because it costs start-up time that only evaluation needs

    check_grades(qrels, measures)
    trials = [_numbered(run.get(query, ()), grades) for query, grades in qrels.items()]
    values = {name: np.zeros(len(trials)) for name in measures}
    for name, theirs in measures.items():
        parsed: Any = ir_measures.parse_measure(theirs)
        asked = {
            str(place): one
            for place, (numbered, grades) in enumerate(trials)
            if (one := _telling(parsed.NAME, numbered, grades))
        }
        if not asked:
            continue
        judged = {query: grades for query, (_, grades) in asked.items()}
        scored = {query: found for query, (found, _) in asked.items()}
        # One measure a call: given several, ir_measures uses one's qrels for another.
        for metric in ir_measures.iter_calc([parsed], judged, scored):
            values[name][int(metric.query_id)] = metric.value
    return values


def by_depth(measures: Mapping[str, str], depth: int) -> tuple[dict[str, str], dict[str, str]]:
    """The measures that the 10 best suffice for, and those that need a deep ranking."""
    import ir_measures

    if depth < LEAST_DEPTH:
        raise InvalidInput(f"depth must be at least {LEAST_DEPTH} for recall@100, got {depth}")
    top: dict[str, str] = {}
    deep: dict[str, str] = {}
    for name, theirs in measures.items():
        cutoff = ir_measures.parse_measure(theirs).params.get("cutoff", depth)
        if not 1 <= cutoff <= depth:
            raise InvalidInput(f"{name}: ranks go from 1 to {depth}, which is the depth searched")
        (top if cutoff <= ORDINARY_K else deep)[name] = theirs
    return top, deep


def _find_fault(parsed: Any) -> str | None:  # noqa: ANN401 - ir_measures has no types
    """The reason why ir_measures would fail at an accepted measure or mismeasure it; else None."""
    given = parsed.params
    if parsed.NAME == "Accuracy":
        return "it is not defined where all that is found is relevant: choose another"
    if given.get("rel", 1) < 1:
        return "rel must be at least 1"
    if round(given.get("recall", 0), 2) != given.get("recall", 0):
        return "recall is taken in steps of 0.01"
    gains = given.get("gains", {}).values()
    if not all(isinstance(gain, int) and gain <= MOST_GRADE for gain in gains):
        return f"gains must be whole numbers from 0 to {MOST_GRADE}"
    return None


def _numbered(
    found: Sequence[str], grades: Mapping[str, int]
) -> tuple[dict[str, float], dict[str, int]]:
    """A query's run and judgements with numbers for ids, which TREC's scripts cannot misread.

    The run is given strictly falling scores: trec_eval orders by score, and ties by id.
    """
    numbers = {id: str(number) for number, id in enumerate(dict.fromkeys([*found, *grades]))}
    scores = {numbers[id]: float(len(found) - rank) for rank, id in enumerate(found)}
    return scores, {numbers[id]: grade for id, grade in grades.items()}


def _telling(
    measure: str, found: dict[str, float], grades: dict[str, int]
) -> tuple[dict[str, float], dict[str, int]] | None:
    """The run and judgements a measure gets for a query; None if the query counts as 0 anyway."""
    # For a query with negative grades only, trec_eval reads out of bounds.
    relevant = any(grade > 0 for grade in grades.values())
    if not found or not (relevant or measure == "Judged"):
        return None
    if measure in UNRELATED:
        return found, grades
    return found, {id: grade for id, grade in grades.items() if grade >= 0}


def check_grades(qrels: Qrels, measures: Mapping[str, str]) -> None:
    """Raise InvalidInput for grades too high for a measure."""
    best = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    for name, theirs in measures.items():
        if best > MOST_STEEP_GRADE and (theirs.startswith("ERR") or "exp-log2" in theirs):
            raise InvalidInput(
                f"{name} takes grades up to {MOST_STEEP_GRADE}, but a judgement has {best}: "
                "leave the measure out"
            )
