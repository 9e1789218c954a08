"""Progress on standard error: a moving line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from indexer.cli.output import note, readable_duration
from indexer.ingestion.pipeline import Progress
from indexer.ingestion.reindex import Moved
from indexer.reports import Step, Tell

Report: TypeAlias = Callable[[Progress], None]
"""Where an ingest tells how far it is."""

PACE_SECONDS: Final = 30.0
LINE_SECONDS: Final = 0.5
"""Least time between two lines of progress; a window usually takes longer."""

STEP_SECONDS: Final = 5.0


def moving_line(moved: Moved) -> None:
    """How far a move to another model is, as a line."""
    rate = moved.documents / moved.seconds if moved.seconds else 0.0
    note(f"embedded {moved.documents} of {moved.total} documents, {rate:.1f} documents/s")


@contextmanager
def stepping() -> Iterator[Tell]:
    """A bar for each step of long work if standard error is a terminal, a line each if not."""
    if not sys.stderr.isatty():
        yield _step_lines()
        return
    columns = (TextColumn("{task.description:<20}"), BarColumn(bar_width=30))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(step: Step) -> None:
            if step.name not in tasks:
                tasks[step.name] = bar.add_task(step.name)
            bar.update(tasks[step.name], completed=step.done, total=step.total)

        yield tell


def _step_lines() -> Tell:
    last = (float("-inf"), "")

    def tell(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        if step.name != last[1] or now - last[0] >= STEP_SECONDS:
            last = (now, step.name)
            note(f"{step.name}: {step.done:,} of {step.total:,}")

    return tell


class Pace:
    """How fast a run is now: over its last PACE_SECONDS, since skipping outruns embedding."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._past: deque[Progress] = deque([Progress()])

    def add(self, progress: Progress) -> None:
        """Take note of how far the run is."""
        self._past.append(progress)
        while len(self._past) > 2 and progress.seconds - self._past[1].seconds > PACE_SECONDS:
            self._past.popleft()

    @property
    def documents_per_second(self) -> float:
        """Documents that became durable."""
        return self._rate(self._past[-1].committed - self._past[0].committed)

    @property
    def tokens_per_second(self) -> float:
        """Tokens that were embedded."""
        return self._rate(self._past[-1].tokens - self._past[0].tokens)

    @property
    def fraction(self) -> float | None:
        """How much of the input is behind, in [0, 1]; None if its size is not known."""
        if not self._total:
            return None
        return min(1.0, self._past[-1].consumed / self._total)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this pace; None if that cannot be said."""
        rate = self._rate(self._past[-1].consumed - self._past[0].consumed)
        if not self._total or not rate:
            return None
        return max(0.0, (self._total - self._past[-1].consumed) / rate)

    def _rate(self, amount: float) -> float:
        return amount / max(self._past[-1].seconds - self._past[0].seconds, 1e-3)


@contextmanager
def reporting(total: int | None) -> Iterator[Report]:
    """A progress bar if standard error is a terminal, lines if not; ``total`` in bytes of input."""
    if not sys.stderr.isatty():
        yield _lines(Pace(total), sys.stderr)
        return
    columns = (
        TextColumn("{task.percentage:>3.0f}%") if total else TextColumn("indexing"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[state]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, state="opening")
        pace = Pace(total)

        def report(progress: Progress) -> None:
            pace.add(progress)
            state = f"{progress.committed:,} documents, {_state(progress, pace)}"
            bar.update(task, completed=progress.consumed, state=state)

        yield report


def _lines(pace: Pace, stream: TextIO) -> Report:
    last = float("-inf")

    def report(progress: Progress) -> None:
        nonlocal last
        pace.add(progress)
        if progress.seconds - last >= LINE_SECONDS:
            last = progress.seconds
            id = json.dumps(progress.last_id, ensure_ascii=False)
            done = f"committed {progress.committed} documents (last id {id}), "
            stream.write(f"{done}{_state(progress, pace)}\n")
            stream.flush()

    return report


def _state(progress: Progress, pace: Pace) -> str:
    parts = [
        f"{pace.documents_per_second:,.1f} documents/s",
        f"{pace.tokens_per_second:,.0f} tokens/s",
        f"{progress.rejected:,} rejected",
    ]
    if pace.seconds_left is not None:
        parts.append(f"{readable_duration(pace.seconds_left)} left")
    return ", ".join(parts)
