"""A against B: two evaluations of the same queries, and the significance of their differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from indexer.evaluation.evaluator import Report
from indexer.evaluation.statistics import CONFIDENCE, RESAMPLES, Difference, difference_of, holm

SEED: Final = 0
FIRST: Final = "ndcg@10"
"""The measure whose gains and losses are shown first."""


@dataclass(frozen=True, slots=True)
class Gain:
    """One query under A and B; ``difference`` is b - a."""

    query: str
    text: str
    a: float
    b: float
    difference: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports, and the difference of each measure between A and B.

    ``changed`` are the settings in which B differs. ``adjusted`` are the p values corrected for
    testing as many hypotheses as there are measures (Holm).
    """

    a: Report
    b: Report
    changed: Mapping[str, str]
    differences: Mapping[str, Difference]
    adjusted: Mapping[str, float]

    def gains(self, measure: str = FIRST) -> list[Gain]:
        """All queries, those with the largest gain under B first."""
        a, b = self.a.values[measure].tolist(), self.b.values[measure].tolist()
        gains = [
            Gain(id, text, before, after, after - before)
            for (id, text), before, after in zip(self.a.texts.items(), a, b, strict=True)
        ]
        return sorted(gains, key=lambda gain: -gain.difference)

    def figures(self) -> dict[str, Any]:
        """A's report, with B's under ``against`` and the differences, as one JSON object."""
        return {
            **self.a.figures(),
            "against": {**self.b.figures(), "changed": dict(self.changed)},
            "comparison": {
                "test": "paired randomisation, two-sided",
                "correction": "Holm",
                "resamples": RESAMPLES,
                "confidence": CONFIDENCE,
                "seed": SEED,
                "measures": {name: self._measure_figures(name) for name in self.differences},
            },
            "per_query": self._per_query(),
        }

    def _measure_figures(self, name: str) -> dict[str, Any]:
        figures = asdict(self.differences[name])
        return (
            figures
            | {"interval": list(figures["interval"].values())}
            | {"p_holm": self.adjusted[name]}
        )

    def _per_query(self) -> list[dict[str, Any]]:
        a, b = per_query(self.a), per_query(self.b)
        return [
            {
                "query": id,
                "text": text,
                "a": a[id],
                "b": b[id],
                "difference": {name: b[id][name] - a[id][name] for name in self.differences},
            }
            for id, text in self.a.texts.items()
        ]


def compare(a: Report, b: Report, changed: Mapping[str, str]) -> Comparison:
    """The comparison of B with A; raises ValueError unless both measured the same queries alike."""
    if a.texts != b.texts or a.values.keys() != b.values.keys():
        raise ValueError("two reports of different queries or measures cannot be compared")
    differences = {
        name: difference_of(a.values[name], b.values[name], seed=SEED) for name in a.values
    }
    adjusted = holm(np.array([one.p for one in differences.values()]))
    named = dict(zip(differences, adjusted.tolist(), strict=True))
    return Comparison(a, b, changed, differences, named)


def per_query(report: Report) -> dict[str, dict[str, float]]:
    """Query id -> measure -> value."""
    columns = {name: values.tolist() for name, values in report.values.items()}
    return {
        id: {name: column[place] for name, column in columns.items()}
        for place, id in enumerate(report.texts)
    }
