"""How well judged queries are answered: datasets in BEIR's layout, and their measures.

What answers is a System: a collection in this process, or one of a service (indexer.remote).
The measures come from ir_measures (pytrec_eval and the MS MARCO script), not from here; they get
one measure at a time, plain numbers for ids and no grade below 0, since they err on others. A query
counts in every mean even if nothing was found for it, or nothing is relevant to it: then as 0.
"""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from indexer.collection import Collection
from indexer.documents import Answer, Mode, Query
from indexer.embedding.embedder import Embedder
from indexer.embedding.reranking import Reranker
from indexer.errors import InvalidInput, Unreadable
from indexer.filters import is_encodable
from indexer.ranking.paired import Values, bootstrap_interval
from indexer.search import embed_queries, search

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> relevance; above 0 is relevant, and more is better for nDCG."""

Run: TypeAlias = Mapping[str, Sequence[str]]
"""Query id -> ids of the documents found, best first."""

Settings: TypeAlias = Mapping[str, object]
"""Fields of Query that say how is searched, and not for what."""

AT_TEN: Final[Mapping[str, str]] = MappingProxyType({"ndcg@10": "nDCG@10", "mrr@10": "RR@10"})
"""Our names of the measures of an ordinary answer, with those of ir_measures."""

DEEP: Final[Mapping[str, str]] = MappingProxyType({"recall@100": "R@100", "map": "AP"})
"""The same for the measures of a long answer."""

MEASURES: Final[Mapping[str, str]] = MappingProxyType({**AT_TEN, **DEEP})
"""All measures: nDCG with linear gains, reciprocal rank, recall, average precision."""

WARMING: Final = "warm"
"""Asked once, untimed: the first query also pays for what is loaded lazily.

It is no query of a dataset, whose vector a service might keep.
"""

MOST_GRADE: Final = 1_000_000
"""trec_eval keeps a count for each grade from 0 to the best."""

MOST_STEEP_GRADE: Final = 4
"""The best grade of measures by 2 ** grade: TREC's script for them stops at a better one."""

UNRELATED: Final = frozenset({"Judged", "infAP"})
"""Measures that go by which documents were judged, or pooled (-1), whatever their relevance."""

ORDINARY_K: Final = 10
LEAST_DEPTH: Final = 100
DEFAULT_DEPTH: Final = 1_000
"""How many hits TREC and BEIR take average precision over."""


_GRADE: Final = re.compile(r"\s*[+-]?[0-9]+\s*")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Judged queries and where the documents are. Every query is judged, and the reverse."""

    name: str
    corpus_path: Path
    queries: Mapping[str, str]
    qrels: Qrels


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of the documents that answer a query, best first, as Answer has them."""

    ids: tuple[str, ...]
    exact: bool
    truncated: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is evaluated; ``url`` is that of a service, None for a collection here."""

    collection: str
    model: str
    documents: int
    index: str
    settings: Settings
    url: str | None = None

    def figures(self) -> dict[str, Any]:
        """All of it but the settings, as a JSON object."""
        figures = {"collection": self.collection, "model": self.model, "index": self.index}
        return figures | ({"url": self.url} if self.url else {})


class System(Protocol):
    """What answers queries and is judged by its answers."""

    @property
    def name(self) -> str:
        """The name of its collection."""
        ...

    def describe(self) -> Facts:
        """What it is."""
        ...

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of these documents that are not there to be found."""
        ...

    def filling(self, corpus: Path) -> str:
        """What to do so that the documents of a corpus are there."""
        ...

    def ask(self, text: str, k: int) -> Found:
        """The k best for a query, found as users find them: this is what is timed."""
        ...

    def ask_all(self, texts: Sequence[str], k: int) -> Iterator[Found]:
        """The k best for each query, in order, found in whatever way is quickest."""
        ...


