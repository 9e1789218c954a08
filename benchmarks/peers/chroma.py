"""Chroma, in-process and persistent."""

from __future__ import annotations

import time
from typing import Any

import chromadb
import numpy as np
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings
from numpy.typing import NDArray

from benchmarks.peers import EFFORTS, Place, Rows, Vectors

_NAME = "benchmark"


class Chroma:
    """Its HNSW with its own defaults, by cosine."""

    efforts = EFFORTS
    filters = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._collection: Any = None

    def kind(self) -> str:
        """What it is."""
        return "HNSW"

    def _client(self) -> Any:  # noqa: ANN401
        settings = Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(str(self._place.folder), settings)

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Add all: it indexes what it stores."""
        client = self._client()
        shape = {"space": "cosine", "num_threads": self._place.threads}
        collection = client.create_collection(_NAME, configuration={"hnsw": shape})
        start = time.perf_counter()
        size = client.get_max_batch_size()
        for first in range(0, len(base), size):
            part = np.asarray(base[first : first + size])
            numbers = range(first, first + len(part))
            collection.add(
                ids=[str(number) for number in numbers],
                embeddings=part,
                metadatas=[{"place": int(places[number])} for number in numbers],
            )
        return time.perf_counter() - start

    def open(self) -> None:
        """A new client."""
        SharedSystemClient.clear_system_cache()
        self._collection = self._client().get_collection(_NAME)

    def use(self, effort: int) -> None:
        """Changed in the collection's configuration, which counts from the next opening on."""
        self._collection.modify(configuration={"hnsw": {"ef_search": effort}})
        self.open()

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """One call."""
        condition = None if below is None else {"place": {"$lt": below}}
        found = self._collection.query(
            query_embeddings=queries, n_results=k, where=condition, include=[]
        )
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        for line, ids in zip(rows, found["ids"], strict=True):
            line[: len(ids)] = [int(id) for id in ids]
        return rows
