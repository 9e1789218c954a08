"""Bearing's collection on this machine, and its sealed index called directly in FAISS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import Place, Rows, Vectors
from indexer.cli.runtime import tune_interpreter
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.embedding.embedder import CANARIES, Identity
from indexer.filters import parse_filter
from indexer.index_choice import IndexChoice
from indexer.queries import Query
from indexer.storage.engine import LocalEngine

_BATCH: Final = 8_192


def embedded(number: int, place: int, vector: Vectors) -> EmbeddedDocument:
    """A short document with a number to filter by."""
    text = f"document {number}"
    document = Document(str(number), text, None, {"place": place})
    return EmbeddedDocument(document, (Chunk(0, 0, len(text)),), vector[None])


class Bearing:
    """Tunes itself, so there is no effort to raise."""

    efforts: tuple[int, ...] = (0,)
    filters = True

    def __init__(self, place: Place) -> None:
        self.folder = place.folder / "collection"
        self._target = place.target
        self._collection: Collection | None = None
        faiss.omp_set_num_threads(place.threads)
        tune_interpreter()  # as Bearing's own programs do

    @property
    def collection(self) -> Collection:
        """The open collection."""
        assert self._collection is not None
        return self._collection

    def kind(self) -> str:
        """What it chose."""
        return str(self.collection.describe().index["kind"])

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Put all documents, then seal the index: it chooses and tunes within these seconds."""
        identity = _identity(base.shape[1])
        with Collection(LocalEngine.create(self.folder, identity)) as new, new.writing():
            _fill(new, base, places)  # and seal no index on the way, while the right is held
            start = time.perf_counter()
            new.rebuild(IndexChoice(target_recall=self._target))
            return time.perf_counter() - start

    def open(self) -> None:
        """Open the folder."""
        self._collection = Collection(LocalEngine(self.folder))

    def use(self, effort: int) -> None:
        """Nothing to do."""

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """Whole answers, of which the ids are kept."""
        condition = None if below is None else parse_filter({"place": {"$lt": below}})
        asked = [Query(vector=query, k=k, filter=condition) for query in queries]
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        for line, answer in zip(rows, self.collection.search(asked), strict=True):
            line[: len(answer.hits)] = [int(hit.document.id) for hit in answer.hits]
        return rows

    def rebuild(self) -> None:
        """Train the index anew, as when rows have doubled; a target that differs asks for it."""
        target = float(str(self.collection.describe().index.get("target_recall", 0.99)))
        self.collection.rebuild(IndexChoice(target_recall=target - 1e-6))


def _identity(dimension: int) -> Identity:
    canaries = np.eye(len(CANARIES), dimension, dtype=np.float32)
    return Identity("drawn", "0" * 64, "0" * 64, dimension, 256, "mean", {}, canaries)


def _fill(collection: Collection, base: Vectors, places: NDArray[np.int64]) -> None:
    for first in range(0, len(base), _BATCH):
        part = np.asarray(base[first : first + _BATCH])
        collection.put(
            [embedded(first + i, int(places[first + i]), row) for i, row in enumerate(part)]
        )


def direct_search(folder: Path) -> Callable[[Vectors, int], Rows] | None:
    """The same sealed index and vectors without Bearing: FAISS's search, then rescoring.

    None if rows are compared one by one.
    """
    described = next(folder.glob("generations/*/sealed.json"), None)
    if described is None:
        return None
    record: dict[str, Any] = json.loads(described.read_text())
    index = faiss.read_index(str(described.with_name(record["file"])))
    mapped = np.memmap(described.with_name("vectors.f32"), dtype=np.float32, mode="r")
    vectors = mapped.view(np.ndarray)[: index.ntotal * index.d].reshape(-1, index.d)
    parameters = None
    if record["kind"] in ("partitioned", "reduced_partitioned"):
        parameters = faiss.SearchParametersIVF(nprobe=record["effort"]["probes"])

    def search(queries: Vectors, k: int) -> Rows:
        queries = np.ascontiguousarray(queries)
        _, near = index.search(queries, max(record["effort"]["depth"], k), params=parameters)
        scores = np.empty((len(queries), k), dtype=np.float32)
        best = np.empty((len(queries), k), dtype=np.int64)
        faiss.knn_inner_products_by_idx(
            *map(faiss.swig_ptr, (queries, vectors, near)),
            index.d, len(queries), len(vectors), near.shape[1], k,
            faiss.swig_ptr(scores), faiss.swig_ptr(best), near.shape[1],
        )  # fmt: skip
        return best

    return search