class LocalSystem:
    """A collection with its model, in this process."""

    def __init__(
        self,
        collection: Collection,
        embedder: Embedder,
        settings: Settings | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._collection = collection
        self._embedder = embedder
        self._reranker = reranker
        self._settings = {"mode": Mode.DENSE, "exact": False, **(settings or {})}
        self._ready: dict[str, Query] = {}

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._collection.name

    def describe(self) -> Facts:
        """The collection, and how it is searched."""
        told = self._collection.describe()
        kind = str(told.index.get("kind", ""))
        return Facts(told.name, told.model, told.documents, kind, self._settings)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of these documents that are not stored."""
        return [
            id
            for start in range(0, len(ids), 256)
            for id, document in _pair(ids[start : start + 256], self._collection.get)
            if document is None
        ]

    def filling(self, corpus: Path) -> str:
        """Which file to index."""
        return f"index {corpus} first"

    def ask(self, text: str, k: int) -> Found:
        """Embed the query, and search."""
        (query,), (cut,) = embed_queries(self._embedder, [self._query(text, k)])
        (answer,) = search(self._collection, self._embedder, [query], self._reranker)
        self._ready[text] = query
        return _found(answer, cut)

    def ask_all(self, texts: Sequence[str], k: int) -> Iterator[Found]:
        """Search for each; what was asked before is not embedded again."""
        for text in texts:
            query = self._ready.get(text, self._query(text, k))
            deeper = replace(query, k=k)
            (answer,) = search(self._collection, self._embedder, [deeper], self._reranker)
            yield _found(answer, answer.truncated)

    def _query(self, text: str, k: int) -> Query:
        settings: dict[str, Any] = dict(self._settings)
        return Query(text=text, k=k, **settings)


def _pair(
    ids: Sequence[str], get: Callable[[Sequence[str]], Sequence[object]]
) -> Iterator[tuple[str, object]]:
    return zip(ids, get(ids), strict=True)


def _found(answer: Answer, truncated: bool) -> Found:
    return Found(tuple(hit.document.id for hit in answer.hits), answer.exact, truncated)


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    ``values`` has the measures, those of MEASURES first; each holds one value for each query of
    ``texts``, in its order. ``missing`` documents are relevant but not there, ``truncated``
    queries were longer than the model's window. The times are those of one query's 10 best, from
    its text on, in milliseconds.
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
        """How many queries were asked."""
        return len(self.texts)

    @property
    def documents(self) -> int:
        """How many documents were searched."""
        return self.facts.documents

    def intervals(self) -> dict[str, list[float]]:
        """The 95 % interval of each mean, by drawing queries with replacement."""
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


def read_dataset(folder: Path, split: str = "test") -> Dataset:
    """The dataset of a folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

    The judgements may have a header line, and may be in TREC's form (query, 0, document, grade,
    between spaces). Of two judgements of one pair,
    or two queries of one id, the later wins, as in BEIR. Queries without a judgement are left out.
    Raises Unreadable, naming file and line, for what is missing or malformed.
    """
    corpus = folder / "corpus.jsonl"
    if not corpus.is_file():
        raise Unreadable(
            f"{corpus}: no such file; a dataset has corpus.jsonl, queries.jsonl, qrels/"
        )
    qrels = _read_qrels(folder, split)
    texts = _read_queries(folder / "queries.jsonl")
    for id in qrels:
        if id not in texts:
            raise Unreadable(f"{folder / 'queries.jsonl'}: query {id!r} is judged but not there")
    return Dataset(folder.resolve().name, corpus, {id: texts[id] for id in qrels}, qrels)


def parse_measures(names: Sequence[str]) -> dict[str, str]:
    """MEASURES and these, which are named as ir_measures does: nDCG@20, P@5, Success@1, Rprec.

    Raises InvalidInput for a name that is unknown, of what is no mean over queries, or of what is
    not defined for every query.
    """
    parsed = dict(MEASURES)
    for name in names:
        theirs = _parse_measure(name)
        if theirs not in MEASURES.values():
            parsed[theirs] = theirs
    return parsed


def _parse_measure(name: str) -> str:
    """The measure's own way to write its name."""
    import ir_measures
    from ir_measures.measures.base import MeanAgg

    pipeline: Any = ir_measures.DefaultPipeline
    try:
        parsed: Any = ir_measures.parse_measure(name)
        parsed.validate_params()
    except (NameError, ValueError, AssertionError, SyntaxError) as error:
        raise InvalidInput(
            f"{name!r} is no measure: name one as ir_measures does, as in nDCG@20, P@5, "
            "Success@1, Rprec or AP(rel=2); all are at https://ir-measur.es"
        ) from error
    if not pipeline.supports(parsed):
        raise InvalidInput(f"measure {name!r} needs a program that is not there: choose another")
    if not isinstance(parsed.aggregator(), MeanAgg):
        raise InvalidInput(f"measure {name!r} is no mean over queries: choose another")
    if problem := _find_fault(parsed):
        raise InvalidInput(f"measure {name!r}: {problem}")
    return str(parsed)


