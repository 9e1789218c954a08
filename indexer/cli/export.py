"""The command ``export``: a collection into a file, vectors and all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from indexer.cli import messages
from indexer.cli.holders import Wanted, hold
from indexer.cli.index import terminable
from indexer.cli.options import ApiKey, Condition, Data, Json, Name, Url, read_filter
from indexer.cli.progress import stepping
from indexer.errors import InvalidInput
from indexer.export.files import STANDARD_OUTPUT
from indexer.filters import parse_filter
from indexer.library import DEFAULT_COLLECTION
from indexer.sizes import readable_bytes


def export_collection(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A new .parquet, .jsonl or .jsonl.gz, or - for JSON Lines on standard output.",
            show_default=False,
        ),
    ],
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    condition: Condition = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write documents with texts, metadata and vectors to a file that other programs read.

    `bearing index FILE` makes an equal collection of it, and embeds nothing. A service sends JSON
    Lines.
    """
    if file == STANDARD_OUTPUT and as_json:
        raise InvalidInput("standard output is for the documents: leave --json out, or name a file")
    wanted = Wanted(file, read_filter(condition), force)
    parse_filter(wanted.condition)  # what is wrong with it is told before anything is opened
    with hold(data, url, api_key) as holder, stepping() as tell, terminable():
        made = holder.export(collection, wanted, tell)
    if as_json:
        messages.say_json(asdict(made))
        return
    done = f"exported {made.documents:,} documents of {collection!r}"
    if file == STANDARD_OUTPUT:
        messages.note(done)
    else:
        messages.say(f"{done} to {file}: {made.chunks:,} vectors, {readable_bytes(made.bytes)}")
