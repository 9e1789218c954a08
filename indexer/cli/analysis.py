"""The commands that analyse a collection and calibrate its scores.

They are calibrate, diagnose and map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from indexer.analysis.diagnostics import Diagnostic, Verdict, diagnostic_of
from indexer.cli import facts, messages, output
from indexer.cli.holders import hold
from indexer.cli.index import index_reads, reading
from indexer.cli.messages import Figures
from indexer.cli.options import (
    ApiKey,
    Data,
    Json,
    Model,
    ModeOption,
    Name,
    Reranker,
    Url,
    open_library,
)
from indexer.cli.progress import stepping
from indexer.layout import ByWidth
from indexer.library import DEFAULT_COLLECTION
from indexer.queries import Mode
from indexer.ranking.calibration import Calibration
from indexer.readers import input_parts
from indexer.reports import Step

HISTOGRAM_WIDTH: Final = 20
LEAST_COLUMNS: Final = 70
"""The least width of a terminal, in columns, for a figure with its meaning beside it."""

_MARKS: Final = {
    Verdict.FINE: ("✓", "green"),
    Verdict.LOOK: ("!", "yellow"),
    Verdict.UNKNOWN: ("·", "dim"),
}


def calibrate(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Folder with corpus.jsonl, queries.jsonl and qrels, as BEIR has them.",
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
            help="Which collection; the corpus is indexed into it.",
            show_default="evaluate-<folder>, so that default is left alone",
        ),
    ] = None,
    model: Model = None,
    mode: ModeOption = Mode.HYBRID,
    reranker: Reranker = None,
    split: Annotated[str, typer.Option(help="Which qrels: train, dev or test.")] = "test",
    ignore_identical_ids: Annotated[
        bool,
        typer.Option("--ignore-identical-ids", help="Drop a hit whose id is the query's own."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn from judged queries how likely a hit is relevant; searches then show it for each hit.

    The result is kept with the collection, for this mode and model, and for hits that the
    cross-encoder has scored, if one is named. Errors are those on queries held out.
    """
    from indexer.evaluation.calibration_run import calibrate_collection
    from indexer.evaluation.dataset import read_dataset

    judged = read_dataset(dataset, split)
    name = collection or f"evaluate-{re.sub(r'[^A-Za-z0-9_-]+', '-', judged.name)}"[:64]
    paths = [str(judged.corpus_path)]
    with open_library(data, model, reranker) as library:
        reads = reading(paths)
        indexed = index_reads(library, name, reads, input_parts(paths), model=model)
        indexed.warn()
        opened = library.open(name)
        with stepping() as tell:
            made = calibrate_collection(
                opened,
                library.embedder(opened),
                judged,
                mode=mode,
                reranker=library.reranker() if reranker else None,
                ignore_identical_ids=ignore_identical_ids,
                on_progress=lambda done, total: tell(Step("queries", done, total)),
            )
    figures = {**_figures(made), "collection": name, "rejected": indexed.summary.rejected}
    if as_json:
        messages.say_json(figures)
    else:
        messages.say(facts.facts_table(figures))
    raise typer.Exit(indexed.exit_code)


def _figures(made: Calibration) -> dict[str, Any]:
    errors = asdict(made.errors)
    return {
        "mode": made.ranking,
        "expected_calibration_error": errors["expected"],
        "expected_calibration_error_all": errors["expected_all"],
        "brier": errors["brier"],
        "log_loss": errors["log_loss"],
        "relevant_share": errors["base"],
        "temperature": made.temperature,
        "queries": made.queries,
        "hits": made.hits,
    }


