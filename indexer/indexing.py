"""Indexing as a command does it: with progress, a file of rejects, and an end on SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer import console
from indexer.collection import Language
from indexer.config import Library
from indexer.ingest import Progress, Summary, ingest
from indexer.options import ExitCode
from indexer.readers import Read


@dataclass(frozen=True, slots=True)
class Indexed:
    """What indexing did, and where its rejects are."""

    collection: str
    summary: Summary
    rejects: Path

    @property
    def exit_code(self) -> ExitCode:
        """Done, or done with rejects."""
        return ExitCode.REJECTED if self.summary.rejected else ExitCode.DONE

    def figures(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        rejects = str(self.rejects) if self.summary.rejected else None
        return {
            "collection": self.collection,
            **console.summary_figures(self.summary),
            "rejects": rejects,
        }

    def show(self, as_json: bool) -> None:
        """Print it; where the rejects are is said on standard error too."""
        if self.summary.rejected:
            console.note(f"{self.summary.rejected:,} inputs were rejected: see {self.rejects}")
        if as_json:
            console.say_json(self.figures())
        else:
            console.say(console.summary_text(self.summary, self.collection))


def index_reads(
    library: Library,
    name: str,
    reads: Iterable[Read],
    total: int | None,
    *,
    model: str | None = None,
    language: Language | None = None,
    rejects: Path | None = None,
) -> Indexed:
    """Store what is read in a collection, made if need be, with progress on standard error.

    An interrupt, by Ctrl-C or SIGTERM, commits what is embedded; it goes on as a
    KeyboardInterrupt that says how to go on.
    """
    console.note(f"indexing into {name!r} in {library.config.data}")
    rejects = rejects or library.config.data / f"{name}.rejects.jsonl"
    collection = library.obtain(name, model, language)
    progress = Progress()
    try:
        with (
            _terminable(),
            console.RejectsFile(rejects) as rejected,
            console.reporting(total) as report,
        ):

            def follow(now: Progress) -> None:
                nonlocal progress
                progress = now
                report(now)

            embedder = library.embedder(collection)
            summary = ingest(
                collection, embedder, reads, on_progress=follow, on_reject=rejected.add
            )
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            f"interrupted; {progress.committed:,} documents are committed. Run the same command "
            "again to go on: what is stored is not embedded again"
        ) from interrupt
    return Indexed(name, summary, rejects)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM asks as politely as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
