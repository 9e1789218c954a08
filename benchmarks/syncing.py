"""How fast a folder that has not changed is found to be in step, beside indexing it once more.

A folder is made of as many small files, and stored twice: by ``bearing index``, and by ``bearing
index --sync``. Then both commands run over it in turns, each a process of its own.
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.servers import say

COMMANDS: Final[Mapping[str, Sequence[str]]] = {"index": (), "sync": ("--sync",)}
SETTLED_SECONDS: Final = 2.5
"""A file is looked into if it was changed less than two seconds before it was read."""

FOLDER_FILES: Final = 100


def make_files(folder: Path, count: int) -> None:
    """Files of some hundred words, a hundred in a folder."""
    for number in range(count):
        place = folder / f"{number // FOLDER_FILES:04}"
        place.mkdir(parents=True, exist_ok=True)
        words = " ".join(f"word{number * 7 + step}" for step in range(200))
        (place / f"{number}.txt").write_text(f"The text of file {number}. {words}\n")


def run(
    folder: Path, name: str, model: str, against: Path | None = None
) -> tuple[float, dict[str, Any]]:
    """The seconds of a command over the folder, and its figures.

    With ``against`` indexing is that of another tree of sources, as an older one.
    """
    command = [sys.executable, "-m", "indexer", "index", "docs", *COMMANDS[name], "--json"]
    settings = {"BEARING_DATA": str(folder / name), "BEARING_MODEL": model}
    if against is not None and not COMMANDS[name]:
        settings["PYTHONPATH"] = str(against)
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **settings}, check=True, capture_output=True
    )
    return time.perf_counter() - started, json.loads(done.stdout)


def measure(
    folder: Path, files: int, rounds: int, model: str, against: Path | None = None
) -> dict[str, object]:
    """The median seconds of each command over what has not changed, and their ratio."""
    make_files(folder / "docs", files)
    time.sleep(SETTLED_SECONDS)
    for name in COMMANDS:
        seconds, figures = run(folder, name, model, against)
        if figures["written"] != files:
            raise RuntimeError(f"{name} wrote {figures['written']} of {files} documents")
        say(f"{name}: {seconds:.1f} s for what is new")
    seen: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds):
        for name in COMMANDS if turn % 2 == 0 else reversed(list(COMMANDS)):
            seconds, figures = run(folder, name, model, against)
            if figures["written"]:
                raise RuntimeError(f"{name} wrote {figures['written']} documents again")
            seen[name].append(seconds)
            say(f"{name}: {seconds:.2f} s")
    medians = {name: statistics.median(times) for name, times in seen.items()}
    return {
        "files": files,
        "model": model,
        **{f"{name}_seconds": round(seconds, 3) for name, seconds in medians.items()},
        "ratio_sync": round(medians["index"] / medians["sync"], 2),
    }


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.syncing", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="hashing")
    parser.add_argument("--against", type=Path, help="sources of an older build, that indexes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        seen = measure(place, given.files, given.rounds, given.model, given.against)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
