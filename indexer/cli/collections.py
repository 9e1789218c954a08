"""The commands ``stats`` and ``collections``: list, create, delete."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from indexer.cli import facts, messages
from indexer.cli.holders import NewCollection, hold
from indexer.cli.options import (
    ApiKey,
    ChunkBy,
    ChunkOverlap,
    ChunkSize,
    Data,
    ExitCode,
    Json,
    LanguageOption,
    Model,
    Name,
    Url,
    Yes,
    confirm,
    read_chunking,
)
from indexer.errors import InvalidInput
from indexer.library import DEFAULT_COLLECTION
from indexer.reports import Broken, Description


def stats(
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    as_json: Json = False,
) -> None:
    """Show the size of a collection, and its model and index."""
    with hold(data, url, api_key) as holder:
        figures = asdict(holder.describe(collection))
    if as_json:
        messages.say_json(figures)
        return
    backed_up = {"backed_up": messages.readable_time(figures["backed_up"])}
    cut = {"chunking": facts.chunking_text(figures["chunking"])}
    shown = figures | backed_up | cut | dict(facts.index_figures(figures["index"]))
    del shown["index"]
    messages.say(facts.facts_table(shown))


def list_collections(
    ctx: typer.Context,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", metavar="NAME", help="Only this one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the collections.

    Exit code 3 says that one cannot be opened; the others are listed.
    """
    if ctx.invoked_subcommand is not None:
        for name in ctx.params:
            source = ctx.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise InvalidInput(f"give options after {ctx.invoked_subcommand!r}, not before it")
        return
    with hold(data, url, api_key) as holder:
        found = holder.describe_all() if collection is None else [holder.describe(collection)]
        place = holder.place
    descriptions = [one for one in found if isinstance(one, Description)]
    broken = [one for one in found if isinstance(one, Broken)]
    if as_json:
        messages.say_json({"collections": [_figures(one) for one in found]})
    elif descriptions:
        messages.say(facts.descriptions(descriptions))
    elif not broken:
        messages.note(f"there are no collections in {place}")
    for one in broken:
        messages.note(f"bearing: {one.error}")
    if broken:
        raise typer.Exit(ExitCode.REJECTED)


def _figures(one: Description | Broken) -> dict[str, Any]:
    """A collection as the service lists it."""
    return {"name": one.name, "error": str(one.error)} if isinstance(one, Broken) else asdict(one)


NewName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)]


def create_collection(
    name: NewName,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    model: Model = None,
    language: LanguageOption = None,
    chunk_size: ChunkSize = None,
    chunk_overlap: ChunkOverlap = None,
    chunk_by: ChunkBy = None,
    as_json: Json = False,
) -> None:
    """Make an empty collection for a model, and a way to cut long documents."""
    wanted = NewCollection(model, language, read_chunking(chunk_size, chunk_overlap, chunk_by))
    with hold(data, url, api_key, model=None if url else model) as holder:
        figures = holder.create(name, wanted)
    if as_json:
        messages.say_json(figures)
    else:
        messages.say(f"created {name!r} for {figures['model']}")


def delete_collection(
    name: NewName,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a collection with all its documents."""
    with hold(data, url, api_key) as holder:
        documents = holder.describe(name).documents
        if not yes:
            confirm(f"Delete {name!r} with {documents:,} documents?")
        holder.drop(name)
    if as_json:
        messages.say_json({"deleted": name, "documents": documents})
    else:
        messages.say(f"deleted {name!r} with {documents:,} documents")
