"""Files into a collection, with progress and a file of rejects."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from indexer.cli import messages, summaries
from indexer.cli.options import ExitCode
from indexer.cli.progress import reporting
from indexer.cli.rejects import ReasonCount, RejectsFile, reason_lines
from indexer.collection import Collection
from indexer.embedding.embedder import Modality
from indexer.errors import Unsupported
from indexer.index_choice import Language
from indexer.ingestion.pictures import PictureReading
from indexer.ingestion.pipeline import Progress, Summary, ingest
from indexer.ingestion.shards import Shard
from indexer.library import Library
from indexer.readers import Fields, Part, Read, read_paths


class Shown(Protocol):
    """The outcome of a command, which prints itself."""

    @property
    def exit_code(self) -> ExitCode:
        """The code that the command ends with."""
        ...

    def show(self, as_json: bool) -> None:
        """Print it."""
        ...


@dataclass(frozen=True, slots=True)
class Indexed:
    """The outcome of indexing, the reasons of rejections, and the file of rejects.

    ``earlier`` is the number of earlier runs' files that have not been seen.
    """

    collection: str
    summary: Summary
    rejects: Path
    reasons: tuple[ReasonCount, ...]
    earlier: int

    @property
    def exit_code(self) -> ExitCode:
        """Done, or done with rejects."""
        return ExitCode.REJECTED if self.summary.rejected else ExitCode.DONE

    def figures(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        rejects = str(self.rejects) if self.summary.rejected else None
        return {
            "collection": self.collection,
            **summaries.summary_figures(self.summary),
            "reasons": [asdict(one) for one in self.reasons],
            "rejects": rejects,
        }

    def show(self, as_json: bool) -> None:
        """Print the outcome; rejections and their file are reported on standard error too."""
        self.warn()
        if as_json:
            messages.say_json(self.figures())
        else:
            messages.say(summaries.summary_text(self.summary, self.collection))

    def warn(self) -> None:
        """Report on standard error the rejections, by reason, and files that have not been seen."""
        if self.reasons:
            rejected = self.summary.rejected
            counted = "1 input was" if rejected == 1 else f"{rejected:,} inputs were"
            messages.note(f"{counted} rejected, see {self.rejects}:")
            messages.note("\n".join(reason_lines(self.reasons)))
        if self.earlier:
            runs = "an earlier run" if self.earlier == 1 else f"{self.earlier:,} earlier runs"
            shown = f"bearing rejects --collection {self.collection}"
            messages.note(f"rejects of {runs} are kept: {shown!r} shows them, --clear deletes them")


def index_reads(
    library: Library,
    name: str,
    reads: Callable[[bool], Iterable[Read]],
    parts: Sequence[Part] | None,
    *,
    model: str | None = None,
    language: Language | None = None,
    rejects: Path | None = None,
    shard: Shard | None = None,
    gps: bool = False,
    on_committed: Callable[[Progress], None] = lambda _: None,
) -> Indexed:
    """Store what is read in a collection, created if need be, with progress on standard error.

    ``reads`` is asked for images, too, or for texts only, as the model embeds them; with ``gps``
    the place of a photo is kept. ``on_committed`` is told what is durable.

    An interrupt, by Ctrl-C or SIGTERM, commits what is embedded; it is passed on as a
    KeyboardInterrupt that says how to continue.
    """
    messages.note(f"indexing into {name!r} in {library.place}")
    folder = library.folder or Path()
    collection = library.obtain(name, model, language)
    if shard is not None:
        _require_many_writers(collection)
    progress = Progress()
    try:
        with (
            terminable(),
            RejectsFile(folder, name, rejects) as rejected,
            reporting(parts) as report,
        ):

            def follow(now: Progress) -> None:
                nonlocal progress
                progress = now
                on_committed(now)
                report(now)

            embedder = library.filling(collection)
            given = reads(Modality.IMAGE in embedder.modalities)
            summary = ingest(
                collection,
                embedder,
                given if shard is None else shard.of(given),
                on_progress=follow,
                on_reject=rejected.add,
                pictures=PictureReading(library.config.max_pixels, gps),
            )
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            f"interrupted; {progress.committed:,} documents are committed. Run the same command "
            "again to go on: what is stored is not embedded again"
        ) from interrupt
    return Indexed(name, summary, rejected.path, rejected.reasons(), rejected.earlier)


def reading(paths: Sequence[str], *, short: bool = False) -> Callable[[bool], Iterable[Read]]:
    """The reads of files by the usual names of fields, with images or without."""
    return lambda pictures: read_paths(paths, Fields(pictures=pictures), short=short)


def _require_many_writers(collection: Collection) -> None:
    able = collection.capabilities
    if not able.many_writers:
        advice = "one process at a time writes to it, without --shard; a database takes several"
        raise Unsupported("indexing by shards", able.engine, advice)


@contextmanager
def terminable() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
