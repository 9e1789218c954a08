"""Folders kept in step by the command ``index``, once or as long as it watches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from indexer.cli import messages, summaries
from indexer.cli.index import Indexed, terminable
from indexer.cli.options import ExitCode
from indexer.cli.progress import reporting
from indexer.cli.rejects import RejectsFile
from indexer.collection import Collection
from indexer.embedding.checkpoint import PHOTO_MODEL
from indexer.errors import InvalidInput
from indexer.index_choice import Language
from indexer.ingestion.pictures import PictureReading
from indexer.ingestion.pipeline import combined
from indexer.ingestion.pruning import USUAL_SHARE
from indexer.ingestion.sync import Source, Sync, Synced
from indexer.library import Library
from indexer.readers import USUAL, Fields

_STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of keeping in step: ``most`` is the share of documents that may go at once."""

    fields: Fields = USUAL
    most: float = USUAL_SHARE
    name: str | None = None
    model: str | None = None
    language: Language | None = None
    rejects: Path | None = None
    gps: bool = False

    def sync(self, library: Library, collection: Collection, source: Source) -> Sync:
        """A run over a source by these options."""
        return Sync(
            collection,
            source,
            self.fields,
            self.most,
            skip=[path for path in (library.folder, self.rejects) if path],
            pictures=self.pictures(library),
            filled_by=filled_by(library, collection),
        )

    def pictures(self, library: Library) -> PictureReading:
        """The way pictures are read."""
        return PictureReading(library.config.max_pixels, self.gps)


def filled_by(library: Library, collection: Collection) -> str:
    """The word for the model that embeds."""
    return f"{collection.identity.name} {library.config.model == PHOTO_MODEL}"


@dataclass(frozen=True, slots=True)
class SyncedSources:
    """The outcome of keeping sources in step."""

    indexed: Indexed
    sources: tuple[Synced, ...] = field(default_factory=tuple)

    @property
    def exit_code(self) -> ExitCode:
        """As of indexing, or failed if documents should have gone and stay."""
        if any(one.pruned.refused for one in self.sources):
            return ExitCode.FAILED
        return self.indexed.exit_code

    def figures(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        return {**self.indexed.figures(), "sources": [_figures(one) for one in self.sources]}

    def show(self, as_json: bool) -> None:
        """Print the outcome; what was rejected, and why nothing was deleted, on standard error."""
        self.indexed.warn()
        for one in self.sources:
            for line in _warnings(one):
                messages.note(line)
        if as_json:
            messages.say_json(self.figures())
            return
        messages.say(summaries.summary_text(self.indexed.summary, self.indexed.collection))
        for one in self.sources:
            messages.say(_text(one))


def sources_of(paths: Sequence[str], name: str | None) -> list[Source]:
    """The sources at these paths; raises InvalidInput for two of one name, and standard input."""
    if _STANDARD_INPUT in paths:
        raise InvalidInput(
            "standard input cannot be kept in step: give a file or folder, or send it to a "
            "service, whose import takes a source"
        )
    if name is not None and len(paths) > 1:
        raise InvalidInput("--source names one source: give one path with it")
    sources = [Source.at(path, name) for path in paths]
    names = [one.name for one in sources]
    for one in sources:
        if names.count(one.name) > 1:
            raise InvalidInput(
                f"two of the paths are called {one.name!r}: index them one by one, each with a "
                "name of its own (--source)"
            )
    return sources


def sync_sources(
    library: Library,
    name: str,
    sources: Sequence[Source],
    options: SyncOptions,
    *,
    settle_seconds: float = 0.0,
) -> SyncedSources:
    """Bring a collection in step with sources, with progress on standard error.

    If files are gone, they are looked for once more after ``settle_seconds``.
    An interrupt deletes nothing; it is passed on as a KeyboardInterrupt that says how to continue.
    """
    collection = library.obtain(name, options.model, options.language)
    with RejectsFile(library.folder or Path(), name, options.rejects) as rejected:
        done: list[Synced] = []
        with terminable(), collection.writing("sync"):
            for source in sources:
                sync = options.sync(library, collection, source)
                plan = sync.plan()
                if plan.gone and settle_seconds:
                    time.sleep(settle_seconds)
                    plan = sync.plan()
                if plan.changed or plan.gone or not settle_seconds:
                    place = library.place
                    messages.note(f"keeping {name!r} in {place} in step with {source.root}")
                with reporting(plan.parts(source, options.fields)) as report:
                    done.append(
                        sync.run(
                            plan,
                            lambda: library.filling(collection),
                            report,
                            rejected.add,
                        )
                    )
    summary = combined([one.summary for one in done])
    indexed = Indexed(name, summary, rejected.path, rejected.reasons(), rejected.earlier)
    return SyncedSources(indexed, tuple(done))


def _figures(one: Synced) -> dict[str, Any]:
    return {
        "source": one.source,
        "files": one.files,
        "read": one.read,
        "gone": one.gone,
        "reused": one.reused,
        "deleted": one.pruned.deleted,
        "kept": list(one.pruned.foreign),
        "refused": one.pruned.refused,
        "unreadable": list(one.unreadable),
    }


def _text(one: Synced) -> str:
    found = messages.counted(one.files, one.what)
    files = f"{one.source}: {found}, {one.read:,} read, {one.gone:,} gone"
    reused = f"; {messages.counted(one.reused, 'document')} took over stored vectors"
    deleted = f"; {messages.counted(one.pruned.deleted, 'document')} deleted"
    return f"{files}{reused if one.reused else ''}{deleted if one.pruned.deleted else ''}."


def _warnings(one: Synced) -> Iterator[str]:
    if one.unreadable:
        yield unreadable_text(one.source, one.unreadable)
    if one.pruned.refused:
        yield refusal_text(one.source, one.pruned.refused)
    if one.pruned.foreign:
        ids = _some(one.pruned.foreign)
        yield f"their files are gone, but others have changed them, so that they stay: {ids}"


def unreadable_text(source: str, places: Sequence[str]) -> str:
    """The reason why nothing of a source is deleted, if not all of it could be read."""
    return f"nothing of {source!r} is deleted, since not all can be read: {_some(places)}"


def refusal_text(source: str, reason: str) -> str:
    """The reason why nothing of a source is deleted, with the remedy."""
    remedy = "If that is meant, say so by --prune-at-most 100%"
    return f"nothing of {source!r} is deleted: {reason}. {remedy}"


def _some(names: Sequence[str]) -> str:
    return messages.printable(", ".join(names[:5]) + (", ..." if len(names) > 5 else ""))
