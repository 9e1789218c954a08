"""How well a collection answers judged queries: datasets in BEIR's layout, and their measures.

The measures come from ir_measures (pytrec_eval and the MS MARCO script), not from here. A query
counts in every mean even if nothing was found for it, or nothing is relevant to it: then as 0.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from indexer.collection import Collection
from indexer.documents import Answer, Mode, Query
from indexer.embedding.embedder import Embedder
from indexer.errors import InvalidInput, Unreadable
from indexer.filters import is_encodable
from indexer.search import embed_queries, search

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> relevance; above 0 is relevant, and more is better for nDCG."""

Run: TypeAlias = Mapping[str, Sequence[str]]
"""Query id -> ids of the documents found, best first."""

AT_TEN: Final[Mapping[str, str]] = MappingProxyType({"ndcg@10": "nDCG@10", "mrr@10": "RR@10"})
"""Our names of the measures of an ordinary answer, with those of ir_measures."""

DEEP: Final[Mapping[str, str]] = MappingProxyType({"recall@100": "R@100", "map": "AP"})
"""The same for the measures of a long answer."""

MEASURES: Final[Mapping[str, str]] = MappingProxyType({**AT_TEN, **DEEP})
"""All measures: nDCG with linear gains, reciprocal rank, recall, average precision."""

ORDINARY_K: Final = 10
LEAST_DEPTH: Final = 100
DEFAULT_DEPTH: Final = 1_000
"""How many hits TREC and BEIR take average precision over."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Judged queries and where the documents are. Every query is judged, and the reverse."""

    name: str
    corpus_path: Path
    queries: Mapping[str, str]
    qrels: Qrels


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    ``measures`` has the keys of MEASURES. ``documents`` were searched, ``missing`` are relevant
    but not in the collection, ``truncated`` queries were longer than the model's window. The
    times are of embedding one query and searching its 10 best, in milliseconds.
    """

    mode: Mode
    exact: bool
    measures: Mapping[str, float]
    depth: int
    queries: int
    documents: int
    missing: int
    truncated: int
    query_ms_p50: float
    query_ms_p99: float

    def figures(self) -> dict[str, float | int | str | bool]:
        """All of it in one flat JSON object, the measures by their names."""
        return {
            **self.measures,
            "queries": self.queries,
            "documents": self.documents,
            "query_ms_p50": self.query_ms_p50,
            "query_ms_p99": self.query_ms_p99,
            "mode": str(self.mode),
            "exact": self.exact,
            "depth": self.depth,
            "missing": self.missing,
            "truncated": self.truncated,
        }


def read_dataset(folder: Path, split: str = "test") -> Dataset:
    """The dataset of a folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

    The first line of the judgements is a header, whatever it says. Of two judgements of one pair,
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


def measure(run: Run, qrels: Qrels, measures: Mapping[str, str] = MEASURES) -> dict[str, float]:
    """The mean of each measure over the queries of ``qrels``, by our names.

    The order of the run is what counts: documents get strictly falling scores, because trec_eval
    orders by score and breaks ties by document id.
    """
    import ir_measures  # here because it costs start-up time that only evaluation needs

    scored = {
        query: {document: float(len(found) - rank) for rank, document in enumerate(found)}
        for query, found in run.items()
    }
    parsed = {name: ir_measures.parse_measure(theirs) for name, theirs in measures.items()}
    means = ir_measures.calc_aggregate(
        list(parsed.values()), {query: dict(judged) for query, judged in qrels.items()}, scored
    )
    return {name: float(means[theirs]) for name, theirs in parsed.items()}


