"""Commands that maintain a collection: reindex, compact, rebuild, verify, backup, restore."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from indexer.backups import Backups, back_up_all, restore_all
from indexer.cli import facts, messages, summaries
from indexer.cli.holders.jobs import ServiceJobs
from indexer.cli.messages import Figures
from indexer.cli.options import (
    ApiKey,
    ChunkBy,
    ChunkOverlap,
    ChunkSize,
    Data,
    ExitCode,
    Json,
    Name,
    Url,
    open_library,
    read_chunking,
)
from indexer.cli.progress import moving_line, stepping
from indexer.errors import InvalidInput
from indexer.index_choice import Chunking, IndexChoice, IndexKind
from indexer.ingestion.reindex import reindex as reindex_documents
from indexer.library import DEFAULT_COLLECTION
from indexer.remote_service import connect
from indexer.sizes import readable_bytes


def reindex(
    model: Annotated[
        str | None,
        typer.Option("--model", help="The new model: hub name or folder.", show_default="its own"),
    ] = None,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    chunk_size: ChunkSize = None,
    chunk_overlap: ChunkOverlap = None,
    chunk_by: ChunkBy = None,
    as_json: Json = False,
) -> None:
    """Move a collection to another model, or cut its documents anew; searching goes on meanwhile.

    Writing goes on, too. Interrupted, it changes nothing; the same command continues where it
    stopped. Without options for chunks documents are cut as they were.
    """
    chunking = read_chunking(chunk_size, chunk_overlap, chunk_by)
    if url is not None:
        change = {"model": model, "chunking": chunking and chunking.plain}
        with connect(url, api_key) as service, stepping() as tell:
            figures = ServiceJobs(service).reindex(collection, change, tell)
    else:
        figures = _reindex_here(data, collection, model, chunking)
    if as_json:
        messages.say_json({"collection": collection, **figures})
        return
    documents = messages.counted(figures["total"], "document")
    if model is None:
        messages.say(f"{collection!r} is cut anew: {documents}")
    else:
        messages.say(f"{collection!r} moved from {figures['from']} to {model}: {documents}")


def _reindex_here(
    data: str | None, collection: str, model: str | None, chunking: Chunking | None
) -> Figures:
    with open_library(data, model) as library:
        stored = library.open(collection)
        before = stored.identity.name
        successor = library.successor(stored, model, chunking)
        moved = reindex_documents(stored, successor, moving_line)
    now = {"to": model or before, "chunking": successor.identity.chunking.plain}
    return {**asdict(moved), "from": before, **now}


def compact(
    data: Data = None, collection: Name = DEFAULT_COLLECTION, as_json: Json = False
) -> None:
    """Free the space of deleted and replaced documents, and erase every byte of them."""
    with open_library(data) as library:
        stored = library.open(collection)
        before = stored.describe().bytes
        complete = stored.compact()
        after = stored.describe().bytes
    if as_json:
        messages.say_json({"bytes_before": before, "bytes_after": after, "complete": complete})
    else:
        sizes = f"{facts.readable('bytes', before)} before, {facts.readable('bytes', after)} now"
        messages.say(f"compacted {collection!r}: {sizes}")
    if not complete:
        messages.note("bearing: a search in another process still uses deleted data: compact again")
        raise typer.Exit(ExitCode.FAILED)


def rebuild(
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    kind: Annotated[
        IndexKind | None,
        typer.Option(help="Which index to keep from now on.", show_default="as is"),
    ] = None,
    target_recall: Annotated[
        float | None,
        typer.Option(help="The recall to reach at 10, 100 and 1,000, above 0 and below 1."),
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, metavar="MB", help="The most memory it may take.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rebuild the index, and measure its recall@10, @100 and @1000; searching goes on meanwhile.

    The choice made here is kept for the collection.
    """
    with open_library(data) as library:
        default = library.config.index_choice
        chosen = IndexChoice(
            kind or default.kind,
            default.target_recall if target_recall is None else target_recall,
            default.memory_bytes if memory is None else memory * 1_000_000,
        )
        keep = kind is None and target_recall is None and memory is None
        built = library.open(collection).rebuild(None if keep else chosen)
    if as_json:
        messages.say_json({"collection": collection, "index": dict(built.index)})
    else:
        messages.say(facts.facts_table(facts.index_figures(built.index)))


