"""The commands ``feedback export`` and ``feedback clear``: the judgements of a service's users."""

from __future__ import annotations

import json
import sys

from indexer.cli import messages
from indexer.cli.holders import hold
from indexer.cli.options import ApiKey, Data, Json, Name, Url, open_library
from indexer.library import DEFAULT_COLLECTION


def export_feedback(
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
) -> None:
    """Print the judgements of documents that exist, one JSON object a line, for bearing train."""
    with hold(data, url, api_key) as holder:
        lines = holder.judgements(collection)
    for line in lines:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def clear_feedback(
    data: Data = None, collection: Name = DEFAULT_COLLECTION, as_json: Json = False
) -> None:
    """Delete all judgements of a collection."""
    with open_library(data) as library:
        cleared = library.open(collection).feedback.clear()
    if as_json:
        messages.say_json({"collection": collection, "cleared": cleared})
    else:
        messages.say(f"{cleared:,} judgements of {collection!r} deleted")
