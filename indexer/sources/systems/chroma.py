"""Chroma: a folder of its persistent client, or a server by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import numpy as np

from indexer.errors import MissingExtra, Unreadable
from indexer.readers.records import METADATA_FIELD, TEXT_FIELD
from indexer.sources.systems.holding import PAGE, Entry, Holding, Place, only

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_DATABASE: Final = "chroma.sqlite3"
"""The file by which a folder of Chroma is known."""


@contextmanager
def open_chroma(place: Place) -> Iterator[Holding]:
    """A collection of Chroma; documents are texts, its metadata stay metadata."""
    client = _client(place.at)
    names = [one.name for one in client.list_collections()]
    name = only("collection", names, place.name)
    collection = client.get_collection(name, embedding_function=None)

    def entries() -> Iterator[Entry]:
        start = 0
        while True:
            page: Any = collection.get(
                limit=PAGE, offset=start, include=["documents", "metadatas", "embeddings"]
            )
            yield from _entries(page)
            if len(page["ids"]) < PAGE:
                return
            start += PAGE

    yield Holding(name, collection.count(), entries)


def _client(at: str) -> ClientAPI:
    try:
        import chromadb
    except ImportError as error:
        raise MissingExtra("chromadb", "chroma") from error
    settings = chromadb.Settings(anonymized_telemetry=False)
    if at.startswith(("http://", "https://")):
        parts = urlsplit(at)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 8000)
        return chromadb.HttpClient(parts.hostname or "", port, ssl=secure, settings=settings)
    if not (Path(at) / _DATABASE).is_file():
        raise Unreadable(f"{at!r} is no folder of Chroma: it holds no {_DATABASE}")
    return chromadb.PersistentClient(at, settings=settings)


def _entries(page: Any) -> Iterator[Entry]:  # noqa: ANN401 - Chroma's own type wants its enums
    for index, id in enumerate(page["ids"]):
        record: dict[str, Any] = {METADATA_FIELD: dict(page["metadatas"][index] or {})}
        text = page["documents"][index]
        if text is not None:
            record[TEXT_FIELD] = text
        vectors = page["embeddings"]
        yield Entry(id, record, None if vectors is None else np.asarray(vectors[index]))