def verify(
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    with_model: Annotated[
        bool, typer.Option("--model/--no-model", help="Check the model's vectors too.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Check everything a collection keeps: texts, metadata, vectors, index and model.

    It reads, and repairs nothing. Exit code 1 says that something is wrong.
    """
    with open_library(data) as library, stepping() as tell:
        found = library.verify(collection, tell, with_model=with_model)
    if as_json:
        messages.say_json({**asdict(found), "sound": found.sound})
    else:
        messages.say(summaries.verification_text(found))
    raise typer.Exit(ExitCode.DONE if found.sound else ExitCode.FAILED)


def upgrade(data: Data = None, as_json: Json = False) -> None:
    """Bring all collections that an earlier version wrote up to date.

    Those in a folder are when they are opened; those in a database only by this, while no process
    of the earlier version uses them.
    """
    with open_library(data) as library:
        names = library.names()
        upgraded = [name for name in names if library.upgrade(name)]
        place = library.place
    if as_json:
        messages.say_json({"collections": names, "upgraded": upgraded})
    else:
        told = ", ".join(upgraded) or "none had to be"
        messages.say(f"brought up to date in {place}: {told}")


def backup(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A new file; .tar suits it. With --all a new folder.",
            show_default=False,
        ),
    ],
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Each collection to a file in the folder FILE, and the aliases."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a collection to one file, as it is now; searching and writing go on meanwhile.

    With --all, exit code 3 says that a collection could not be backed up; the others are.
    """
    if url is not None:
        if every:
            raise InvalidInput("--all is for collections here: leave --url out")
        with connect(url, api_key) as service, stepping() as tell:
            told = {**ServiceJobs(service).back_up(collection, file, tell), "path": str(file)}
        _tell_of_job("backed up", collection, told, as_json=as_json)
        return
    with open_library(data) as library, stepping() as tell:
        if every:
            found = back_up_all(library, file, tell)
        else:
            found = Backups([library.back_up(collection, file, tell)], {})
    for one in found.failed:
        messages.note(f"bearing: {one.collection!r} is not backed up: {one.error}")
    if as_json:
        messages.say_json(_backup_figures(found) if every else asdict(found.made[0]))
    else:
        for made in found.made:
            size = readable_bytes(made.bytes)
            documents = messages.counted(made.documents, "document")
            messages.say(f"backed up {made.collection!r} to {made.path}: {documents}, {size}")
    if found.failed:
        raise typer.Exit(ExitCode.REJECTED)


def _tell_of_job(done: str, collection: str, outcome: Figures, *, as_json: bool) -> None:
    if as_json:
        messages.say_json({**outcome, "collection": collection})
    else:
        documents = messages.counted(outcome["documents"], "document")
        messages.say(f"{done} {collection!r}: {documents} of {outcome['model']}")


def _backup_figures(found: Backups) -> Figures:
    failed = {one.collection: str(one.error) for one in found.failed}
    made = [asdict(one) for one in found.made]
    return {"backups": made, "aliases": dict(found.aliases), "failed": failed}


def restore(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What backup has written.", show_default=False),
    ],
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME",
            help="What it is called from now on.",
            show_default="the name it was backed up by",
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="All collections and aliases in a folder of backup --all."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a collection from a backup; an existing one is never overwritten.

    A backup that was damaged or changed is refused, and leaves nothing behind; with --all, none of
    the collections.
    """
    if url is not None:
        if every or collection is None:
            raise InvalidInput("with --url, say --collection NAME, and restore one at a time")
        with connect(url, api_key) as service, stepping() as tell:
            told = ServiceJobs(service).restore(file, collection, tell)
        _tell_of_job("restored", collection, told, as_json=as_json)
        return
    if every:
        _restore_all(file, data, collection, as_json=as_json)
        return
    with open_library(data) as library, stepping() as tell:
        name = collection or library.collection_of(file)
        made = library.restore(file, name, tell)
    if as_json:
        messages.say_json({**asdict(made), "collection": name, "of": made.collection})
    else:
        messages.say(f"restored {made.documents:,} documents of {made.model} to {name!r}")


def _restore_all(folder: Path, data: str | None, name: str | None, *, as_json: bool) -> None:
    if name is not None:
        raise InvalidInput("--all restores each collection by its own name: leave --collection out")
    with open_library(data) as library, stepping() as tell:
        found = restore_all(library, folder, tell)
    if as_json:
        messages.say_json(_backup_figures(found))
    else:
        for made in found.made:
            documents = messages.counted(made.documents, "document")
            messages.say(f"restored {made.collection!r}: {documents} of {made.model}")
