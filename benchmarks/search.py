"""How fast nearest documents are found, beside peers, on the same vectors in the same run.

Each peer builds in one process and is opened by another, fresh one. Peers search harder until
their recall@10 is that of the target; then single queries are timed in turns, peer after peer, so
that a machine whose speed changes does not decide who is faster. Bearing answers with whole
documents, its peers with row numbers.

Another build of Bearing may be such a peer, by the path of its checkout: ``--against PATH`` adds
the ratios of this build's figures to that one's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.peers import BEARING, NAMES, Peer, Place, make_peer
from benchmarks.processes import Process, ratios, serve
from benchmarks.vectors import FILTER_QUERIES, SHARES, Data, K, Vectors, bound, prepare

TARGET: Final = 0.99
BATCH: Final = 256
ADDED: Final = 64
"""Documents of a write while searches go on."""

ADDED_PER_SECOND: Final = 1_000
"""About as many titles as two cores embed; with no pace, writing alone would fill a core."""

TURN_SECONDS: Final = 4.0
"""A peer that takes longer for its queries is asked no more of them in a turn, or by a filter."""

MODULE: Final = "benchmarks.search"

AGAINST: Final = "against"
"""Where the figures of another build of Bearing stand."""

RATIOS: Final = {
    "ratio_query_p50": "query_ms_p50",
    "ratio_query_p99": "query_ms_p99",
    "ratio_batched": "batched_qps",
    "ratio_build": "build_seconds",
    "ratio_store": "store_seconds",
    "ratio_memory": "bytes_per_vector",
    "ratio_writing_p99": "while_writing_p99_ms",
}
"""The figure of which each is this build's over the other's."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer's process is started with."""

    peer: str
    data: str
    folder: str
    threads: int
    target: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    queries: int
    rounds: int
    writing_seconds: float


FULL: Final = Sizes(1_000, 7, 10.0)
QUICK: Final = Sizes(200, 3, 2.0)


