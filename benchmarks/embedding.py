"""How fast texts are embedded, beside sentence-transformers, and whether the vectors agree.

Each peer works in a process of its own; runs alternate, and ratios are medians of the ratios of
neighbouring runs, so that a machine whose speed changes does not decide who is faster. Bearing's
model is warm, as a service's is; how fast a command answers first is measured by itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import Process, serve

LENGTHS: Final = {"passages": 107, "abstracts": 250, "titles": 14}
"""Tokens of a text, special tokens included."""

SIZES: Final = {"passages": 256, "abstracts": 96, "titles": 1024}
QUICK_SIZES: Final = {"passages": 96, "abstracts": 32, "titles": 384}
SHORT: Final = (6, 9, 10, 12, 14, 15, 17, 20, 24, 34)
"""Tokens of short texts, in turn: about the deciles of those of titles of papers."""

SINGLES, FEW = 200, 192
"""Short texts in a run, embedded one by one or a few at a time."""

CALLS: Final = (2, 4, 8, 16, 32, 64)
"""Texts of a call, where they are embedded a few at a time."""

QUERY: Final = "how do I sort a dictionary by value"
BEARING, REFERENCE, OPENVINO = "bearing", "sentence-transformers", "sentence-transformers-openvino"
FLOP_PER_TOKEN: Final = 21e6
"""Of MiniLM-L6: 2 x 10.6 million weights that every token meets; attention's own not counted."""

MODULE: Final = "benchmarks.embedding"
PEAK_SHAPE: Final = (2048, 384, 1536)
ROWS: Final = 5000


class Peer(Protocol):
    """Something that embeds."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit rows."""
        ...

    def describe(self) -> dict[str, Any]:
        """What runs."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer's process is started with."""

    peer: str
    model: str
    cache: str
    threads: int


class Bearing:
    """Bearing's embedder of the default model."""

    def __init__(self, job: Job) -> None:
        from indexer.embedding import DEFAULT_MODEL, open_embedder

        self._embedder = open_embedder(DEFAULT_MODEL, cache=Path(job.cache), threads=job.threads)
        self._embedder.warm()
        self.embed(["the first", "few"])
        for thread in threading.enumerate():  # what these made it do in the background
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit rows."""
        return self._embedder.embed(texts).vectors

    def describe(self) -> dict[str, Any]:
        """What runs."""
        return asdict(self._embedder.runtime)


class TorchFloat32:
    """sentence-transformers as its users call it, in float32, batches of 64."""

    backend: Literal["torch", "openvino"] = "torch"

    def __init__(self, job: Job) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(job.threads)
        self._model = SentenceTransformer(
            job.model, device="cpu", backend=self.backend, local_files_only=True
        )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit rows."""
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    def describe(self) -> dict[str, Any]:
        """What runs."""
        return {"backend": self.backend, "precision": "f32"}


class ItsOpenVino(TorchFloat32):
    """sentence-transformers' own OpenVINO backend (needs optimum-intel)."""

    backend: Literal["torch", "openvino"] = "openvino"


PEERS: Final[Mapping[str, Callable[[Job], Peer]]] = {
    BEARING: Bearing,
    REFERENCE: TorchFloat32,
    OPENVINO: ItsOpenVino,
}


def work(job: Job) -> None:
    """Do what is asked of a peer, in a process of its own."""
    peer = PEERS[job.peer](job)
    peer.embed(["warm up"])
    serve({name: partial(task, peer) for name, task in TASKS.items()})


def describe(peer: Peer) -> dict[str, Any]:
    """What the peer runs on."""
    return peer.describe()


def time_texts(peer: Peer, texts: list[str]) -> dict[str, Any]:
    """Texts a second."""
    start = time.perf_counter()
    peer.embed(texts)
    return {"rate": len(texts) / (time.perf_counter() - start)}


def time_singles(peer: Peer, texts: list[str]) -> dict[str, Any]:
    """Milliseconds of texts embedded one by one."""
    taken = []
    for text in texts:
        start = time.perf_counter()
        peer.embed([text])
        taken.append((time.perf_counter() - start) * 1000)
    return {"ms": taken}


def time_calls(peer: Peer, texts: list[str], size: int) -> dict[str, Any]:
    """Texts a second, ``size`` of them embedded at a time."""
    start = time.perf_counter()
    for place in range(0, len(texts), size):
        peer.embed(texts[place : place + size])
    return {"rate": len(texts) / (time.perf_counter() - start)}


def list_vectors(peer: Peer, texts: list[str]) -> dict[str, Any]:
    """The vectors."""
    return {"vectors": peer.embed(texts).tolist()}


