"""The results of an evaluation as tables for people, and as a file of each query's measures."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from indexer.errors import StorageFailed
from indexer.evaluation.comparison import FIRST, Comparison, Gain, per_query
from indexer.evaluation.evaluator import Report
from indexer.evaluation.statistics import Difference
from indexer.evaluation.systems import Facts
from indexer.layout import ByWidth

SHOWN_GAINS: Final = 5
SIGNIFICANT: Final = 0.05


def scoreboard(title: str, found: Report | Comparison) -> RenderableType:
    """One evaluation, or a comparison, as tables."""
    if isinstance(found, Report):
        return Group(_headline(title, found), _line("", found.facts), "", _measures(found))
    parts: list[RenderableType] = [_headline(title, found.a), _line("A  ", found.a.facts)]
    differences = ByWidth(_differences(found), _differences_stacked(found))
    parts += [_line("B  ", found.b.facts), "", differences, "", _note(found)]
    gains = [gain for gain in found.gains() if gain.difference > 0][:SHOWN_GAINS]
    losses = [gain for gain in found.gains()[::-1] if gain.difference < 0][:SHOWN_GAINS]
    if gains:
        parts += ["", _gains(f"B gains most in {FIRST}", gains)]
    if losses:
        parts += ["", _gains(f"B loses most in {FIRST}", losses)]
    return Group(*parts)


def write_per_query(path: Path, found: Report | Comparison) -> None:
    """Write each query with its measures, separated by tabs; for a comparison also the differences.

    Raises StorageFailed if the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerows(_rows(found))
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror}") from error


def _rows(found: Report | Comparison) -> Iterator[list[str]]:
    report = found if isinstance(found, Report) else found.a
    names = list(report.values)
    columns = names if isinstance(found, Report) else [f"{n}:{x}" for n in names for x in "ABd"]
    yield ["query", "text", *(name.replace(":d", ":B-A") for name in columns)]
    a = per_query(report)
    b = None if isinstance(found, Report) else per_query(found.b)
    for id, text in report.texts.items():
        row = [a[id][name] for name in names]
        if b is not None:
            both = ((a[id][name], b[id][name]) for name in names)
            row = [value for x, y in both for value in (x, y, y - x)]
        yield [id, " ".join(text.split()), *(f"{value:.6f}" for value in row)]


def _headline(title: str, report: Report) -> Text:
    counts = f"{report.queries:,} queries, {report.documents:,} documents"
    return Text.assemble((title, "bold"), f": {counts}")


def _line(mark: str, facts: Facts) -> Text:
    settings = ", ".join(f"{k}={_word(v)}" for k, v in facts.settings.items() if v is not None)
    place = f"{facts.collection} at {facts.url}" if facts.url else facts.collection
    return Text.assemble((mark, "bold"), f"{place}, {facts.model}, index {facts.index}, {settings}")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _measures(report: Report) -> Table:
    table = _table("measure", "mean", "95 % interval")
    for name, mean in report.measures.items():
        low, high = report.intervals()[name]
        table.add_row(name, f"{mean:.4f}", f"{low:.4f} to {high:.4f}")
    table.add_row()
    for name, value in _times(report).items():
        table.add_row(name, f"{value:.2f}", "")
    for name, count in _remarks(report).items():
        table.add_row(name, f"{count:,}", "")
    return table


def _times(report: Report) -> dict[str, float]:
    return {"query ms p50": report.query_ms_p50, "query ms p99": report.query_ms_p99}


def _remarks(report: Report) -> dict[str, int]:
    counts = {"relevant, not stored": report.missing, "queries truncated": report.truncated}
    return {name: count for name, count in counts.items() if count}


def _differences(found: Comparison) -> Table:
    table = _table("measure", "A", "B", "B - A", "95 % interval", "p", "+/-/=")
    for name, one in found.differences.items():
        table.add_row(name, *_difference_cells(one, found.adjusted[name]))
    table.add_row()
    for (name, a), b in zip(_times(found.a).items(), _times(found.b).values(), strict=True):
        table.add_row(name, f"{a:.2f}", f"{b:.2f}", f"{b - a:+.2f}", "", "", "")
    return table


def _differences_stacked(found: Comparison) -> Group:
    """The differences with their lines stacked, for terminals too narrow for columns."""
    parts: list[RenderableType] = []
    for name, one in found.differences.items():
        a, b, difference, interval, p, wins = _difference_cells(one, found.adjusted[name])
        parts.append(Text(name, style="bold"))
        parts.append(Text.assemble("  A ", a, "  B ", b, "  B - A ", difference))
        parts.append(Text.assemble("  95 % ", interval, "  p ", p))
        parts.append(Text.assemble("  +/-/= ", wins))
    for (name, time), other in zip(_times(found.a).items(), _times(found.b).values(), strict=True):
        parts.append(Text(name, style="bold"))
        parts.append(f"  A {time:.2f}  B {other:.2f}  B - A {other - time:+.2f}")
    return Group(*parts)


def _difference_cells(one: Difference, p: float) -> Iterator[Text]:
    style = "" if p >= SIGNIFICANT else "green" if one.difference > 0 else "red"
    yield Text(f"{one.a:.4f}")
    yield Text(f"{one.b:.4f}")
    yield Text(f"{one.difference:+.4f}", style=style)
    yield Text(f"{one.interval.low:+.3f} to {one.interval.high:+.3f}")
    yield Text("<0.0001" if p < 1e-4 else f"{p:.4f}", style=style)
    yield Text(f"{one.wins}/{one.losses}/{one.ties}")


def _note(found: Comparison) -> Text:
    tests = len(found.differences)
    return Text(
        f"p: paired randomisation test, two-sided, corrected for {tests} measures (Holm). "
        "+/-/=: queries for which B is better, worse, the same.",
        style="dim",
    )


def _gains(title: str, gains: list[Gain]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, expand=True)
    for name in ("A", "B", "B - A"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("query", ratio=1, no_wrap=True, overflow="ellipsis")
    for gain in gains:
        values = (f"{gain.a:.3f}", f"{gain.b:.3f}", f"{gain.difference:+.3f}")
        table.add_row(*values, _shown(gain))
    return table


def _shown(gain: Gain) -> Text:
    text = "".join(c if c.isprintable() else " " for c in f"{gain.query}  {gain.text}")
    cell = Text(text)
    cell.stylize("dim", 0, len(gain.query))
    return cell


def _table(first: str, *others: str) -> Table:
    # No edges, so that seven columns fit into 80 characters.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
