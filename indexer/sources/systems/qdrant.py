"""Qdrant: a service by its URL, a snapshot, or a folder of its client's local mode."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.errors import MissingExtra, Unreadable
from indexer.sources.systems.holding import PAGE, Entry, Holding, Place, Vector, one_vector, only
from indexer.sources.systems.qdrant_snapshot import SUFFIX, open_snapshot

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

KEY_VARIABLE: Final = "QDRANT_API_KEY"
_META: Final = "meta.json"
"""The file by which a folder of the local mode is known."""


@contextmanager
def open_qdrant(place: Place) -> Iterator[Holding]:
    """A collection of Qdrant; a payload is the record of its point."""
    if place.at.endswith(SUFFIX) and not Path(place.at).is_dir():
        with open_snapshot(place) as holding:
            yield holding
        return
    with closing(_client(place.at)) as client:
        names = [one.name for one in client.get_collections().collections]
        name = only("collection", names, place.name)
        vectors = client.get_collection(name).config.params.vectors
        named = one_vector(vectors.keys(), place.vector) if isinstance(vectors, Mapping) else None

        def entries() -> Iterator[Entry]:
            offset: Any = None
            wanted: Any = True if named is None else [named]
            while True:
                points, offset = client.scroll(
                    name, limit=PAGE, offset=offset, with_payload=True, with_vectors=wanted
                )
                for point in points:
                    yield Entry(str(point.id), dict(point.payload or {}), _vector(point, named))
                if offset is None:
                    return

        yield Holding(name, client.count(name).count, entries)


def _client(at: str) -> QdrantClient:
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise MissingExtra("qdrant-client", "qdrant") from error
    if at.startswith(("http://", "https://")):
        return QdrantClient(url=at, api_key=os.environ.get(KEY_VARIABLE))
    if not (Path(at) / _META).is_file():
        raise Unreadable(
            f"{at!r} is no folder of Qdrant's local mode: it holds no {_META}; of a service give "
            f"the URL, such as http://localhost:6333; a snapshot is a file that ends by {SUFFIX}"
        )
    return QdrantClient(path=at)


def _vector(point: Any, named: str | None) -> Vector | None:  # noqa: ANN401 - see chroma
    given = point.vector.get(named) if isinstance(point.vector, Mapping) else point.vector
    return np.asarray(given, np.float32) if isinstance(given, list) else None
