"""Places elsewhere, kept in step by the command ``index``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from indexer.cli import messages
from indexer.cli.index import Indexed, terminable
from indexer.cli.progress import reporting
from indexer.cli.rejects import RejectsFile
from indexer.cli.sync import SyncedSources, SyncOptions, filled_by
from indexer.collection import Collection
from indexer.ingestion.sync_elsewhere import SyncElsewhere
from indexer.library import Library
from indexer.sources.places import Place


def elsewhere(
    options: SyncOptions, library: Library, collection: Collection, place: Place
) -> SyncElsewhere:
    """A run over a place elsewhere by these options."""
    return SyncElsewhere(
        collection,
        place,
        options.name,
        options.fields,
        options.most,
        pictures=options.pictures(library),
        filled_by=filled_by(library, collection),
    )


def sync_place(
    library: Library, name: str, place_of: Callable[[Collection], Place], options: SyncOptions
) -> SyncedSources:
    """Bring a collection in step with a place elsewhere, with progress on standard error.

    An interrupt deletes nothing.
    """
    collection = library.obtain(name, options.model, options.language)
    place = place_of(collection)
    messages.note(f"keeping {name!r} in {library.place} in step with {place.name}")
    with (
        RejectsFile(library.folder or Path(), name, options.rejects) as rejected,
        terminable(),
        collection.writing("sync"),
        reporting(None) as report,
    ):
        sync = elsewhere(options, library, collection, place)
        done = sync.run(lambda: library.filling(collection), report, rejected.add)
    for line in place.notes:
        messages.note(line)
    indexed = Indexed(name, done.summary, rejected.path, rejected.reasons(), rejected.earlier)
    return SyncedSources(indexed, (done,))
