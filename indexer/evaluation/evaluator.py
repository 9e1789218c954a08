"""Evaluation of a system on judged queries: datasets in BEIR's layout, and their measures.

A System is a collection in this process, or one of a service (indexer.evaluation.remote_system).
The measures come from ir_measures (pytrec_eval and the MS MARCO script), not from here; they get
one measure at a time, plain numbers for ids and no grade below 0, since they err on others.
Every query counts in every mean: as 0 if nothing was found for it, or nothing is relevant to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from indexer.errors import InvalidInput
from indexer.evaluation.dataset import Dataset
from indexer.evaluation.measures import (
    DEFAULT_DEPTH,
    MEASURES,
    ORDINARY_K,
    by_depth,
    check_grades,
    measure_each,
)
from indexer.evaluation.statistics import Values, bootstrap_interval
from indexer.evaluation.systems import Facts, System, SystemAnswer

WARMING: Final = "warm"
"""Asked once, untimed: the first query also pays for what is loaded lazily.

It is not a query of any dataset, so a service that caches query vectors gains nothing by it.
"""


@dataclass(frozen=True, slots=True)
class Report:
    """The results of an evaluation.

    ``values`` has the measures, those of MEASURES first; each holds one value for each query of
    ``texts``, in its order. ``missing`` documents are relevant but not in the collection,
    ``truncated`` queries were longer than the model's window. The times are in milliseconds, from a
    query's text to its 10 best hits.
    """

    facts: Facts
    exact: bool
    texts: Mapping[str, str]
    values: Mapping[str, Values]
    depth: int
    missing: int
    truncated: int
    query_ms_p50: float
    query_ms_p99: float

    @property
    def measures(self) -> dict[str, float]:
        """The mean of each measure over the queries."""
        return {name: float(values.mean()) for name, values in self.values.items()}

    @property
    def queries(self) -> int:
        """The number of queries."""
        return len(self.texts)

    @property
    def documents(self) -> int:
        """The number of documents searched."""
        return self.facts.documents

    def intervals(self) -> dict[str, list[float]]:
        """The 95 % bootstrap interval of each mean, resampling queries with replacement."""
        found = {name: bootstrap_interval(values) for name, values in self.values.items()}
        return {name: [interval.low, interval.high] for name, interval in found.items()}

    def figures(self) -> dict[str, Any]:
        """Means, counts, times and settings as one JSON object, the measures by their names."""
        settings = {name: _json(value) for name, value in self.facts.settings.items()}
        return {
            **self.measures,
            "queries": self.queries,
            "documents": self.documents,
            "query_ms_p50": self.query_ms_p50,
            "query_ms_p99": self.query_ms_p99,
            **settings,
            "exact": self.exact,
            "depth": self.depth,
            "missing": self.missing,
            "truncated": self.truncated,
            "intervals": self.intervals(),
            **self.facts.figures(),
        }


def _json(value: object) -> object:
    return str(value) if isinstance(value, str) else value


def evaluate(
    system: System,
    dataset: Dataset,
    *,
    ignore_identical_ids: bool = False,
    depth: int = DEFAULT_DEPTH,
    measures: Mapping[str, str] = MEASURES,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Evaluate a system on the dataset's queries, each asked by itself.

    Each query is asked for its 10 best, which is timed and gives the measures down to rank 10 as
    users get them, and then, when all are timed, for its ``depth`` best, which gives the others.
    ``ignore_identical_ids`` drops the document whose id is the query's own, as BEIR does for
    ArguAna and Quora. ``on_progress`` gets the searches done and their total. Raises InvalidInput
    if none of the relevant documents is in the collection.
    """
    top, deep = by_depth(measures, depth)
    check_grades(dataset.qrels, measures)
    missing = _count_missing(system, dataset)
    trial = _Trial(system, dataset.queries, ignore_identical_ids)
    total = 2 * len(dataset.queries)
    # All timed searches come first: a deep one in between would leave them a cold cache.
    for done, _ in enumerate(trial.steps(depth), start=1):
        if on_progress:
            on_progress(done, total)
    values = measure_each(trial.top, dataset.qrels, top)
    values |= measure_each(trial.deep, dataset.qrels, deep)
    p50, p99 = np.percentile(trial.milliseconds, [50, 99])
    return Report(
        facts=system.describe(),
        exact=trial.all_exact,
        texts={id: dataset.queries[id] for id in dataset.qrels},
        values={name: values[name] for name in measures},
        depth=depth,
        missing=missing,
        truncated=trial.truncated,
        query_ms_p50=float(p50),
        query_ms_p99=float(p99),
    )


class _Trial:
    """Two passes over the queries, with their results so far."""

    def __init__(self, system: System, queries: Mapping[str, str], ignore_own: bool) -> None:
        self._system = system
        self._queries = queries
        self._ignore_own = ignore_own
        self.top: dict[str, list[str]] = {}
        self.deep: dict[str, list[str]] = {}
        self.milliseconds: list[float] = []
        self.truncated = 0
        self.all_exact = True

    def steps(self, depth: int) -> Iterator[None]:
        """Ask all queries, one search a step."""
        self._system.ask(WARMING, ORDINARY_K)
        for id, text in self._queries.items():
            self._ask(id, text)
            yield
        texts = list(self._queries.values())
        found = self._system.ask_all(texts, self._k(depth))
        for id, one in zip(self._queries, found, strict=True):
            self._keep(self.deep, id, one, depth)
            yield

    def _ask(self, id: str, text: str) -> None:
        started = time.perf_counter()
        found = self._system.ask(text, self._k(ORDINARY_K))
        self.milliseconds.append((time.perf_counter() - started) * 1e3)
        self.truncated += found.truncated
        self.all_exact = self.all_exact and found.exact
        self._keep(self.top, id, found, ORDINARY_K)

    def _k(self, wanted: int) -> int:
        return wanted + self._ignore_own  # one more, in case the query itself is found

    def _keep(self, run: dict[str, list[str]], id: str, found: SystemAnswer, k: int) -> None:
        kept = [each for each in found.ids if not (self._ignore_own and each == id)]
        run[id] = kept[:k]


def _count_missing(system: System, dataset: Dataset) -> int:
    relevant = sorted(
        {id for judged in dataset.qrels.values() for id, grade in judged.items() if grade > 0}
    )
    missing = len(system.missing(relevant))
    if relevant and missing == len(relevant):
        raise InvalidInput(
            f"collection {system.name!r} has none of the {missing} relevant "
            f"documents of {dataset.name}: {system.filling(dataset.corpus_path)}"
        )
    return missing
