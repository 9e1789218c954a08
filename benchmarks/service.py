"""How a running service answers under load, beside its peers' servers.

Every server is a process of its own, holds the same texts, and is loaded in turns by wrk, a
process of its own as well: one client, 32 clients, and (only builds of Bearing) 512. Every
request is a search for another text. txtai's API embeds the texts as Bearing does; Chroma's
server takes vectors, so Bearing is asked by vectors too for that comparison.

Another build of Bearing may be such a server, by the path of its checkout: ``--against PATH``
adds the ratios of this build's figures to that one's.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import ratios
from benchmarks.servers import (
    CHROMA,
    PEERS,
    K,
    Server,
    bearing,
    children,
    embed,
    fill,
    fill_by,
    say,
    written,
)
from indexer.config import Config
from indexer.readers.reading import Rejection
from indexer.readers.standard_library import read_standard_library

ROWS: Final = 100_000
QUERIES: Final = 130_000
RUN_QUERIES: Final = 10_000
"""Distinct searches, and how many of them each run has for itself: no cache knows the next ones."""

RATIOS: Final = {
    "ratio_qps_32": "qps_32",
    "ratio_single_p50": "single_ms_p50",
    "ratio_p99_32": "p99_ms_32",
    "ratio_rss": "rss_mb",
    "ratio_ready": "ready_seconds",
    "ratio_ready_cpu": "ready_cpu_seconds",
}
"""The figure of which each is this build's over the other's."""

EARLY_SECONDS: Final = 120
"""Until then a service under load may still fill its caches."""

LOAD: Final = Path(__file__).with_name("load.lua")
BEARING, AGAINST = "bearing", "against"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long is measured: rounds of a few seconds each, servers in turns."""

    rounds: int
    seconds: int


FULL: Final = Sizes(rounds=5, seconds=10)
QUICK: Final = Sizes(rounds=2, seconds=4)


# What is searched


def read_texts(path: Path | None, count: int) -> list[str]:
    """Distinct short texts: lines, or the ``title``/``text`` of JSON Lines, packed or not.

    Without a file, sentences of the standard library's documentation, with numbers in front
    where there are too few.
    """
    source = _sentences() if path is None else _lines(path)
    texts = list(islice(_distinct(source), count))
    if not texts:
        raise SystemExit(f"{path}: there is no text in it")
    whole = len(texts)
    while len(texts) < count:
        texts.append(f"{len(texts) // whole} {texts[len(texts) % whole]}")
    return texts


def _distinct(texts: Iterable[str]) -> Iterator[str]:
    seen = {""}
    for text in texts:
        if text not in seen:
            seen.add(text)
            yield text


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
    for own in [pid, *children(pid)]:
        try:
            status = Path(f"/proc/{own}/status").read_text()
        except FileNotFoundError:
            continue
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        total += int(found[1]) / 1e3 if found else 0.0
    return round(total, 1)


def measure(servers: Mapping[str, Server], sizes: Sizes) -> dict[str, dict[str, Any]]:
    """Medians over rounds of each server's figures with one and 32 clients, in turns.

    A round asks all with one client before any with 32, and each round in the other order: who
    comes right after a crowd, or first, is not slower for it.
    """
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in servers}
    for turn in range(sizes.rounds):
        order = list(servers) if turn % 2 == 0 else list(servers)[::-1]
        single = {name: load(servers[name], 1, sizes.seconds) for name in order}
        crowded = {name: load(servers[name], 32, sizes.seconds) for name in order}
        for name in servers:
            one, many = single[name], crowded[name]
            say(
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


def lasting(server: Server, first: int, last: int) -> dict[str, float]:
    """The memory after so many seconds of 32 clients, after more of them, and their ratio."""
    load(server, 32, first)
    early = resident_mb(server.pid)
    load(server, 32, last - first)
    late = resident_mb(server.pid)
    return {"rss_mb_early": early, "rss_mb_late": late, "ratio_rss_lasting": round(late / early, 4)}


def starting(server: Server) -> dict[str, float]:
    """The seconds, and the processor's, that it took until it was ready."""
    start = server.start
    return {
        "ready_seconds": round(start.seconds, 2),
        "ready_cpu_seconds": round(start.cpu_seconds, 2),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    sizes = QUICK if options.quick else FULL
    texts = read_texts(options.texts, options.rows + QUERIES)
    queries, texts = texts[options.rows :], texts[: options.rows]
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = {name: folder / name for name in (BEARING, AGAINST, *PEERS)}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        config, seconds = fill(folder / "data", texts)
        servers = {BEARING: stack.enter_context(bearing(config.data, places[BEARING], queries))}
        if options.against:
            other, place = options.against.resolve(), places[AGAINST]
            fill_by(other, place / "data", texts, place)
            servers[AGAINST] = stack.enter_context(bearing(place / "data", place, queries, other))
        for name in options.peers:
            package, start = PEERS[name]
            if importlib.util.find_spec(package) is None:
                left_out[name] = f"{package} is not installed"
                continue
            servers[name] = stack.enter_context(start(config, places[name], queries, texts))
        if CHROMA in servers:
            servers[f"{BEARING}, by vector"] = _by_vector(config, servers[BEARING], queries, folder)
        figures = measure(servers, sizes)
        for name in figures.keys() & {BEARING, AGAINST}:
            figures[name] |= starting(servers[name]) | crowd(servers[name], sizes)
        if options.minutes:
            figures[BEARING] |= lasting(servers[BEARING], EARLY_SECONDS, 60 * options.minutes)
        own = figures.pop(BEARING)
        for name in figures:
            figures[name].setdefault("rss_mb", resident_mb(servers[name].pid))
    return {
        "rows": len(texts),
        "queries": len(queries),
        "index_seconds": round(seconds, 1),
        **own,
        **ratios(RATIOS, own, figures.get(AGAINST, {})),
        "peers": figures,
        "left_out": left_out,
    }


def _by_vector(config: Config, server: Server, queries: Sequence[str], folder: Path) -> Server:
    """The same server of Bearing's, asked by vectors."""
    vectors = embed(config, queries[:2_000]).tolist()
    bodies = written(folder / "vectors", ({"vector": vector, "k": K} for vector in vectors))
    return Server(server.url, server.path, bodies, server.pid)


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rows", type=int, default=ROWS, help="how many texts are indexed")
    parser.add_argument("--texts", type=Path, help="lines, or JSON Lines with title and text; .gz")
    parser.add_argument("--folder", type=Path, help="where to keep what was indexed, for next time")
    parser.add_argument(
        "--against", type=Path, metavar="PATH", help="a checkout of another build of Bearing"
    )
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument(
        "--minutes",
        type=int,
        default=0,
        help="load it for so many more, 3 or more, and compare its memory with that of the second",
    )
    options = parser.parse_args(given)
    if options.minutes and 60 * options.minutes <= EARLY_SECONDS:
        parser.error(f"--minutes {options.minutes}: give at least 3, or 0 for none")
    return options


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