def evaluate(
    collection: Collection,
    embedder: Embedder,
    dataset: Dataset,
    *,
    mode: Mode = Mode.DENSE,
    exact: bool = False,
    ignore_identical_ids: bool = False,
    depth: int = DEFAULT_DEPTH,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """How well the collection answers the dataset's queries, each searched by itself.

    Each query is searched for its 10 best, which is timed and gives nDCG and MRR as users get
    them, and then, when all are timed, for its ``depth`` best, which gives recall and MAP.
    ``ignore_identical_ids`` drops the document whose id is the query's own, as BEIR does for
    ArguAna and Quora. ``on_progress`` gets the searches done and their total. Raises InvalidInput
    if the collection has none of the relevant documents.
    """
    if depth < LEAST_DEPTH:
        raise InvalidInput(f"depth must be at least {LEAST_DEPTH} for recall@100, got {depth}")
    missing = _count_missing(collection, dataset)
    trial = _Trial(collection, embedder, mode, exact, ignore_identical_ids, depth)
    trial.warm_up(dataset)
    # All timed searches come first: a deep one in between would leave them a cold cache.
    steps = [partial(trial.ask, *query) for query in dataset.queries.items()]
    steps += [partial(trial.deepen, id) for id in dataset.queries]
    for done, step in enumerate(steps, start=1):
        step()
        if on_progress:
            on_progress(done, len(steps))
    p50, p99 = np.percentile(trial.milliseconds, [50, 99])
    return Report(
        mode=mode,
        exact=trial.all_exact,
        measures=measure(trial.top, dataset.qrels, AT_TEN)
        | measure(trial.deep, dataset.qrels, DEEP),
        depth=depth,
        queries=len(dataset.queries),
        documents=collection.describe().documents,
        missing=missing,
        truncated=trial.truncated,
        query_ms_p50=float(p50),
        query_ms_p99=float(p99),
    )


@dataclass(slots=True)
class _Trial:
    """Two passes over the queries, and what they have found so far."""

    collection: Collection
    embedder: Embedder
    mode: Mode
    exact: bool
    ignore_identical_ids: bool
    depth: int
    ready: dict[str, Query] = field(default_factory=dict)
    top: dict[str, list[str]] = field(default_factory=dict)
    deep: dict[str, list[str]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    truncated: int = 0
    all_exact: bool = True

    def warm_up(self, dataset: Dataset) -> None:
        """Search once untimed: the first query also pays for what is loaded lazily."""
        text = next(iter(dataset.queries.values()))
        search(self.collection, self.embedder, [self._query(text, ORDINARY_K)])

    def ask(self, id: str, text: str) -> None:
        """Search one query as users do, timed."""
        started = time.perf_counter()
        (query,), (cut,) = embed_queries(self.embedder, [self._query(text, ORDINARY_K)])
        (answer,) = search(self.collection, self.embedder, [query])
        self.milliseconds.append((time.perf_counter() - started) * 1e3)
        self.ready[id] = query
        self.top[id] = self._keep(id, answer, ORDINARY_K)
        self.truncated += cut
        self.all_exact = self.all_exact and answer.exact

    def deepen(self, id: str) -> None:
        """Search a query deep that was embedded before."""
        query = replace(self.ready.pop(id), k=self._k(self.depth))
        (answer,) = search(self.collection, self.embedder, [query])
        self.deep[id] = self._keep(id, answer, self.depth)

    def _query(self, text: str, k: int) -> Query:
        return Query(text=text, k=self._k(k), mode=self.mode, exact=self.exact)

    def _k(self, wanted: int) -> int:
        return wanted + self.ignore_identical_ids  # one more, should the query itself be found

    def _keep(self, id: str, answer: Answer, k: int) -> list[str]:
        found = [hit.document.id for hit in answer.hits]
        if self.ignore_identical_ids:
            found = [document for document in found if document != id]
        return found[:k]


def _count_missing(collection: Collection, dataset: Dataset) -> int:
    relevant = sorted(
        {id for judged in dataset.qrels.values() for id, grade in judged.items() if grade > 0}
    )
    missing = sum(
        document is None
        for start in range(0, len(relevant), 256)
        for document in collection.get(relevant[start : start + 256])
    )
    if relevant and missing == len(relevant):
        raise InvalidInput(
            f"collection {collection.name!r} has none of the {len(relevant)} relevant documents "
            f"of {dataset.name}: index {dataset.corpus_path} first"
        )
    return missing


def _read_qrels(folder: Path, split: str) -> Qrels:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(found.stem for found in path.parent.glob("*.tsv"))) or "none"
        raise Unreadable(f"{path}: no such file; splits there are: {there}")
    qrels: dict[str, dict[str, int]] = {}
    for place, row in _read_table(path):
        query, document, relevance = _parse_judgement(place, row)
        qrels.setdefault(query, {})[document] = relevance
    if not qrels:
        raise Unreadable(f"{path}: no judgement after the header line")
    return qrels


def _read_table(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The rows after the first, each with its place; blank lines left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t")
            next(reader, None)
            yield from ((f"{path}:{reader.line_num}", row) for row in reader if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{path}: {error}") from error


def _parse_judgement(place: str, row: Sequence[str]) -> tuple[str, str, int]:
    if len(row) != 3 or not row[0] or not row[1]:
        raise Unreadable(
            f"{place}: expected query-id, corpus-id and score between tabs, got {row!r:.200}"
        )
    try:
        return row[0], row[1], int(row[2])
    except ValueError:
        raise Unreadable(f"{place}: the score must be an integer, got {row[2]!r:.200}") from None


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