def measure_memory(_: Peer) -> dict[str, Any]:
    """The most memory that the process held, in MB."""
    return {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def measure_peak(_: Peer) -> dict[str, Any]:
    """The best of many plain bf16 products of the model's own shapes, in FLOP a second."""
    import torch

    rows, inner, columns = PEAK_SHAPE
    a = torch.randn(rows, inner).bfloat16()
    b = torch.randn(inner, columns).bfloat16()
    best = float("inf")
    for _round in range(30):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return {"flops": 2 * rows * inner * columns / best}


TASKS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "describe": describe,
    "texts": time_texts,
    "singles": time_singles,
    "calls": time_calls,
    "vectors": list_vectors,
    "memory": measure_memory,
    "peak": measure_peak,
}


def read_texts(path: Path | None) -> Iterator[str]:
    """Texts of a file, a line each (JSON objects with ``text``, or plain), or Python's own."""
    if path is None:
        from indexer.documents import Document
        from indexer.readers.standard_library import read_standard_library

        for read in read_standard_library():
            if isinstance(read.item, Document) and len(read.item.text) > 60:
                yield " ".join(read.item.text.split())
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"] if line.startswith("{") else line.strip()


def cut_texts(texts: Iterable[str], model: Path, sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Texts of each length, and short ones, cut from the stream by the model's own tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    stream = " ".join(itertools.islice(texts, 4 * sum(sizes.values())))
    offsets = tokenizer.encode(stream, add_special_tokens=False).offsets
    cut: dict[str, list[str]] = {kind: [] for kind in sizes}
    cut["short"] = []
    place = 0
    for kind, length in _wanted(sizes):
        if place + length >= len(offsets):
            break
        start, end = offsets[place][0], offsets[place + length - 1][1]
        cut[kind].append(stream[start:end])
        place += length
    return cut


def _wanted(sizes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The kind of each text, and its tokens without special ones."""
    for length in itertools.islice(itertools.cycle(SHORT), SINGLES):
        yield "short", length - 2
    for kind, size in sizes.items():
        yield from itertools.repeat((kind, LENGTHS[kind] - 2), size)


def measure_first_answer(cache: Path, threads: int, runs: int) -> dict[str, Any]:
    """Seconds from a process's start to its first answer on ROWS rows, and its memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", MODULE]
        arguments = [folder, str(cache), str(threads)]
        subprocess.run([*command, "--fill", *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds, memory = [], []
        for _ in range(runs):
            start = time.perf_counter()
            done = subprocess.run(
                [*command, "--first", *arguments], check=True, capture_output=True, text=True
            )
            seconds.append(time.perf_counter() - start)
            memory.append(json.loads(done.stdout)["mb"])
    return {
        "first_answer_seconds": statistics.median(seconds),
        "first_answer_rss_mb": statistics.median(memory),
    }


def _library(folder: str, cache: str, threads: str) -> Any:  # noqa: ANN401 - imported late
    from indexer.config import Config
    from indexer.library import Library

    return Library(Config(data=Path(folder), cache=Path(cache), threads=int(threads)))


def fill(folder: str, cache: str, threads: str) -> None:
    """A collection of ROWS rows, whose vectors are drawn."""
    from indexer.documents import Chunk, Document, EmbeddedDocument

    random = np.random.default_rng(7)
    with _library(folder, cache, threads) as library:
        collection = library.obtain("default")
        dimension = collection.identity.dimension
        vectors = random.standard_normal((ROWS, dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        chunks = (Chunk(0, 0, 6),)
        documents = [Document(str(n), f"text {n}") for n in range(ROWS)]
        pairs = zip(documents, np.split(vectors, ROWS), strict=True)
        collection.put([EmbeddedDocument(document, chunks, row) for document, row in pairs])


def answer_first(folder: str, cache: str, threads: str) -> None:
    """One search of the collection that :func:`fill` made."""
    from indexer.queries import Query
    from indexer.retrieval.search import search

    with _library(folder, cache, threads) as library:
        collection = library.open("default")
        search(collection, library.embedder(collection), [Query(text=QUERY)])
        print(json.dumps(measure_memory(None)))  # type: ignore[arg-type]


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """All measurements, by the names of the JSON object."""
    from indexer.embedding import DEFAULT_MODEL
    from indexer.embedding.checkpoint import find_checkpoint

    threads = arguments.threads or len(os.sched_getaffinity(0))
    model = find_checkpoint(DEFAULT_MODEL, arguments.cache).folder
    sizes = QUICK_SIZES if arguments.quick else SIZES
    texts = cut_texts(read_texts(arguments.texts), model, dict(sizes))
    # Each measured before the peers start, whose idle memory and threads would count against it.
    first = measure_first_answer(arguments.cache, threads, 3 if arguments.quick else 7)
    peers = start_peers(arguments, str(model), threads)
    try:
        rounds = arguments.rounds or (3 if arguments.quick else 7)
        result = measure(peers, texts, rounds)
    finally:
        for peer in peers.values():
            peer.__exit__(None, None, None)
    return {"threads": threads, "texts": {k: len(v) for k, v in texts.items()}, **first, **result}


def start_peers(arguments: argparse.Namespace, model: str, threads: int) -> dict[str, Process]:
    """Those peers that run here."""
    peers = {}
    for name in PEERS:
        process = Process(MODULE, asdict(Job(name, model, str(arguments.cache), threads)))
        try:
            process.ask("describe")
        except RuntimeError as error:
            process.__exit__(None, None, None)
            reason = str(error).splitlines()[-1]
            print(f"{name} does not run here and is left out: {reason}", file=sys.stderr)
        else:
            peers[name] = process
    return peers


def measure(peers: dict[str, Process], texts: dict[str, list[str]], rounds: int) -> dict[str, Any]:
    """Rates, ratios, latencies, cosines and memory of the peers that run."""
    figures: dict[str, Any] = {
        name: {"runtime": peer.ask("describe")} for name, peer in peers.items()
    }
    result: dict[str, Any] = {"peers": figures}
    short = texts["short"]
    for kind, chosen in texts.items():
        if kind == "short":
            continue
        rates = alternate(peers, rounds, "texts", "rate", texts=chosen)
        for name, found in rates.items():
            figures[name][f"{kind}_per_second"] = statistics.median(found)
        result |= ratios(kind, rates)
    for size in CALLS:
        rates = alternate(peers, rounds, "calls", "rate", texts=short[:FEW], size=size)
        for name, found in rates.items():
            figures[name][f"calls_of_{size}_per_second"] = statistics.median(found)
        result |= ratios(f"calls_of_{size}", rates)
    taken = alternate(peers, rounds, "singles", "ms", texts=short)
    latency = {name: [statistics.median(run) for run in runs] for name, runs in taken.items()}
    for name, runs in taken.items():
        times = list(itertools.chain(*runs))
        figures[name]["query_ms_p50"] = statistics.median(times)
        figures[name]["query_ms_p99"] = float(np.percentile(times, 99))
    result |= ratios("query", latency)
    result["cosine_min"] = least_cosine(peers, texts)
    for name, peer in peers.items():
        figures[name]["memory_mb"] = peer.ask("memory")["mb"]
    peak = max(peers[REFERENCE].ask("peak")["flops"] for _ in range(3))
    result["matmul_peak_tflops"] = peak / 1e12
    used = figures[BEARING]["passages_per_second"] * LENGTHS["passages"] * FLOP_PER_TOKEN
    result["peak_share"] = used / peak
    return result


def alternate(
    peers: dict[str, Process], rounds: int, task: str, field: str, **given: object
) -> dict[str, list[Any]]:
    """The field of the answers of each peer, asked in turn; a first round is not counted."""
    found: dict[str, list[Any]] = {name: [] for name in peers}
    for turn in range(rounds + 1):
        for name, peer in peers.items():
            answer = peer.ask(task, **given)[field]
            if turn:
                found[name].append(answer)
    return found


def ratios(kind: str, found: dict[str, list[float]]) -> dict[str, float | None]:
    """Bearing over each peer: the median of the ratios of neighbouring runs."""
    result: dict[str, float | None] = {}
    for peer, suffix in ((REFERENCE, ""), (OPENVINO, "_openvino")):
        pairs = zip(found[BEARING], found.get(peer, ()), strict=peer in found)
        quotients = [ours / theirs for ours, theirs in pairs]
        result[f"{kind}_ratio{suffix}"] = statistics.median(quotients) if quotients else None
    return result


def least_cosine(peers: dict[str, Process], texts: dict[str, list[str]]) -> float:
    """Between Bearing's vectors and sentence-transformers' float32 ones."""
    sample = [text for chosen in texts.values() for text in chosen[:64]]
    ours, theirs = (
        np.asarray(peers[name].ask("vectors", texts=sample)["vectors"])
        for name in (BEARING, REFERENCE)
    )
    return float(np.einsum("ij,ij->i", ours, theirs).min())


def show(result: dict[str, Any]) -> None:
    """The figures for people."""
    for name, figures in result["peers"].items():
        print(name)
        for field, value in figures.items():
            print(f"  {field:24} {value if isinstance(value, dict) else round(value, 2)}")
    for field, value in result.items():
        if isinstance(value, float):
            print(f"{field:26} {value:.5f}" if "cosine" in field else f"{field:26} {value:.2f}")


def main() -> None:
    """Measure, and print."""
    import platformdirs

    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quick", action="store_true", help="fewer texts and runs")
    parser.add_argument("--texts", type=Path, help="lines of text, or of JSON with a field text")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each peer")
    parser.add_argument("--threads", type=int, default=0, help="threads of each peer; 0: all cores")
    cache = Path(os.environ.get("BEARING_CACHE") or platformdirs.user_cache_dir("bearing"))
    parser.add_argument("--cache", type=Path, default=cache, help="where converted models are")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--fill", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--first", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        work(Job(**json.loads(arguments.serve)))
    elif arguments.fill:
        fill(*arguments.fill)
    elif arguments.first:
        answer_first(*arguments.first)
    else:
        result = compare(arguments)
        print(json.dumps(result)) if arguments.json else show(result)


if __name__ == "__main__":
    main()
