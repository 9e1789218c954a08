"""How fast documents are put over HTTP, a folder is indexed, and a map is drawn.

Puts go to a service of its own with the hashing embedder, so that the store is measured and no
model: from 32 clients with one document a request, and from four with a hundred. An index run is
held against embedding the same texts alone, in the same process, in turns. Maps are drawn by the
command, of the first ``--mapped`` texts. ``--parts`` names the parts to measure, all by default.

Another build of Bearing is measured in the same turns, by the path of its checkout: ``--against
PATH`` adds the ratios of this build's figures to that one's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.processes import Process, environment, interpreter, ratios, serve
from benchmarks.servers import bearing, fill, fill_by, say
from benchmarks.service import AGAINST, BEARING, read_texts

PUTS, INDEX, MAP = "puts", "index", "map"
HASHING: Final = "hashing"
PUT_TEXTS: Final = 10_000
WARMING: Final = 2_048
RATIOS: Final = {
    "ratio_put": "put_documents_per_second",
    "ratio_put_many": "put_many_documents_per_second",
    "ratio_map": "map_seconds",
    "ratio_map_cpu": "map_cpu_seconds",
    "ratio_neighbours_kept": "neighbours_kept",
}
"""The figure of which each is this build's over the other's."""


@dataclass(frozen=True, slots=True)
class Load:
    """Clients that put at the same time, and the documents of each request."""

    name: str
    clients: int
    documents: int


LOADS: Final = (
    Load("put_documents_per_second", 32, 1),
    Load("put_many_documents_per_second", 4, 100),
)


def put(url: str, load: Load, texts: Sequence[str], seconds: float) -> float:
    """Documents a second that were answered, all of them new."""
    end = time.perf_counter() + seconds

    def client(number: int) -> int:
        connection, done = http.client.HTTPConnection(urlsplit(url).netloc), 0
        while time.perf_counter() < end:
            documents = [
                {"id": f"{load.name} {number} {place}", "text": texts[place % len(texts)]}
                for place in range(done, done + load.documents)
            ]
            body = json.dumps({"documents": documents})
            connection.request("PUT", "/documents", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
            if told.get("written") != load.documents:
                raise RuntimeError(f"{answer.status}: {told}")
            done += load.documents
        connection.close()
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(load.clients) as pool:
        total = sum(pool.map(client, range(load.clients)))
    return total / (time.perf_counter() - started)


def measure_puts(
    builds: dict[str, Path | None], folder: Path, texts: Sequence[str], rounds: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Medians of documents a second by load, each round at a new collection."""
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in builds}
    for turn in range(rounds):
        order = list(builds) if turn % 2 == 0 else list(builds)[::-1]
        for name in order:
            place = folder / f"puts-{name}-{turn}"
            place.mkdir()
            with bearing(place / "data", place, (), builds[name], HASHING) as server:
                for load in LOADS:
                    speed = put(server.url, load, texts, seconds)
                    seen[name].setdefault(load.name, []).append(speed)
                    say(f"{name}: {load.name} {speed:.0f}")
            shutil.rmtree(place)
    return {
        name: {key: round(statistics.median(values), 1) for key, values in own.items()}
        for name, own in seen.items()
    }


def measure_maps(
    builds: dict[str, Path | None], folder: Path, texts: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The map by each build, of a collection of its own: stores may differ."""
    drawn = {}
    for name, build in builds.items():
        place = folder.absolute() / f"map-{name}"
        place.mkdir(exist_ok=True)
        if build is None:
            fill(place / "data", texts)
        else:
            fill_by(build, place / "data", texts, place)
        drawn[name] = draw(build, place / "data")
    return drawn


def draw(build: Path | None, data: Path) -> dict[str, float]:
    """Draw the map anew by a build's command: its time, and the neighbours it keeps."""
    command = [interpreter(build), "-m", "indexer", "map", "--anew", "--json", "--data", str(data)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=build,
        env=environment(build or Path(__file__).parents[1]),
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    kept = json.loads(done.stdout)["neighbours_kept"]
    say(f"map of {build or 'this build'}: {seconds:.1f} s, kept {kept}")
    return {
        "map_seconds": round(seconds, 1),
        "map_cpu_seconds": round(cpu, 1),
        "neighbours_kept": kept["mean"] if isinstance(kept, dict) else kept,
    }


def measure_index(texts: Sequence[str], rounds: int) -> dict[str, float]:
    """The time of an index run over that of embedding alone, in a process of its own."""
    with Process(__spec__.name if __spec__ else "benchmarks.writing", {}) as worker:
        return {"ratio_index_run": worker.ask("index", texts=list(texts), rounds=rounds)["x"]}


def index_and_embed(texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """The median ratio of neighbouring runs: a whole index run, and embedding by itself."""
    from indexer.config import Config
    from indexer.documents import Document
    from indexer.ingestion.pipeline import ingest
    from indexer.library import DEFAULT_COLLECTION, Library
    from indexer.readers.reading import Read

    found = []
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as place, Library(Config(data=Path(place))) as library:
            collection = library.obtain(DEFAULT_COLLECTION)
            embedder = library.embedder(collection)
            embedder.embed(texts[:WARMING])  # the graph for many batches is made when they come
            reads = (Read(Document(str(n), text), n) for n, text in enumerate(texts))
            spent = {}
            for what in ("index", "embed")[:: 1 if turn % 2 else -1]:
                started = time.perf_counter()
                if what == "index":
                    ingest(collection, embedder, reads)
                else:
                    embedder.embed(texts)
                spent[what] = time.perf_counter() - started
            found.append(spent["index"] / spent["embed"])
            say(f"index over embedding: {found[-1]:.3f}")
    return {"x": round(statistics.median(found), 3)}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    texts = read_texts(options.texts, max(options.rows, options.mapped, PUT_TEXTS))
    builds: dict[str, Path | None] = {BEARING: None}
    if options.against:
        builds[AGAINST] = options.against.resolve()
    rounds, seconds = (2, 3.0) if options.quick else (5, 8.0)
    kept = nullcontext(str(options.folder)) if options.folder else tempfile.TemporaryDirectory()
    figures: dict[str, dict[str, float]] = {name: {} for name in builds}
    with kept as place:
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        if PUTS in options.parts:
            _add(figures, measure_puts(builds, folder, texts, rounds, seconds))
        if MAP in options.parts:
            _add(figures, measure_maps(builds, folder, texts[: options.mapped]))
    own = figures.pop(BEARING)
    if INDEX in options.parts:
        own |= measure_index(texts[: options.rows], rounds)
    return {**own, **ratios(RATIOS, own, figures.get(AGAINST, {})), "peers": figures}


def _add(figures: dict[str, dict[str, float]], more: dict[str, dict[str, float]]) -> None:
    for name, own in more.items():
        figures[name] |= own


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writing", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rows", type=int, default=15_000, help="texts of an index run")
    parser.add_argument("--mapped", type=int, default=100_000, help="texts of a map")
    parts = (PUTS, INDEX, MAP)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="what to measure")
    parser.add_argument("--texts", type=Path, help="lines, or JSON Lines with title and text; .gz")
    parser.add_argument("--folder", type=Path, help="where to keep what was indexed, for next time")
    parser.add_argument(
        "--against", type=Path, metavar="PATH", help="a checkout of another build of Bearing"
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main() -> None:
    """Measure, and print what was measured."""
    options = parse_arguments()
    if options.serve:
        serve({"index": index_and_embed})
        return
    figures = run(options)
    print(json.dumps(figures, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
