"""A static student beside the model that it was distilled from: how good, and how fast.

For each judged folder, in BEIR's layout, the model indexes the corpus, a student is distilled from
that collection, indexes the corpus too, and both are evaluated. The speed of embedding passages is
taken in alternating runs in one process, that of indexing titles by whole commands. Ratios are the
student's over the model's.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from indexer.config import Config
from indexer.embedding import Embedder, open_embedder

MODES: Final = ("dense", "hybrid")
RUNS: Final = 3
PASSAGES: Final = 400
STUDENT_TIMES: Final = 20
"""The student embeds this many times as many passages in a run, else it would be over at once."""


def bearing(data: Path, *words: str) -> dict[str, Any]:
    """What a command prints."""
    command = [sys.executable, "-m", "indexer", *words, "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(words)}: {done.stderr[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def judge(data: Path, folder: Path) -> dict[str, Any]:
    """The nDCG@10 of both on a judged folder, by mode, and their ratio."""
    name = folder.name
    full = {mode: evaluate(data, folder, name, mode) for mode in MODES}
    student = bearing(data, "distil", "--collection", name)["model"]
    of = Path(student).name  # a collection of its own: one of an earlier student may be there
    small = {mode: evaluate(data, folder, of, mode, "--model", student) for mode in MODES}
    return {
        "student": student,
        **{f"{mode}_model": full[mode] for mode in MODES},
        **{f"{mode}_student": small[mode] for mode in MODES},
        **{f"{mode}_ratio": round(small[mode] / full[mode], 4) for mode in MODES},
    }


def evaluate(data: Path, folder: Path, collection: str, mode: str, *words: str) -> float:
    """The nDCG@10 of a collection."""
    of = ("--collection", collection, "--mode", mode, *words)
    return float(bearing(data, "evaluate", str(folder), *of)["ndcg@10"])


def read(path: Path, count: int) -> list[str]:
    """The first texts of a file of JSON Lines, packed or not, titles in front."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        given = map(json.loads, islice(file, count))
        return [f"{one.get('title') or ''} {one['text']}".strip() for one in given]


def embedding_speed(path: Path, student: str) -> dict[str, float]:
    """Passages a second by both, medians of alternating runs over passages of their own."""
    texts = read(path, (1 + RUNS) * PASSAGES * STUDENT_TIMES)
    config = Config()
    rates: dict[str, list[float]] = {"model": [], "student": []}
    with (
        open_embedder(config.model, cache=config.cache) as model,
        open_embedder(student, cache=config.cache) as small,
    ):
        for run in range(1 + RUNS):
            start = run * PASSAGES * STUDENT_TIMES
            some = texts[start : start + PASSAGES * STUDENT_TIMES]
            rates["student"].append(rate(small, some))
            rates["model"].append(rate(model, some[:PASSAGES]))
    model_rate, student_rate = (statistics.median(rates[name][1:]) for name in rates)
    return {
        "passages_per_second_model": round(model_rate, 1),
        "passages_per_second_student": round(student_rate, 1),
        "ratio_passages": round(student_rate / model_rate, 1),
    }


def rate(embedder: Embedder, texts: Sequence[str]) -> float:
    """Texts a second."""
    start = time.perf_counter()
    embedder.embed(texts)
    return len(texts) / (time.perf_counter() - start)


def indexing_speed(data: Path, path: Path, rows: int, student: str) -> dict[str, float]:
    """Seconds to index the first titles of a file by both, each by a command from start to end."""
    seconds = {}
    with tempfile.TemporaryDirectory(dir=data) as temporary:
        some = Path(temporary) / "titles.jsonl"
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            some.write_text("".join(islice(file, rows)))
        for name, model in (("student", student), ("model", Config().model)):
            start = time.perf_counter()
            of = ("--collection", name, "--model", model)
            bearing(Path(temporary), "index", str(some), *of)
            seconds[name] = time.perf_counter() - start
    return {
        "titles": rows,
        "index_seconds_model": round(seconds["model"], 1),
        "index_seconds_student": round(seconds["student"], 1),
        "ratio_index_seconds": round(seconds["student"] / seconds["model"], 4),
    }


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.distil", description=__doc__)
    parser.add_argument("judged", nargs="+", type=Path, help="folders in BEIR's layout")
    parser.add_argument("--passages", type=Path, help="JSON Lines of passages to embed")
    parser.add_argument("--titles", type=Path, help="JSON Lines of titles to index")
    parser.add_argument("--rows", type=int, default=20_000, help="how many titles")
    parser.add_argument("--data", type=Path, help="where collections are kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(words)


def main() -> None:
    """Measure, and print."""
    given = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        data = given.data or Path(temporary)
        figures: dict[str, Any] = {one.name: judge(data, one) for one in given.judged}
        student = figures[given.judged[0].name]["student"]
        if given.passages:
            figures |= embedding_speed(given.passages, student)
        if given.titles:
            figures |= indexing_speed(data, given.titles, given.rows, student)
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
