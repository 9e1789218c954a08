"""How fast documents with vectors are imported, beside Chroma and Qdrant's client in local mode.

The same documents, texts of some dozen words with two fields and a unit vector each, are given to
each system in turns, by a process of its own and from memory. What is timed is the import alone:
until it is durable, or as durable as the system makes it. Bearing checks that each text fits its
model and indexes its words; Chroma builds its graph; Qdrant's local mode keeps vectors in memory
and commits each point to SQLite, or with ``:memory:`` keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.servers import say

BEARING, CHROMA, QDRANT, IN_MEMORY = "bearing", "chroma", "qdrant", "qdrant_memory"
BATCH: Final = 1_000
DIMENSION: Final = 384
_WORDS: Final = "a captain hunts the white whale over every sea of the world and finds it at last"


@dataclass(frozen=True, slots=True)
class Given:
    """What is imported; rows of ``vectors`` are unit float32."""

    texts: Sequence[str]
    vectors: Any

    @classmethod
    def make(cls, count: int) -> Given:
        """The same for the same number."""
        random = np.random.default_rng(11)
        vectors = random.normal(size=(count, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        words = _WORDS.split()
        picked = random.integers(0, len(words), size=(count, 24))
        texts = [
            f"{number} " + " ".join(words[at] for at in row) for number, row in enumerate(picked)
        ]
        return cls(texts, vectors)

    def batches(self) -> Iterator[range]:
        """The numbers of the documents, some at a time."""
        count = len(self.texts)
        return (range(at, min(at + BATCH, count)) for at in range(0, count, BATCH))

    def facts(self, number: int) -> dict[str, Any]:
        """A document's metadata."""
        return {"year": 1900 + number % 120, "kind": f"kind {number % 7}"}


def bearing(given: Given, folder: Path) -> tuple[float, int]:
    """The seconds of the import, and the documents that are there after it."""
    import indexer

    with indexer.open(folder) as workspace:
        things = workspace.collection("things")
        workspace.embed(["the model is open"])
        records = (
            {"id": str(n), "text": text, "vector": given.vectors[n], **given.facts(n)}
            for n, text in enumerate(given.texts)
        )
        started = time.perf_counter()
        things.index(records, vectors="trusted")
        return time.perf_counter() - started, len(things)


def chroma(given: Given, folder: Path) -> tuple[float, int]:
    """The seconds of the import, and the documents that are there after it."""
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
    things = client.create_collection(
        "things", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    started = time.perf_counter()
    for numbers in given.batches():
        things.add(
            ids=[str(n) for n in numbers],
            documents=[given.texts[n] for n in numbers],
            metadatas=[given.facts(n) for n in numbers],
            embeddings=given.vectors[numbers.start : numbers.stop],
        )
    return time.perf_counter() - started, things.count()


def qdrant(given: Given, folder: Path | None) -> tuple[float, int]:
    """The same, in a folder or in memory alone."""
    from qdrant_client import QdrantClient
    from qdrant_client.models import Batch, Distance, VectorParams

    client = QdrantClient(":memory:") if folder is None else QdrantClient(path=str(folder))
    client.create_collection(
        "things", vectors_config=VectorParams(size=DIMENSION, distance=Distance.COSINE)
    )
    started = time.perf_counter()
    for numbers in given.batches():
        vectors = given.vectors[numbers.start : numbers.stop].tolist()
        payloads = [{"text": given.texts[n], **given.facts(n)} for n in numbers]
        client.upsert("things", Batch(ids=list(numbers), vectors=vectors, payloads=payloads))
    seconds = time.perf_counter() - started
    count = client.count("things").count
    client.close()
    return seconds, count


SYSTEMS: Final[Mapping[str, Callable[[Given, Path], tuple[float, int]]]] = {
    BEARING: bearing,
    CHROMA: chroma,
    QDRANT: qdrant,
    IN_MEMORY: lambda given, _: qdrant(given, None),
}


def measure(documents: int, rounds: int) -> dict[str, object]:
    """The median seconds of each system, and how many times faster Bearing is."""
    seen: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for turn in range(rounds):
        for name in SYSTEMS if turn % 2 == 0 else reversed(list(SYSTEMS)):
            seconds = _run(name, documents)
            seen[name].append(seconds)
            say(f"{name}: {seconds:.1f} s for {documents:,} documents")
    medians = {name: statistics.median(times) for name, times in seen.items()}
    return {
        "documents": documents,
        "dimension": DIMENSION,
        "rounds": rounds,
        **{f"{name}_seconds": round(seconds, 2) for name, seconds in medians.items()},
        "ratio_import_chroma": round(medians[CHROMA] / medians[BEARING], 2),
        "ratio_import_qdrant": round(medians[QDRANT] / medians[BEARING], 2),
        "ratio_import_qdrant_memory": round(medians[IN_MEMORY] / medians[BEARING], 2),
    }


def _run(name: str, documents: int) -> float:
    """The seconds of an import by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.importing", "--documents", str(documents)]
    done = subprocess.run([*command, "--system", name], check=True, stdout=subprocess.PIPE)
    seconds: float = json.loads(done.stdout)["seconds"]
    return seconds


def import_once(name: str, documents: int) -> dict[str, float]:
    """The seconds of an import into a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="bearing-importing-") as folder:
        seconds, count = SYSTEMS[name](Given.make(documents), Path(folder) / "data")
    if count != documents:
        raise RuntimeError(f"{name} has {count} of {documents} documents")
    return {"seconds": seconds}


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--system", choices=list(SYSTEMS), help="only this one, in this process")
    parser.add_argument("--json", action="store_true", help="print one JSON object, as always")
    given = parser.parse_args()
    if given.system:
        os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
        print(json.dumps(import_once(given.system, given.documents)))
        return
    print(json.dumps(measure(given.documents, given.rounds), indent=2))


if __name__ == "__main__":
    main()
