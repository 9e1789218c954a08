"""How fast a folder that has not changed is found to be in step, beside indexing it once more.

A folder is made of as many small files, and stored twice: by ``bearing index``, and by ``bearing
index --sync``. Then both commands run over it in turns, each a process of its own that finds its
modules compiled, as an installed command does. ``_cpu`` are seconds of processor time, which other
programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds by the clock, and of processor time."""

    seconds: float
    cpu: float


def run(
    folder: Path, name: str, model: str, against: Path | None = None
) -> tuple[Took, dict[str, Any]]:
    """The time of a command over the folder, and its figures.

    With ``against`` indexing is that of another tree of sources, as an older one.
    """
    command = [sys.executable, "-m", "indexer", "index", "docs", *COMMANDS[name], "--json"]
    settings = {"BEARING_DATA": str(folder / name), "BEARING_MODEL": model}
    if against is not None and not COMMANDS[name]:
        settings["PYTHONPATH"] = str(against)
    compiled = {"PYTHONPYCACHEPREFIX": str(folder / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
    environment = {**os.environ, **settings, **compiled}
    started, before = time.perf_counter(), _children_cpu()
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    took = Took(time.perf_counter() - started, _children_cpu() - before)
    return took, json.loads(done.stdout)


def _children_cpu() -> float:
    """The processor time of all commands that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(
    folder: Path, files: int, rounds: int, model: str, against: Path | None = None
) -> dict[str, object]:
    """The median seconds of each command over what has not changed, and their ratio."""
    make_files(folder / "docs", files)
    time.sleep(SETTLED_SECONDS)
    for name in COMMANDS:
        took, figures = run(folder, name, model, against)
        if figures["written"] != files:
            raise RuntimeError(f"{name} wrote {figures['written']} of {files} documents")
        say(f"{name}: {took.seconds:.1f} s for what is new")
    seen: dict[str, list[Took]] = {name: [] for name in COMMANDS}
    for turn in range(rounds):
        for name in COMMANDS if turn % 2 == 0 else reversed(list(COMMANDS)):
            took, figures = run(folder, name, model, against)
            if figures["written"]:
                raise RuntimeError(f"{name} wrote {figures['written']} documents again")
            seen[name].append(took)
            say(f"{name}: {took.seconds:.2f} s, {took.cpu:.2f} s of processor time")
    seconds = {name: statistics.median(one.seconds for one in runs) for name, runs in seen.items()}
    cpu = {name: statistics.median(one.cpu for one in runs) for name, runs in seen.items()}
    return {
        "files": files,
        "model": model,
        **{f"{name}_seconds": round(taken, 3) for name, taken in seconds.items()},
        **{f"{name}_cpu": round(taken, 3) for name, taken in cpu.items()},
        "ratio_sync": round(seconds["index"] / seconds["sync"], 2),
        "ratio_sync_cpu": round(cpu["index"] / cpu["sync"], 2),
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
