"""The command ``evaluate``: open the systems its options name, fill, ask, compare, show."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from indexer.cli import messages
from indexer.cli.index import Indexed, index_reads, reading
from indexer.cli.options import (
    ApiKey,
    Data,
    Exact,
    ExitCode,
    Json,
    Model,
    ModeOption,
    Reranker,
    Url,
    open_library,
)
from indexer.cli.progress import stepping
from indexer.collection import Collection
from indexer.evaluation.comparison import compare
from indexer.evaluation.dataset import Dataset, read_dataset
from indexer.evaluation.evaluator import Report
from indexer.evaluation.evaluator import evaluate as measure_system
from indexer.evaluation.measures import DEFAULT_DEPTH, parse_measures
from indexer.evaluation.plots import check_figure, save_figure
from indexer.evaluation.remote_system import RemoteSystem
from indexer.evaluation.settings import Side, read_settings, slug
from indexer.evaluation.systems import LocalSystem, System
from indexer.evaluation.tables import scoreboard, write_per_query
from indexer.index_choice import IndexKind
from indexer.library import Library
from indexer.queries import Mode
from indexer.readers import input_parts
from indexer.remote_service import connect
from indexer.reports import Step
from indexer.retrieval.reranking import DEFAULT_RERANK


def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Folder with corpus.jsonl, queries.jsonl and qrels/test.tsv, as BEIR has them.",
            show_default=False,
        ),
    ],
    data: Data = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME",
            help="Which collection; the corpus is indexed into it, but not at a service.",
            show_default="evaluate-<folder>, so that default is left alone",
        ),
    ] = None,
    model: Model = None,
    mode: ModeOption = Mode.DENSE,
    exact: Exact = False,
    reranker: Reranker = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE,...",
            help="Search otherwise: any field of a search, or index=KIND; may be repeated.",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="Compare with the same under other settings: those of --set, and model, "
            "collection, url; may be repeated.",
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    split: Annotated[str, typer.Option(help="Which qrels: train, dev or test.")] = "test",
    measures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Measure this too, named as ir_measures does: nDCG@20, P@5; may be repeated.",
        ),
    ] = None,
    depth: Annotated[
        int, typer.Option(help="How many hits recall and MAP are taken over.")
    ] = DEFAULT_DEPTH,
    ignore_identical_ids: Annotated[
        bool,
        typer.Option("--ignore-identical-ids", help="Drop a hit whose id is the query's own."),
    ] = False,
    per_query: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write each query's measures, separated by tabs."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw a figure: FILE ends with .png, .svg or .pdf."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how well judged queries are answered: nDCG, recall, MRR, MAP, and times.

    With --against, test whether two ways to answer them differ, and for which queries.
    """
    if plot:
        check_figure(plot)
    search: dict[str, object] = {"mode": mode, "exact": exact}
    if reranker:
        search["rerank"] = DEFAULT_RERANK
    side = Side(search, url=url, collection=collection, model=model)
    a = side.changed("--set", read_settings("--set", settings or ()))
    changed = read_settings("--against", against or ())
    sides = {"A": a, "B": a.changed("--against", changed)} if changed else {"": a}
    judged = read_dataset(dataset, split)
    trial = _Trial(judged, parse_measures(measures or ()), depth, ignore_identical_ids)
    with open_library(data, model, reranker) as library, ExitStack() as stack:
        opener = _Opener(library, judged, api_key, stack)
        systems = {label: opener.open(one, label) for label, one in sides.items()}
        reports = [trial.run(system, label) for label, system in systems.items()]
    found = compare(reports[0], reports[1], changed) if changed else reports[0]
    if per_query:
        write_per_query(per_query, found)
    if plot:
        save_figure(plot, judged.name, found)
    if as_json:
        messages.say_json(found.figures() | opener.rejected(a))
    else:
        messages.say(scoreboard(judged.name, found))
    raise typer.Exit(opener.exit_code)


