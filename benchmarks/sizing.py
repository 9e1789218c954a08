"""How much disk and memory documents take: a collection of a file's, and a service on it.

The vectors are those of the hashing embedder, as long as the default model's, so that a million
documents are embedded in minutes: a vector takes the same room whoever computed it. The model
itself takes memory too; that of the service before it holds a collection is told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

MODEL: Final = "hashing-384"
SEARCHES: Final = 200
MODES: Final = ("dense", "lexical")
MEGABYTE: Final = 1_000_000

PARTS: Final = {
    "store.sqlite": "texts, metadata and what was committed",
    "vectors.f32": "vectors",
    "sealed-": "index of vectors",
    "lexical": "index of words",
}
"""What the files of a collection are, by a piece of their path."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process, in megabytes: what the system may not drop, and pages of files that it may."""

    own: float
    files: float


def measure(path: Path, queries: Sequence[str], folder: Path) -> dict[str, Any]:
    """Index a file, and say what that takes; see the keys."""
    environment = os.environ | {"BEARING_DATA": str(folder / "full"), "BEARING_MODEL": MODEL}
    indexed = json.loads(_run(["index", str(path), "--json"], environment))
    stats = json.loads(_run(["stats", "--json"], environment))
    empty = environment | {"BEARING_DATA": str(folder / "empty")}
    with serving(empty) as (_, before):
        base = memory(before)
    with serving(environment) as (url, process):
        for mode in MODES:
            for query in queries:
                ask(url, query, mode)
        searched = memory(process)
    return {
        "documents": stats["documents"],
        "chunks": stats["chunks"],
        "input_bytes": path.stat().st_size,
        "seconds": indexed["seconds"],
        "index": stats["index"]["kind"],
        "recall": stats["index"]["recall"],
        "disk_bytes": sizes(folder / "full"),
        "service_mb": {"without_documents": base.own, "after_searches": searched.own},
        "cached_files_mb": searched.files,
    }


def _run(words: list[str], environment: dict[str, str]) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def sizes(data: Path) -> dict[str, int]:
    """Bytes on disk by what the files are."""
    counted: Counter[str] = Counter()
    for file in data.rglob("*"):
        if file.is_file():
            name = str(file.relative_to(data))
            part = next((what for piece, what in PARTS.items() if piece in name), "the rest")
            counted[part] += file.stat().st_size
    return dict(counted.most_common())


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """The address of a service, and its process."""
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], process.pid
        finally:
            process.terminate()


def ask(url: str, query: str, mode: str) -> None:
    """Search for a text."""
    body = json.dumps({"query": query, "mode": mode}).encode()
    request = urllib.request.Request(f"{url}search", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answer.read()


def memory(process: int) -> Memory:
    """What a process holds now (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    kilobytes = {
        name: int(count) for name, count in re.findall(r"^(Rss\w+):\s+(\d+) kB$", status, re.M)
    }
    own, files = kilobytes["RssAnon"], kilobytes["RssFile"] + kilobytes["RssShmem"]
    return Memory(round(own * 1024 / MEGABYTE), round(files * 1024 / MEGABYTE))


def first_texts(path: Path, count: int) -> list[str]:
    """Texts of the first documents, as queries."""
    with path.open() as lines:
        return [json.loads(line)["text"][:200] for line in islice(lines, count)]


def show(result: dict[str, Any]) -> None:
    """The figures, those of disk for each document too."""
    documents = result["documents"]
    print(f"{documents:,} documents, {result['chunks']:,} chunks, index {result['index']}")
    for part, size in result["disk_bytes"].items():
        print(f"  {size / MEGABYTE:10,.0f} MB  {size / documents:8,.0f} bytes each  {part}")
    base, searched = result["service_mb"].values()
    print(f"  {searched:10,.0f} MB  memory of a service, of which {base:,.0f} MB without documents")
    print(f"  {result['cached_files_mb']:10,.0f} MB  pages of files, which the system may drop")


def main() -> None:
    """Measure a file of JSON Lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="documents as JSON Lines, each with a text")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(given.file, first_texts(given.file, SEARCHES), Path(folder))
    if given.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