def _find_fault(parsed: Any) -> str | None:  # noqa: ANN401 - ir_measures has no types
    """Why ir_measures would fail at a measure that it takes, or measure another; None if not."""
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


def measure(run: Run, qrels: Qrels, measures: Mapping[str, str] = MEASURES) -> dict[str, float]:
    """The mean of each measure over the queries of ``qrels``, by our names."""
    values = measure_each(run, qrels, measures)
    return {name: float(each.mean()) for name, each in values.items()}


def measure_each(
    run: Run, qrels: Qrels, measures: Mapping[str, str] = MEASURES
) -> dict[str, Values]:
    """Each measure of each query of ``qrels``, in its order, by our names.

    The order of the run is what counts, whatever the ids. Raises InvalidInput for grades that a
    measure does not take.
    """
    import ir_measures  # here because it costs start-up time that only evaluation needs

    _check_grades(qrels, measures)
    trials = [_number(run.get(query, ()), grades) for query, grades in qrels.items()]
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
        # One measure a call: of several, ir_measures lends one's qrels to another.
        for metric in ir_measures.iter_calc([parsed], judged, scored):
            values[name][int(metric.query_id)] = metric.value
    return values


def _number(
    found: Sequence[str], grades: Mapping[str, int]
) -> tuple[dict[str, float], dict[str, int]]:
    """A query's run and judgements with numbers for ids, in which TREC's scripts find no pattern.

    What is found is scored, strictly falling: trec_eval orders by score, and ties by id.
    """
    numbers = {id: str(number) for number, id in enumerate(dict.fromkeys([*found, *grades]))}
    scores = {numbers[id]: float(len(found) - rank) for rank, id in enumerate(found)}
    return scores, {numbers[id]: grade for id, grade in grades.items()}


def _telling(
    measure: str, found: dict[str, float], grades: dict[str, int]
) -> tuple[dict[str, float], dict[str, int]] | None:
    """What a measure gets of a query; None for one that counts as 0 whatever it would say."""
    # Of a query with negative grades alone trec_eval reads memory that is not its own.
    relevant = any(grade > 0 for grade in grades.values())
    if not found or not (relevant or measure == "Judged"):
        return None
    if measure in UNRELATED:
        return found, grades
    return found, {id: grade for id, grade in grades.items() if grade >= 0}


def _check_grades(qrels: Qrels, measures: Mapping[str, str]) -> None:
    """Raise InvalidInput for grades that are too good for a measure."""
    best = max((grade for grades in qrels.values() for grade in grades.values()), default=0)
    for name, theirs in measures.items():
        if best > MOST_STEEP_GRADE and (theirs.startswith("ERR") or "exp-log2" in theirs):
            raise InvalidInput(
                f"{name} takes grades up to {MOST_STEEP_GRADE}, but a judgement has {best}: "
                "leave the measure out"
            )


