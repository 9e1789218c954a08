"""How fast documents with vectors are imported, beside Chroma and Qdrant's client in local mode.

The same documents, texts of some dozen words with two fields and a unit vector each, are given to
each system in turns, by a process of its own and from memory. What is timed is the import alone:
until it is durable, or as durable as the system makes it. Bearing checks that each text fits its
model and indexes its words; Chroma builds its graph; Qdrant's local mode keeps vectors in memory
and commits each point to SQLite, or with ``:memory:`` keeps nothing. Bearing builds its index of
vectors behind the import: ``bearing_closed_seconds`` are those until it has done that, too, and all
is closed.

Vectors have a few strong directions, as those of models have: among such of pure chance no index
finds the nearest without looking at nearly all. A peer is stopped once ``--limit`` seconds are
over, and compared by the documents that it has by then.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.servers import say

BEARING, CHROMA, QDRANT, IN_MEMORY = "bearing", "chroma", "qdrant", "qdrant_memory"
BATCH: Final = 1_000
DIMENSION: Final = 384
DIRECTIONS: Final = 32
NOISE: Final = 0.3
LIMIT_SECONDS: Final = 180.0
OVERTIME_SECONDS: Final = 900.0
"""A process that takes so much longer than its limit hangs, and is ended."""
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
        base = random.normal(size=(DIRECTIONS, DIMENSION)) / DIRECTIONS**0.5
        vectors = (random.normal(size=(count, DIRECTIONS)) @ base).astype(np.float32)
        vectors += NOISE * random.standard_normal((count, DIMENSION), dtype=np.float32)
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


@dataclass(frozen=True, slots=True)
class Imported:
    """The seconds of an import, those until all was closed, and the documents that it stored.

    ``cpu`` are seconds of processor time of all its threads, until it was done.
    """

    seconds: float
    cpu: float
    closed_seconds: float
    documents: int


def bearing(given: Given, folder: Path, limit: float) -> Imported:  # noqa: ARG001 - runs to its end
    """An import by the library."""
    import indexer

    with indexer.open(folder) as workspace:
        things = workspace.collection("things")
        workspace.embed(["the model is open"])
        records = (
            {"id": str(n), "text": text, "vector": given.vectors[n], **given.facts(n)}
            for n, text in enumerate(given.texts)
        )
        started, before = time.perf_counter(), time.process_time()
        things.index(records, vectors="trusted")
        seconds, count = time.perf_counter() - started, len(things)
        cpu = time.process_time() - before
    return Imported(seconds, cpu, time.perf_counter() - started, count)


def chroma(given: Given, folder: Path, limit: float) -> Imported:
    """An import by the persistent client."""
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
    things = client.create_collection(
        "things", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    started, before = time.perf_counter(), time.process_time()
    for numbers in given.batches():
        things.add(
            ids=[str(n) for n in numbers],
            documents=[given.texts[n] for n in numbers],
            metadatas=[given.facts(n) for n in numbers],
            embeddings=given.vectors[numbers.start : numbers.stop],
        )
        seconds = time.perf_counter() - started
        if seconds > limit:
            break
    return Imported(seconds, time.process_time() - before, seconds, things.count())


def qdrant(given: Given, folder: Path | None, limit: float) -> Imported:
    """An import by the client, into a folder or into memory alone."""
    from qdrant_client import QdrantClient
    from qdrant_client.models import Batch, Distance, VectorParams

    client = QdrantClient(":memory:") if folder is None else QdrantClient(path=str(folder))
    client.create_collection(
        "things", vectors_config=VectorParams(size=DIMENSION, distance=Distance.COSINE)
    )
    started, before = time.perf_counter(), time.process_time()
    for numbers in given.batches():
        vectors = given.vectors[numbers.start : numbers.stop].tolist()
        payloads = [{"text": given.texts[n], **given.facts(n)} for n in numbers]
        client.upsert("things", Batch(ids=list(numbers), vectors=vectors, payloads=payloads))
        seconds = time.perf_counter() - started
        if seconds > limit:
            break
    cpu = time.process_time() - before
    count = client.count("things").count
    client.close()
    return Imported(seconds, cpu, time.perf_counter() - started, count)


SYSTEMS: Final[Mapping[str, Callable[[Given, Path, float], Imported]]] = {
    BEARING: bearing,
    CHROMA: chroma,
    QDRANT: qdrant,
    IN_MEMORY: lambda given, _, limit: qdrant(given, None, limit),
}


def measure(documents: int, rounds: int, limit: float) -> dict[str, object]:
    """The median rate of each system, and how many times faster Bearing is."""
    seen: dict[str, list[Imported]] = {name: [] for name in SYSTEMS}
    for turn in range(rounds):
        for name in SYSTEMS if turn % 2 == 0 else reversed(list(SYSTEMS)):
            one = _run(name, documents, limit)
            seen[name].append(one)
            told = f"{one.seconds:.1f} s, {one.cpu:.1f} s of processor time"
            say(f"{name}: {told}, for {one.documents:,} documents")
    each_cpu = {
        name: statistics.median(one.cpu / one.documents for one in runs)
        for name, runs in seen.items()
    }
    rates = {
        name: statistics.median(one.documents / one.seconds for one in runs)
        for name, runs in seen.items()
    }
    closed = statistics.median(one.closed_seconds for one in seen[BEARING])
    return {
        "documents": documents,
        "dimension": DIMENSION,
        "rounds": rounds,
        "limit_seconds": limit,
        **{f"{name}_per_second": round(rate, 1) for name, rate in rates.items()},
        **{f"{name}_imported": min(one.documents for one in runs) for name, runs in seen.items()},
        "bearing_seconds": round(documents / rates[BEARING], 2),
        "bearing_closed_seconds": round(closed, 2),
        **{f"{name}_cpu_ms_each": round(1_000 * cpu, 3) for name, cpu in each_cpu.items()},
        "ratio_import_chroma": round(rates[BEARING] / rates[CHROMA], 2),
        "ratio_closed_chroma": round(documents / closed / rates[CHROMA], 2),
        "ratio_import_qdrant": round(rates[BEARING] / rates[QDRANT], 2),
        "ratio_import_qdrant_memory": round(rates[BEARING] / rates[IN_MEMORY], 2),
        **{
            f"ratio_cpu_{name}": round(each_cpu[name] / each_cpu[BEARING], 2)
            for name in (CHROMA, QDRANT, IN_MEMORY)
        },
    }


def _run(name: str, documents: int, limit: float) -> Imported:
    """An import by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.importing", "--documents", str(documents)]
    done = subprocess.run(
        [*command, "--system", name, "--limit", str(limit)],
        check=True,
        stdout=subprocess.PIPE,
        timeout=limit + OVERTIME_SECONDS,
    )
    return Imported(**json.loads(done.stdout))


def import_once(name: str, documents: int, limit: float) -> Imported:
    """An import into a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="bearing-importing-") as folder:
        one = SYSTEMS[name](Given.make(documents), Path(folder) / "data", limit)
    if one.documents != documents and one.seconds <= limit:
        raise RuntimeError(f"{name} has {one.documents} of {documents} documents")
    return one


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--limit", type=float, default=LIMIT_SECONDS, help="seconds after which a peer is stopped"
    )
    parser.add_argument("--system", choices=list(SYSTEMS), help="only this one, in this process")
    parser.add_argument("--json", action="store_true", help="print one JSON object, as always")
    given = parser.parse_args()
    if given.system:
        os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
        print(json.dumps(asdict(import_once(given.system, given.documents, given.limit))))
        return
    print(json.dumps(measure(given.documents, given.rounds, given.limit), indent=2))


if __name__ == "__main__":
    main()
