"""What searching by words costs: beside searching by meaning alone, on disk, and when writing.

A collection is filled with titles and their vectors, then the same queries, held-out titles, are
searched one after the other in every mode, in turns, so that all modes see the same machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.embedding.embedder import CANARIES, Identity
from indexer.queries import Mode, Query
from indexer.storage.engine import LocalEngine

BATCH = 1_000
PUTS = 100


def read_titles(path: Path) -> list[str]:
    """The texts of a file of JSON Lines, which may be compressed."""
    encoded = path.read_bytes()
    lines = gzip.decompress(encoded) if path.suffix == ".gz" else encoded
    return [json.loads(line)["text"] for line in lines.splitlines()]


def embedded(number: int, text: str, vectors: Vectors) -> EmbeddedDocument:
    """A title as a document of one chunk."""
    return EmbeddedDocument(Document(str(number), text), (Chunk(0, 0, len(text)),), vectors)


def fill(collection: Collection, titles: Sequence[str], vectors: Vectors) -> None:
    """Put all titles, in batches."""
    for start in range(0, len(titles), BATCH):
        part = range(start, min(start + BATCH, len(titles)))
        collection.put([embedded(i, titles[i], vectors[i : i + 1]) for i in part])


def time_modes(
    collection: Collection, queries: Sequence[str], vectors: Vectors
) -> dict[str, dict[str, float]]:
    """Milliseconds of a search of one query, by mode."""
    spent: dict[Mode, list[float]] = {mode: [] for mode in Mode}
    for text, vector in zip(queries, vectors, strict=True):
        for mode in Mode:
            query = Query(text=text, vector=vector, mode=mode)
            started = time.perf_counter()
            collection.search([query])
            spent[mode].append(1e3 * (time.perf_counter() - started))
    return {
        str(mode): {f"p{p}": float(np.percentile(own, p)) for p in (50, 90, 99)}
        for mode, own in spent.items()
    }


def time_puts(collection: Collection, queries: Sequence[str], vectors: Vectors) -> float:
    """Milliseconds of putting one document, p50."""
    spent = []
    for i in range(min(PUTS, len(queries))):
        one = embedded(10**9 + i, queries[i], vectors[i : i + 1])
        started = time.perf_counter()
        collection.put([one])
        spent.append(1e3 * (time.perf_counter() - started))
    return float(np.median(spent))


def measure(titles: list[str], vectors: Vectors, asked: int) -> dict[str, object]:
    """All figures, of a collection that is gone afterwards."""
    root = Path(tempfile.mkdtemp())
    held = len(vectors) - asked
    identity = Identity(
        "drawn", "0" * 64, "0" * 64, vectors.shape[1], 256, "mean", {}, vectors[: len(CANARIES)]
    )
    try:
        started = time.perf_counter()
        with Collection(LocalEngine.create(root / "titles", identity)) as collection:
            with collection.writing():
                fill(collection, titles[:held], vectors[:held])
            filled = time.perf_counter()
        closed = time.perf_counter()
        shutil.rmtree(root / "titles" / "lexical")
        with Collection(LocalEngine(root / "titles")) as collection:
            opened = time.perf_counter()
            collection.search([Query(text=titles[held], mode=Mode.LEXICAL)])
            answered = time.perf_counter()
            collection.rebuild()
            time_modes(collection, titles[held:][:50], vectors[held:][:50])
            described = collection.describe()
            figures = {
                "documents": held,
                "fill_seconds": filled - started,
                "close_seconds": closed - filled,
                "first_answer_without_index_seconds": answered - opened,
                "bytes": described.bytes,
                "lexical": described.index["lexical"],
                "search_ms": time_modes(collection, titles[held:], vectors[held:]),
            }
            figures["put_ms"] = time_puts(collection, titles[held:], vectors[held:])
            figures["search_ms_with_late"] = time_modes(collection, titles[held:], vectors[held:])
        return figures
    finally:
        shutil.rmtree(root)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("titles", type=Path, help="JSON Lines with the field text")
    parser.add_argument("vectors", type=Path, help="their vectors, a NumPy file")
    parser.add_argument("--rows", type=int, default=0, help="so many titles; 0 for all")
    parser.add_argument("--queries", type=int, default=500, help="so many of them are held out")
    parser.add_argument("--json", action="store_true", help="print the JSON object in one line")
    given = parser.parse_args()
    titles = read_titles(given.titles)
    vectors = np.load(given.vectors, mmap_mode="r")
    count = min(given.rows or len(vectors), len(titles), len(vectors))
    chosen = np.ascontiguousarray(vectors[:count], dtype=np.float32)
    chosen = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    figures = measure(titles[:count], chosen, given.queries)
    print(json.dumps(figures, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