class Work:
    """What a peer's process does when asked."""

    def __init__(self, job: Job) -> None:
        self._data = Data(Path(job.data))
        self._queries = self._data.queries
        start = time.perf_counter()
        self._peer = make_peer(job.peer, Place(Path(job.folder), job.threads, job.target))
        self._target = job.target
        self._import_seconds = time.perf_counter() - start
        self._tried = slice(0, len(self._queries) // 2)
        self._kept = slice(len(self._queries) // 2, len(self._queries))

    def build(self) -> dict[str, Any]:
        """Seconds that the index took, and that everything took."""
        start = time.perf_counter()
        seconds = self._peer.build(self._data.base, self._data.places)
        return {"build_seconds": seconds, "store_seconds": time.perf_counter() - start - seconds}

    def open(self) -> dict[str, Any]:
        """Seconds from loading the library to the first answer."""
        self._before = anonymous_bytes()
        start = time.perf_counter()
        self._peer.open()
        self._peer.use(self._peer.efforts[0])
        self._peer.search(self._queries[:1], K)
        seconds = self._import_seconds + time.perf_counter() - start
        return {"open_seconds": seconds, "kind": self._peer.kind()}

    def tune(self) -> dict[str, Any]:
        """The least effort that reaches the target on one half of the queries; recall on another.

        Where none does, it is the most thorough.
        """
        for effort in self._peer.efforts:
            self._peer.use(effort)
            if self._recall(self._tried) >= self._target:
                break
        return {"effort": effort, "recall": self._recall(self._kept)}

    def _recall(self, chosen: slice) -> float:
        return self._data.recall(self._peer.search(self._queries[chosen], K), chosen)

    def single(self) -> dict[str, Any]:
        """Milliseconds of single queries, one after the other, as many as there is time for."""
        end, times = time.perf_counter() + TURN_SECONDS, []
        for query in self._queries[self._kept]:
            times += _times(self._peer, query[None])
            if time.perf_counter() > end:
                break
        return {"ms": times}

    def batched(self) -> dict[str, Any]:
        """Queries a second, many at a time."""
        start, done = time.perf_counter(), 0
        while done < len(self._queries) and time.perf_counter() < start + TURN_SECONDS:
            part = self._queries[done : done + BATCH]
            self._peer.search(part, K)
            done += len(part)
        return {"qps": done / (time.perf_counter() - start)}

    def memory(self) -> dict[str, Any]:
        """Bytes a vector that have come since the library was loaded, less what files back."""
        grown = anonymous_bytes() - self._before
        return {"bytes_per_vector": grown / len(self._data.base)}

    def filters(self) -> dict[str, Any]:
        """By share of rows that pass: recall, milliseconds of the first request and of later."""
        if not self._peer.filters:
            return {"filters": None}
        return {"filters": {f"{share:.5f}": self._filter(share) for share in SHARES}}

    def _filter(self, share: float) -> dict[str, float]:
        below = bound(len(self._data.base), share)
        queries = self._queries[:FILTER_QUERIES]
        first = _times(self._peer, queries[:1], below)[0]
        end, rows, times = time.perf_counter() + TURN_SECONDS, [], []
        for query in queries:
            start = time.perf_counter()
            rows.append(self._peer.search(query[None], K, below))
            times.append((time.perf_counter() - start) * 1e3)
            if time.perf_counter() > end:
                break
        width = max(found.shape[1] for found in rows)
        padded = [np.pad(f, ((0, 0), (0, width - f.shape[1])), constant_values=-1) for f in rows]
        recall = self._data.recall(np.concatenate(padded), slice(0, len(rows)), share)
        return {"recall": recall, "query_ms_p50": float(np.median(times)), "first_ms": first}

    def overhead(self) -> dict[str, Any]:
        """Bearing's search over the same index called directly in FAISS, in turns.

        In a turn each is asked another query, since the first would find what the second needs.
        """
        from benchmarks.peers.bearing import Bearing, direct_search

        assert isinstance(self._peer, Bearing)
        direct = direct_search(self._peer.folder)
        if direct is None:
            return {"overhead_ratio": None, "overhead_ms": None}
        whole, bare = [], []
        others = np.roll(self._queries, len(self._queries) // 2, axis=0)
        for query, other in zip(self._queries, others, strict=True):
            whole += _times(self._peer, query[None])
            start = time.perf_counter()
            direct(other[None], K)
            bare.append((time.perf_counter() - start) * 1e3)
        ours, theirs = float(np.median(whole)), float(np.median(bare))
        return {"overhead_ratio": ours / theirs, "overhead_ms": ours - theirs}

    def writing(self, seconds: float) -> dict[str, Any]:
        """p99 while documents are added and an index is rebuilt, over that when idle."""
        from benchmarks.peers.bearing import Bearing

        assert isinstance(self._peer, Bearing)
        idle = list(self._search_until(time.perf_counter() + seconds))
        written = Writes(self._peer, self._data.base)
        with written.going_on():
            busy = list(self._search_until(time.perf_counter() + seconds, written))
        idle_p99, busy_p99 = float(np.percentile(idle, 99)), float(np.percentile(busy, 99))
        return {
            "while_writing_p99_ratio": busy_p99 / idle_p99,
            "idle_p99_ms": idle_p99,
            "while_writing_p99_ms": busy_p99,
            "while_writing_documents_per_second": written.documents / written.seconds,
            "while_writing_rebuilds": written.rebuilds,
        }

    def _search_until(self, end: float, written: Writes | None = None) -> Iterator[float]:
        number = 0
        while time.perf_counter() < end or (written and written.is_rebuilding):
            number = (number + 1) % len(self._queries)
            yield from _times(self._peer, self._queries[number : number + 1])


class Writes:
    """Documents added steadily, and the index rebuilt meanwhile."""

    def __init__(self, peer: Any, base: Vectors) -> None:  # noqa: ANN401 - imported late
        self._peer = peer
        self._base = base
        self._stop = threading.Event()
        self._rebuilding = threading.Thread(target=self._rebuild)
        self.documents = 0
        self.rebuilds = 0
        self.seconds = 0.0

    @property
    def is_rebuilding(self) -> bool:
        """Whether the index is not there yet."""
        return self._rebuilding.is_alive()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Write, and rebuild, in threads of their own."""
        start = time.perf_counter()
        threads = [threading.Thread(target=self._add), self._rebuilding]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            self.seconds = time.perf_counter() - start

    def _add(self) -> None:
        from benchmarks.peers.bearing import embedded

        first, start = len(self._base), time.perf_counter()
        while not self._stop.is_set():
            at = self.documents % (len(self._base) - ADDED)
            part = np.asarray(self._base[at : at + ADDED])
            self._peer.collection.put(
                [embedded(first + self.documents + i, 0, row) for i, row in enumerate(part)]
            )
            self.documents += ADDED
            due = start + self.documents / ADDED_PER_SECOND
            self._stop.wait(max(0.0, due - time.perf_counter()))

    def _rebuild(self) -> None:
        self._peer.rebuild()
        self.rebuilds += 1


def _times(peer: Peer, queries: Vectors, below: int | None = None) -> list[float]:
    """Milliseconds of each query by itself."""
    times = []
    for query in queries:
        start = time.perf_counter()
        peer.search(query[None], K, below)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def anonymous_bytes() -> int:
    """What this process holds in memory that no file backs."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel tells nothing of anonymous memory")


class Run:
    """Peers in processes of their own, measured in turns."""

    def __init__(
        self,
        data: Data,
        folder: Path,
        threads: int,
        sizes: Sizes,
        target: float,
        against: Path | None = None,
    ) -> None:
        self._data = data
        self._against = against
        self._folder = folder
        self._threads = threads
        self._sizes = sizes
        self._target = target
        self.figures: dict[str, dict[str, Any]] = {}
        self.left_out: dict[str, str] = {}

    def measure(self, names: Sequence[str]) -> None:
        """Fill in the figures."""
        for name in names:
            self._attempt(name, self._build, name)
        with ExitStack() as stack:
            open_ones: dict[str, Process] = {}
            for name in list(self.figures):
                process = stack.enter_context(self._process(name))
                if self._attempt(name, self._prepare, name, process):
                    open_ones[name] = process
            self._time(open_ones)
            for name, process in open_ones.items():
                self._attempt(name, self._ask_rest, name, process)

    def _attempt(self, name: str, act: Any, *given: object) -> bool:  # noqa: ANN401
        start = time.perf_counter()
        try:
            act(*given)
        except RuntimeError as error:
            self.figures.pop(name, None)
            self.left_out[name] = str(error).splitlines()[-1]
            print(f"{name} is left out: {error}", file=sys.stderr)
            return False
        seconds = time.perf_counter() - start
        print(f"{name}: {act.__name__.strip('_')}, {seconds:.0f} s", file=sys.stderr, flush=True)
        return True

    def _process(self, name: str) -> Process:
        place, is_other = str(self._folder / name), name == AGAINST
        peer = BEARING if is_other else name
        job = Job(peer, str(self._data.folder), place, self._threads, self._target)
        return Process(MODULE, asdict(job), self._against if is_other else None)

    def _build(self, name: str) -> None:
        (self._folder / name).mkdir()
        with self._process(name) as process:
            self.figures[name] = process.ask("build")

    def _prepare(self, name: str, process: Process) -> None:
        self.figures[name] |= process.ask("open") | process.ask("tune")

    def _time(self, open_ones: dict[str, Process]) -> None:
        """Single queries, then batches, each peer in turn; the first turn warms up."""
        singles: dict[str, list[list[float]]] = {name: [] for name in open_ones}
        batches: dict[str, list[float]] = {name: [] for name in open_ones}
        for turn in range(self._sizes.rounds + 1):
            for name, process in open_ones.items():
                times, qps = process.ask("single")["ms"], process.ask("batched")["qps"]
                if turn:
                    singles[name].append(times)
                    batches[name].append(qps)
        for name in open_ones:
            self.figures[name] |= {
                "query_ms_p50": statistics.median(map(np.median, singles[name])),
                "query_ms_p99": statistics.median(np.percentile(t, 99) for t in singles[name]),
                "batched_qps": statistics.median(batches[name]),
            }

    def _ask_rest(self, name: str, process: Process) -> None:
        own = self.figures[name]
        own |= process.ask("memory") | process.ask("filters")
        if name in (BEARING, AGAINST):
            own |= process.ask("overhead")
            own |= process.ask("writing", seconds=self._sizes.writing_seconds)


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """All measurements, by the names of the JSON object."""
    sizes = QUICK if arguments.quick else FULL
    sizes = replace(
        sizes,
        queries=arguments.queries or sizes.queries,
        writing_seconds=arguments.seconds or sizes.writing_seconds,
    )
    rows = arguments.rows or (30_000 if arguments.quick else 100_000)
    if arguments.vectors and not arguments.rows:
        rows = len(np.load(arguments.vectors, mmap_mode="r")) - sizes.queries
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        start = time.perf_counter()
        data_folder = Path(folder) / "data"
        data_folder.mkdir()
        data = prepare(data_folder, arguments.vectors, rows, sizes.queries)
        print(f"vectors: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        threads = len(os.sched_getaffinity(0))
        run = Run(data, Path(folder), threads, sizes, arguments.target, arguments.against)
        others = [AGAINST] if arguments.against else []
        others += [name for name in arguments.peers if name != BEARING]
        run.measure([BEARING, *others])
        shape = data.base.shape
    own = run.figures.pop(BEARING, {})
    return {
        "rows": shape[0],
        "dimension": shape[1],
        "threads": threads,
        "queries": sizes.queries,
        "target_recall": arguments.target,
        **own,
        **ratios(RATIOS, own, run.figures.get(AGAINST, {})),
        "peers": run.figures,
        "left_out": run.left_out,
    }


def show(result: dict[str, Any]) -> None:
    """The figures for people."""
    for name, figures in {BEARING: result, **result["peers"]}.items():
        print(name)
        for field, value in figures.items():
            if field == "filters" and value:
                for share, own in value.items():
                    print(f"  keeps {share:18}", *(f"{k} {v:.3f}" for k, v in own.items()))
            elif not isinstance(value, dict):
                shown = f"{value:.4g}" if isinstance(value, float) else value
                print(f"  {field:36} {shown}")
    for name, reason in result["left_out"].items():
        print(f"{name} was left out: {reason}")


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quick", action="store_true", help="fewer rows, queries and rounds")
    parser.add_argument("--rows", type=int, help="vectors to store")
    parser.add_argument("--queries", type=int, help="queries, which are not stored")
    parser.add_argument("--seconds", type=float, help="how long searches go on beside writes")
    parser.add_argument("--target", type=float, default=TARGET, help="recall@10 to be reached")
    parser.add_argument("--vectors", type=Path, help="(n, d) vectors of one's own, a .npy file")
    parser.add_argument(
        "--peers", nargs="*", choices=NAMES, default=NAMES, help="whom to compare with"
    )
    parser.add_argument(
        "--against", type=Path, metavar="PATH", help="a checkout of another build of Bearing"
    )
    parser.add_argument("--folder", type=Path, help="where to keep files meanwhile")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main() -> None:
    """Measure, and print."""
    arguments = parse_arguments()
    if arguments.serve:
        work = Work(Job(**json.loads(arguments.serve)))
        names = ("build", "open", "tune", "single", "batched", "memory", "filters")
        serve({name: getattr(work, name) for name in (*names, "overhead", "writing")})
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that its folder is cleared away
    result = compare(arguments)
    print(json.dumps(result)) if arguments.json else show(result)


if __name__ == "__main__":
    main()
