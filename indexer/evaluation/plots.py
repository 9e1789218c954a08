"""Figures of evaluations. matplotlib is an extra, loaded when a figure is asked for.

The colours are those of Okabe and Ito, distinguishable with any colour vision.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.errors import InvalidInput, MissingExtra, StorageFailed
from indexer.evaluation.comparison import FIRST, Comparison
from indexer.evaluation.evaluator import Report
from indexer.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg", ".pdf")
BETTER: Final = "#0072B2"
WORSE: Final = "#D55E00"
PLAIN: Final = "#555555"
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "svg.hashsalt": "bearing",
}


def check_figure(path: Path) -> None:
    """Raise InvalidInput or MissingExtra unless a figure can be drawn to this file."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(f"a figure's file ends with {', '.join(SUFFIXES)}; got {path.name!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "plot")


def save_figure(path: Path, title: str, found: Report | Comparison) -> None:
    """Draw one evaluation or a comparison; raises as check_figure does, and StorageFailed."""
    check_figure(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        if isinstance(found, Report):
            _draw_report(figure, title, found)
        else:
            _draw_comparison(figure, title, found)
        try:
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise StorageFailed(f"cannot write {path}: {error.strerror}") from error


def _draw_report(figure: Figure, title: str, report: Report) -> None:
    figure.suptitle(f"{title}: {report.queries:,} queries, {_settings(report)}", x=0.01, ha="left")
    means, values = figure.subplots(1, 2, width_ratios=(2, 3))
    _draw_means(means, report)
    _draw_distribution(values, report)


def _draw_means(axes: Axes, report: Report) -> None:
    names = list(report.values)
    for place, name in enumerate(names):
        low, high = report.intervals()[name]
        axes.plot([low, high], [place, place], color=BETTER, linewidth=2)
        axes.plot(report.measures[name], place, "o", color=BETTER)
        axes.annotate(
            f"{report.measures[name]:.3f}",
            (report.measures[name], place),
            (0, 7),
            textcoords="offset points",
            ha="center",
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.7)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("mean over queries, with its 95 % interval")
    axes.set_title("Measures")


def _draw_distribution(axes: Axes, report: Report) -> None:
    values = report.values[FIRST]
    counts, _, _ = axes.hist(values, bins=20, range=(0, 1), color=BETTER, rwidth=0.92)
    mean = float(values.mean())
    axes.axvline(mean, color="black", linestyle="--", linewidth=1)
    axes.annotate(
        f"mean {mean:.3f}", (mean, np.max(counts)), (4, -4), textcoords="offset points", color=PLAIN
    )
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"{FIRST} of a query")
    axes.set_ylabel("queries")
    nothing = int((values == 0).sum())
    axes.set_title(f"Each query's {FIRST}: {nothing:,} have nothing relevant in their first 10")


def _draw_comparison(figure: Figure, title: str, found: Comparison) -> None:
    changes = ", ".join(f"{key}={value}" for key, value in found.changed.items())
    heading = f"{title}, {found.a.queries:,} queries.  A: {_settings(found.a)}.  B: {changes}"
    figure.suptitle(heading, x=0.01, ha="left")
    means, queries = figure.subplots(1, 2, width_ratios=(2, 3))
    _draw_differences(means, found)
    _draw_gains(queries, found)


def _draw_differences(axes: Axes, found: Comparison) -> None:
    names = list(found.differences)
    for place, (name, one) in enumerate(found.differences.items()):
        sure = found.adjusted[name] < 0.05
        colour = PLAIN if not sure else BETTER if one.difference > 0 else WORSE
        low, high = one.interval.low, one.interval.high
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(one.difference, place, "o", color=colour, markerfacecolor=colour if sure else "w")
        axes.annotate(
            f"{one.difference:+.3f}",
            (one.difference, place),
            (0, 7),
            textcoords="offset points",
            ha="center",
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.7)
    axes.set_xlabel("mean difference B - A, with its 95 % interval\n(hollow: may be chance)")
    axes.set_title("Measures")


def _draw_gains(axes: Axes, found: Comparison) -> None:
    gains = np.array([gain.difference for gain in found.gains()])
    places = np.arange(gains.size)
    colours = np.where(gains > 0, BETTER, WORSE)
    axes.bar(places, gains, width=1.0, color=colours)
    interval = bootstrap_interval(gains)
    axes.axhspan(interval.low, interval.high, color=PLAIN, alpha=0.2, linewidth=0)
    axes.axhline(float(gains.mean()), color=PLAIN, linestyle="--", linewidth=1)
    axes.axhline(0, color="black", linewidth=0.8)
    one = found.differences[FIRST]
    axes.set_title(f"Each query: {one.wins} better, {one.ties} the same, {one.losses} worse by B")
    right = one.difference >= 0  # the side without bars at the mean
    axes.annotate(
        f"mean {one.difference:+.3f}",
        (1 if right else 0, one.difference),
        (-4 if right else 4, 6 if right else -6),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom" if right else "top",
        color=PLAIN,
    )
    axes.set_xlim(-0.5, gains.size - 0.5)
    axes.set_xlabel("queries, the largest gain first")
    axes.set_ylabel(f"{FIRST}: B - A")


def _settings(report: Report) -> str:
    return f"{report.facts.settings['mode']}, {report.facts.model}"
