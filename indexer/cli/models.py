"""The commands ``models`` and ``promote``: what was trained, and what serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table

from indexer.cli import facts, messages
from indexer.cli.holders import hold
from indexer.cli.messages import Figures
from indexer.cli.options import ApiKey, Data, ExitCode, Json, Name, Url, open_library
from indexer.cli.progress import stepping
from indexer.errors import InvalidInput, ModelError, NotFound
from indexer.evaluation.dataset import read_dataset
from indexer.learning.evidence import JudgedQueries
from indexer.learning.gate import promotion
from indexer.learning.gate.promotion import (
    Promoted,
    RolledBack,
    calibration_sentences,
    sentences,
)
from indexer.learning.models import Models
from indexer.learning.trained import Figure, Verdict
from indexer.library import DEFAULT_COLLECTION
from indexer.reports import Step


def list_models(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this one, with all that is known.")
    ] = None,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Show what was trained: data, method, figures before and after, and where it serves."""
    with hold(data, url, api_key) as holder:
        every, place = holder.models(), holder.place
    found = every if name is None else [_named(every, name, place)]
    if as_json:
        messages.say_json(found[0] if name is not None else {"models": list(found)})
    elif not found:
        messages.note(f"nothing was trained yet (in {place})")
    elif name is not None:
        messages.say(_details(found[0]))
    else:
        messages.say(_table(found))


def promote(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="What was trained.", show_default=False),
    ] = None,
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    judged: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Judged queries in BEIR's layout to judge by.",
            show_default="those held out when it was trained",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Which judgements of that folder.")] = "test",
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Take the last promotion back.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Let it serve even if the gate refuses it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a trained model or map serve a collection, if it is shown to be better.

    Exit code 1 says that the gate refused it; the reasons are told. Searching and writing go on.
    """
    if rollback == (model is not None):
        raise InvalidInput("name the MODEL to promote, or say --rollback")
    given = None if judged is None else read_dataset(judged, split)
    queries = None if given is None else JudgedQueries(given.queries, given.qrels)
    with open_library(data) as library, stepping() as told:

        def tell(phase: str, done: int, total: int) -> None:
            told(Step(phase, done, total))

        if model is None:
            _show_rollback(promotion.roll_back(library, collection, tell), as_json)
            return
        models = Models.of(library.config)
        done = promotion.promote(
            library, models, model, collection, judged=queries, force=force, tell=tell
        )
    _show(done, as_json)


def _named(every: Sequence[Figures], name: str, place: str) -> Figures:
    """The one of a name; raises NotFound, or ModelError for one that cannot be read."""
    found = next((one for one in every if one["name"] == name), None)
    if found is None:
        there = ", ".join(one["name"] for one in every) or "none"
        raise NotFound(f"no model {name!r} was trained in {place} (there are: {there})")
    if "error" in found:
        raise ModelError(str(found["error"]))
    return found


def _show(done: Promoted, as_json: bool) -> None:
    if as_json:
        messages.say_json(asdict(done))
    else:
        messages.say(_figures_table(done.figures))
        for sentence in (*sentences(done.verdict), *calibration_sentences(done.calibrations)):
            messages.say(sentence)
        how = " by force" if done.forced else ""
        what = f"serves {done.collection!r}{how}" if done.serves else "was refused"
        messages.say(f"{done.model!r} {what}")
    raise typer.Exit(ExitCode.DONE if done.serves else ExitCode.FAILED)


def _show_rollback(done: RolledBack, as_json: bool) -> None:
    if as_json:
        messages.say_json(asdict(done))
        return
    adapter = f" with the adapter {done.adapter!r}" if done.adapter else ""
    messages.say(f"{done.collection!r} is served by {done.model}{adapter} again")
    if done.calibrated:
        messages.say(f"calibrated as before: {', '.join(done.calibrated)}")


def _table(found: Sequence[Figures]) -> Table:
    table = Table("model", "kind", "method", "measure", "before", "after", "gate", "serves")
    for one in found:
        if "error" in one:
            table.add_row(one["name"], "", "", str(one["error"]))
            continue
        first = next(iter(one["figures"]), None)
        figures = (
            (first["measure"], f"{first['before']:.4f}", f"{first['after']:.4f}")
            if first
            else ("",) * 3
        )
        serves = ", ".join(one["serves"])
        table.add_row(one["name"], str(one["kind"]), one["method"], *figures, _gate(one), serves)
    return table


def _gate(one: Figures) -> str:
    if one["verdict"] is None:
        return "not asked"
    return "passed" if one["verdict"]["passed"] else "refused"


def _details(one: Figures) -> Group:
    left_out = ("figures", "verdict", "serves")
    plain = {name: value for name, value in one.items() if name not in left_out}
    verdict = one["verdict"]
    return Group(
        facts.facts_table({**plain, "gate": _gate(one), "serves": list(one["serves"])}),
        _figures_table([Figure(**each) for each in one["figures"]]),
        *(sentences(Verdict(**verdict)) if verdict else ()),
    )


def _figures_table(figures: Sequence[Figure]) -> Table:
    table = Table("held out by", "mode", "measure", "queries", "before", "after", "p", box=None)
    for row in _figure_rows(figures):
        table.add_row(*row)
    return table


def _figure_rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    for one in figures:
        p = "" if one.p is None else f"{one.p:.4f}"
        before, after = f"{one.before:.4f}", f"{one.after:.4f}"
        yield one.split, one.mode, one.measure, f"{one.queries:,}", before, after, p