def diagnose(
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    duplicates: Annotated[
        bool,
        typer.Option(
            "--duplicates",
            help="List all documents that are copies of others instead: equal and similar texts, "
            "and pictures that were resized, recompressed, mirrored or cropped.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Report on a collection's vectors: duplicates, hubs, spread, truncation.

    It only reads. Pairs are estimated from samples, which take seconds.
    """
    with hold(data, url, api_key) as holder, stepping() as tell:
        told = (holder.duplicates if duplicates else holder.diagnose)(collection, tell)
    if duplicates:
        _list_duplicates(told, as_json)
        return
    if as_json:
        messages.say_json(told)
        return
    messages.say(
        f"{collection}: {told['documents']:,} documents, {told['chunks']:,} chunks of "
        f"{told['model']}; {told['sampled']:,} sampled, {told['seconds']:.1f} s"
    )
    messages.say(diagnostics_table([diagnostic_of(one) for one in told["diagnostics"]]))


def _list_duplicates(found: Figures, as_json: bool) -> None:
    if as_json:
        messages.say_json(found)
        return
    for group in found["duplicates"]:
        messages.say(Text(group["id"], style="bold"))
        for one in group["copies"]:
            cosine = f"  {one['cosine']:.3f}" if "cosine" in one else ""
            messages.say(Text(f"  {one['kind']:<12}  {one['id']}{cosine}"))
    if not found["duplicates"]:
        messages.say("no document is a copy of another")
    listed, groups = len(found["duplicates"]), found["groups"]
    if listed < groups:
        messages.note(f"{listed:,} of {groups:,} documents with copies are listed")
    if found["looked"] < found["documents"]:
        messages.note(
            f"the first {found['looked']:,} of {found['documents']:,} documents were looked at"
        )


def draw_map(
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Draw all documents together again, however few are new."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw the collection's map now, and report its clusters and its quality.

    The service draws a map by itself when it is first viewed; for a large collection, draw it
    ahead.
    """
    with hold(data, url, api_key) as holder, stepping() as tell:
        figures = holder.draw_map(collection, tell, anew=anew)
    if as_json:
        messages.say_json(figures)
        return
    known = {name: value for name, value in figures.items() if value is not None}
    messages.say(facts.facts_table({**known, "clusters": len(known["clusters"])}))
    for cluster in sorted(known["clusters"], key=lambda one: -one["documents"]):
        messages.say(f"{cluster['documents']:>9,}  {', '.join(cluster['words'])}")


def diagnostics_table(found: Sequence[Diagnostic]) -> RenderableType:
    """Figures with their meaning, and advice where one is out of range."""
    return ByWidth(_columns(found), _stack(found), LEAST_COLUMNS)


def _columns(found: Sequence[Diagnostic]) -> Table:
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold", ratio=1)
    for one in found:
        table.add_row(_name(one), Text(_shown(one.value), style="bold"), _meaning(one))
    return table


def _stack(found: Sequence[Diagnostic]) -> Group:
    parts: list[RenderableType] = []
    for one in found:
        parts.append(Text.assemble(_name(one), "  ", (_shown(one.value), "bold")))
        parts.append(Padding(_meaning(one), (0, 0, 1, 2)))
    return Group(*parts)


def _name(one: Diagnostic) -> Text:
    mark, style = _MARKS[one.verdict]
    return Text.assemble((f"{mark} ", style), one.name.replace("_", " "))


def _meaning(one: Diagnostic) -> Text:
    text = Text(one.meaning, style="dim", overflow="fold")
    for line in _told(one):
        text.append(f"\n{line}", style="not dim")
    if one.remedy:
        text.append(f"\n→ {one.remedy}", style="not dim yellow")
    return text


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _drawn(bins: Sequence[Mapping[str, float]], least: float) -> Iterator[str]:
    """The best cosines of unrelated queries as bars, and where something is first found."""
    most = max(each["queries"] for each in bins)
    yield "best cosines of unrelated queries:"
    for each, following in zip(bins, [*bins[1:], {"from": 2.0}], strict=True):
        bar = output.score_bar(each["queries"] / most, HISTOGRAM_WIDTH)
        mark = (
            f"  ← above {least:.3f}: something" if each["from"] <= least < following["from"] else ""
        )
        yield f"{each['from']:6.3f} {bar} {each['queries']:g}{mark}"


def _told(one: Diagnostic) -> Iterator[str]:
    """The details for people: the documents concerned, and the quality of the fit."""
    details = one.details
    for hub in details.get("hubs", []):
        yield f"{hub['id']}: {hub['occurrences']} times"
    for first, second, *cosine in details.get("examples", []):
        yield f"{first} and {second}" + (f": {cosine[0]:.4f}" if cosine else "")
    if "histogram" in details:
        yield from _drawn(details["histogram"], one.value or 1.0)
        if details["fields_left_out"]:
            left_out = ", ".join(details["fields_left_out"])
            yield f"unrelated queries about {left_out} are left out: the collection is near these"
    if "quantiles" in details:
        pairs = (f"{one['expected']:g}: {one['observed']:.2g}" for one in details["quantiles"])
        yield f"p = {details['p']:.2g}; expected and observed tail: {', '.join(pairs)}"