def evaluate(
    system: System,
    dataset: Dataset,
    *,
    ignore_identical_ids: bool = False,
    depth: int = DEFAULT_DEPTH,
    measures: Mapping[str, str] = MEASURES,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """How well a system answers the dataset's queries, each asked by itself.

    Each query is asked for its 10 best, which is timed and gives the measures down to rank 10 as
    users get them, and then, when all are timed, for its ``depth`` best, which gives the others.
    ``ignore_identical_ids`` drops the document whose id is the query's own, as BEIR does for
    ArguAna and Quora. ``on_progress`` gets the searches done and their total. Raises InvalidInput
    if none of the relevant documents is there.
    """
    top, deep = _by_depth(measures, depth)
    _check_grades(dataset.qrels, measures)
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
    """Two passes over the queries, and what they have found so far."""

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
        """Ask everything; each step is one search."""
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
        return wanted + self._ignore_own  # one more, should the query itself be found

    def _keep(self, run: dict[str, list[str]], id: str, found: Found, k: int) -> None:
        kept = [each for each in found.ids if not (self._ignore_own and each == id)]
        run[id] = kept[:k]


def _by_depth(measures: Mapping[str, str], depth: int) -> tuple[dict[str, str], dict[str, str]]:
    """The measures that an ordinary answer gives, and those that need a deep one."""
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


def _read_qrels(folder: Path, split: str) -> Qrels:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(found.stem for found in path.parent.glob("*.tsv"))) or "none"
        raise Unreadable(f"{path}: no such file; splits there are: {there}")
    qrels: dict[str, dict[str, int]] = {}
    for place, row in _judgements(path):
        query, document, relevance = _parse_judgement(place, row)
        qrels.setdefault(query, {})[document] = relevance
    if not qrels:
        raise Unreadable(f"{path}: no judgement in it")
    return qrels


def _read_table(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The rows, each with its place; blank lines left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t")
            yield from ((f"{path}:{reader.line_num}", row) for row in reader if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{path}: {error}") from error


def _judgements(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Query, document and grade of each row but a header, with its place.

    The first row tells the form: TREC's has four cells between spaces or tabs, the second unused.
    """
    rows = _read_table(path)
    first = next(rows, None)
    if first is None:
        return
    cells = " ".join(first[1]).split()
    if len(cells) == 4 and _GRADE.fullmatch(cells[3]):
        for place, row in chain([first], rows):
            query, *rest = " ".join(row).split() or [""]
            yield place, [query, *rest[1:]]
        return
    is_header = len(first[1]) != 3 or not _GRADE.fullmatch(first[1][2])
    yield from rows if is_header else chain([first], rows)


def _parse_judgement(place: str, row: Sequence[str]) -> tuple[str, str, int]:
    if len(row) != 3 or not row[0] or not row[1]:
        raise Unreadable(
            f"{place}: expected query-id, corpus-id and score between tabs, got {row!r:.200}"
        )
    try:
        grade = int(row[2])
    except ValueError:
        raise Unreadable(f"{place}: the score must be an integer, got {row[2]!r:.200}") from None
    if abs(grade) > MOST_GRADE:
        raise Unreadable(f"{place}: the score must be at most {MOST_GRADE}, got {row[2]!r:.200}")
    return row[0], row[1], grade


def _read_queries(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            return dict(_parse_queries(path, file))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


def _parse_queries(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse_query(f"{path}:{number}", line)


def _parse_query(place: str, line: bytes) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place}: not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Unreadable(f"{place}: expected an object, got {type(record).__name__}")
    id, text = record.get("_id", record.get("id")), record.get("text")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id or not isinstance(text, str):
        raise Unreadable(f"{place}: a query needs the strings _id and text")
    if not is_encodable(text):
        raise Unreadable(f"{place}: text holds a lone surrogate, which is not valid Unicode")
    return id, text
