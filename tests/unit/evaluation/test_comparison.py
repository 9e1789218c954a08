"""Two reports side by side: whose queries gain, and whether it is chance."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from indexer.evaluation.comparison import compare, per_query
from indexer.evaluation.evaluator import Report
from indexer.evaluation.measures import MEASURES
from indexer.evaluation.systems import Facts


def report(seed: int, shift: float = 0.0, queries: int = 10) -> Report:
    """A report of random measures."""
    random = np.random.default_rng(seed)
    return Report(
        facts=Facts("c", "m", 100, "exact", {"mode": "dense", "exact": True}),
        exact=True,
        texts={f"q{i}": f"text {i}" for i in range(queries)},
        values={name: np.clip(random.random(queries) + shift, 0, 1) for name in MEASURES},
        depth=1_000,
        missing=0,
        truncated=0,
        query_ms_p50=1.0,
        query_ms_p99=2.0,
    )


def test_differences_are_tested_and_corrected() -> None:
    """Each measure has SciPy's exact p value; corrected, the smallest counts as many times."""
    a, b = report(1), report(2, 0.3)
    found = compare(a, b, {"mode": "hybrid"})
    for name, one in found.differences.items():
        oracle = stats.permutation_test(
            (a.values[name], b.values[name]),
            lambda x, y: np.mean(y - x),
            permutation_type="samples",
            n_resamples=2**10,
        )
        assert one.p == pytest.approx(oracle.pvalue, abs=1e-12)
        assert found.adjusted[name] >= one.p
    smallest = min(found.differences, key=lambda name: found.differences[name].p)
    assert found.adjusted[smallest] == pytest.approx(min(1, 5 * found.differences[smallest].p))


def test_gains_are_sorted() -> None:
    """The query that gains most by B comes first; each says what it had before."""
    gains = compare(report(1), report(2), {}).gains("map")
    assert [gain.difference for gain in gains] == sorted(
        (gain.difference for gain in gains), reverse=True
    )
    assert all(gain.difference == pytest.approx(gain.b - gain.a) for gain in gains)
    assert {gain.query for gain in gains} == set(report(1).texts)


def test_figures_are_those_of_a_with_b_inside() -> None:
    """The names at the top are A's as ever; the object survives JSON."""
    a, b = report(1), report(2)
    figures = json.loads(json.dumps(compare(a, b, {"mode": "hybrid"}).figures()))
    assert figures["ndcg@10"] == a.measures["ndcg@10"]
    assert figures["against"]["ndcg@10"] == b.measures["ndcg@10"]
    assert figures["against"]["changed"] == {"mode": "hybrid"}
    one = figures["comparison"]["measures"]["map"]
    assert one["difference"] == pytest.approx(b.measures["map"] - a.measures["map"])
    assert one["interval"][0] <= one["difference"] <= one["interval"][1]
    assert one["wins"] + one["losses"] + one["ties"] == 10
    first = figures["per_query"][0]
    assert first["difference"]["map"] == pytest.approx(first["b"]["map"] - first["a"]["map"])
    assert first["a"] == per_query(a)["q0"]


def test_reports_of_other_queries_are_not_compared() -> None:
    """Pairs are of one query."""
    with pytest.raises(ValueError, match="different queries"):
        compare(report(1), report(1, queries=9), {})