@dataclass(frozen=True, slots=True)
class _Trial:
    """The questions put to every system, and the measures of its answers."""

    dataset: Dataset
    measures: dict[str, str]
    depth: int
    ignore_identical_ids: bool

    def run(self, system: System, label: str) -> Report:
        """The report of a system, with progress on standard error."""
        name = f"searching {label}".strip()
        with stepping() as tell:
            report = measure_system(
                system,
                self.dataset,
                ignore_identical_ids=self.ignore_identical_ids,
                depth=self.depth,
                measures=self.measures,
                on_progress=lambda done, total: tell(Step(name, done, total)),
            )
        if report.missing:
            messages.note(
                f"{report.missing:,} relevant documents are not in {system.name!r} and count as "
                f"not found: {system.filling(self.dataset.corpus_path)}"
            )
        return report


class _Opener:
    """Opens the systems to evaluate; a collection here is first filled with the corpus."""

    def __init__(
        self, library: Library, dataset: Dataset, key: str | None, stack: ExitStack
    ) -> None:
        self._library = library
        self._dataset = dataset
        self._key = key
        self._stack = stack
        self._indexed: dict[str, Indexed] = {}

    @property
    def exit_code(self) -> ExitCode:
        """The exit code: done, or done with rejects."""
        return max((each.exit_code for each in self._indexed.values()), default=ExitCode.DONE)

    def rejected(self, side: Side) -> dict[str, int]:
        """The number of inputs rejected by a side's collection; empty for a service's."""
        indexed = self._indexed.get(side.name(self._default))
        return {"rejected": indexed.summary.rejected} if indexed else {}

    def open(self, side: Side, label: str) -> System:
        """The system that a side describes."""
        name = side.name(self._default)
        if side.url:
            service = self._stack.enter_context(connect(side.url, self._key))
            system = RemoteSystem(service, name, side.search)
            if system.exists():
                documents = system.describe().documents
                _warn_of_others(name, documents, _count_lines(self._dataset.corpus_path))
            return system
        if label == "B" and name not in self._indexed:
            messages.note(f"B has a collection of its own, {name!r}")
        collection = self._fill(side, name)
        reranker = self._library.reranker() if side.search.get("rerank") else None
        return LocalSystem(collection, self._library.embedder(collection), side.search, reranker)

    @property
    def _default(self) -> str:
        return f"evaluate-{slug(self._dataset.name)}"[:64]

    def _fill(self, side: Side, name: str) -> Collection:
        """The collection with the whole corpus in it, under the index the side asks for."""
        if name in self._indexed:
            return self._library.open(name)
        self._copy(side.root(self._default), name)
        paths = [str(self._dataset.corpus_path)]
        reads, parts = reading(paths), input_parts(paths)
        indexed = index_reads(self._library, name, reads, parts, model=side.model)
        indexed.warn()
        self._indexed[name] = indexed
        collection = self._library.open(name)
        if side.index is not None:
            self._keep_index(collection, side.index)
        summary = indexed.summary
        corpus = summary.written + summary.amended + summary.unchanged
        _warn_of_others(name, collection.describe().documents, corpus)
        return collection

    def _copy(self, source: str, name: str) -> None:
        """Copy another collection, where there is one, so that nothing is embedded again."""
        there = self._library.names()
        if source == name or name in there or source not in there:
            return
        with stepping() as tell, tempfile.TemporaryDirectory() as folder:
            backup = Path(folder) / "backup.tar"
            self._library.back_up(source, backup, tell)
            self._library.restore(backup, name, tell)

    def _keep_index(self, collection: Collection, kind: IndexKind) -> None:
        if collection.describe().index.get("kind") != kind:
            messages.note(f"building the index {kind} of {collection.name!r}")
            collection.rebuild(replace(self._library.config.index_choice, kind=kind))


def _warn_of_others(name: str, documents: int, corpus: int) -> None:
    if documents > corpus:
        messages.note(
            f"collection {name!r} holds {documents - corpus:,} documents that are "
            "not in this corpus; they compete in every answer"
        )


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(bool(line.strip()) for line in file)
