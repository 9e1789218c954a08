"""Progress on standard error: a moving line on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TextIO, TypeAlias

from indexer.cli.messages import note, readable_duration
from indexer.cli.workload import Workload
from indexer.ingestion.pipeline import Progress
from indexer.ingestion.reindex import Moved
from indexer.learning.progress import Progress as Training
from indexer.learning.progress import Tell as TellTraining
from indexer.readers.reading import Part
from indexer.reports import Step, Tell

Report: TypeAlias = Callable[[Progress], None]
"""The callback that an ingest reports its progress to."""

PACE_SECONDS: Final = 30.0
LINE_SECONDS: Final = 0.5
"""Least time between two lines of progress; a window usually takes longer."""

STEP_SECONDS: Final = 5.0

BAR_COLUMNS: Final = 110
"""The least width of a terminal, in columns, for a bar beside the figures."""


def moving_line(moved: Moved) -> None:
    """The progress of a move to another model, as a line."""
    rate = moved.documents / moved.seconds if moved.seconds else 0.0
    note(f"embedded {moved.documents} of {moved.total} documents, {rate:.1f} documents/s")


@contextmanager
def stepping() -> Iterator[Tell]:
    """A bar for each step of long work on a terminal, else a line each."""
    if not sys.stderr.isatty():
        yield _step_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn
    from rich.progress import Progress as Bar

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
    """The present speed of a run: over its last PACE_SECONDS, since skipping outruns embedding."""

    def __init__(self, parts: Sequence[Part] | None) -> None:
        self._workload = None if parts is None else Workload(parts)
        self._past: deque[Progress] = deque([Progress()])

    def add(self, progress: Progress) -> None:
        """Record the progress of the run."""
        if len(self._past) == 2 and not self._past[0].seconds:
            self._past.popleft()  # before the first report the model was loaded
        self._past.append(progress)
        while len(self._past) > 2 and progress.seconds - self._past[1].seconds > PACE_SECONDS:
            self._past.popleft()
        if self._workload is not None:
            self._workload.learn(progress)

    @property
    def documents_per_second(self) -> float:
        """Documents made durable per second."""
        return self._rate(self._past[-1].committed - self._past[0].committed)

    @property
    def tokens_per_second(self) -> float:
        """Tokens embedded per second."""
        return self._rate(self._past[-1].tokens - self._past[0].tokens)

    @property
    def fraction(self) -> float | None:
        """The share of the work that is done, in [0, 1]; None if its amount is not known."""
        if self._workload is None:
            return None
        done = self._past[-1].done_tokens
        left = self._workload.tokens_left(self._past[-1])
        return done / (done + left) if done + left else 1.0

    @property
    def seconds_left(self) -> float | None:
        """The time the rest will take at this pace, in seconds; None if it cannot be estimated."""
        rate = self._rate(self._past[-1].done_tokens - self._past[0].done_tokens)
        if self._workload is None or not rate or not self._past[0].seconds:
            return None
        return self._workload.tokens_left(self._past[-1]) / rate

    def _rate(self, amount: float) -> float:
        return amount / max(self._past[-1].seconds - self._past[0].seconds, 1e-3)


@contextmanager
def reporting(parts: Sequence[Part] | None) -> Iterator[Report]:
    """A moving line on a terminal, else an occasional one.

    ``parts`` are the parts of the input; None if they are not known.
    """
    pace = Pace(parts)
    if not sys.stderr.isatty():
        yield _lines(pace, sys.stderr)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    bar = [] if parts is None or console.width < BAR_COLUMNS else [BarColumn(bar_width=20)]
    with Bar(*bar, TextColumn("{task.fields[state]}"), console=console) as shown:
        task = shown.add_task("", total=1.0, state="opening")

        def report(progress: Progress) -> None:
            pace.add(progress)
            shown.update(task, completed=pace.fraction or 0.0, state=moving_state(progress, pace))

        yield report


def moving_state(progress: Progress, pace: Pace) -> str:
    """The progress of a run in one line, most important first: a narrow terminal cuts its end."""
    parts = [f"{progress.committed:,} documents", *_state(progress, pace)]
    if pace.fraction is not None:
        parts.insert(0, f"{pace.fraction:4.0%}")
    return ", ".join(parts)


def _lines(pace: Pace, stream: TextIO) -> Report:
    last = float("-inf")

    def report(progress: Progress) -> None:
        nonlocal last
        pace.add(progress)
        if progress.seconds - last >= LINE_SECONDS:
            last = progress.seconds
            id = json.dumps(progress.last_id, ensure_ascii=False)
            done = [f"committed {progress.committed} documents (last id {id})"]
            stream.write(f"{', '.join([*done, *_state(progress, pace)])}\n")
            stream.flush()

    return report


def _state(progress: Progress, pace: Pace) -> Iterator[str]:
    if pace.seconds_left is not None:
        yield f"{readable_duration(pace.seconds_left)} left"
    yield f"{progress.rejected:,} rejected"
    yield f"{pace.documents_per_second:,.1f} documents/s"
    yield f"{pace.tokens_per_second:,.0f} tokens/s"


@contextmanager
def training_progress() -> Iterator[TellTraining]:
    """The course of a training: a moving line on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _training_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, state="reading")

        def tell(training: Training) -> None:
            done = training.step / training.steps if training.steps else 0.0
            bar.update(task, completed=done, state=training_state(training))

        yield tell


def _training_lines() -> TellTraining:
    last = (float("-inf"), "")

    def tell(training: Training) -> None:
        nonlocal last
        now = time.monotonic()
        ended = training.step == training.steps
        if training.phase != last[1] or ended or now - last[0] >= STEP_SECONDS:
            last = (now, training.phase)
            note(training_state(training))

    return tell


def training_state(training: Training) -> str:
    """The progress of a training in one line, most important first."""
    if not training.pairs:
        return training.phase
    rate = training.pairs / max(training.seconds, 1e-3)
    left = training.seconds / training.step * (training.steps - training.step)
    parts = [f"step {training.step:,} of {training.steps:,}", f"{readable_duration(left)} left"]
    parts.append(f"loss {training.loss:.4f}")
    if not math.isnan(training.measure):
        parts.append(f"MRR of held-out queries {training.measure:.4f}")
    return ", ".join((*parts, f"{rate:.1f} pairs/s"))
