"""Promises that only whole processes can keep: killed at any moment, and off the network."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from warm import kill, warm_python

from indexer.config import Config
from indexer.library import Library

KILLS = 4
MANY_KILLS = 20
LUMP = 20
"""Documents that are given at a time, so that many small writes follow one another."""

WATCH = """
    import os, sys

    def watch(event, arguments):
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        else:
            return
        if host not in ("127.0.0.1", "::1", "localhost"):
            with open(os.environ["CALLS"], "a") as calls:
                print(event, host, file=calls)

    sys.addaudithook(watch)
"""
"""Python reads it at its start as sitecustomize; an audit hook is kept by forked processes too."""


def bearing(*words: str) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", "app.cli", *words]


def environment(folder: Path, **given: str) -> dict[str, str]:
    """The environment less all settings, with everything kept in a folder."""
    inherited = {name: value for name, value in os.environ.items() if "BEARING" not in name}
    places = {"HOME": folder, "BEARING_DATA": folder / "data", "BEARING_CACHE": folder / "cache"}
    return inherited | {name: str(place) for name, place in places.items()} | given


def feed(stdin: IO[bytes], start: int) -> None:
    """Documents start, start + 1, ... as JSON Lines, until nobody reads them."""
    try:
        for first in range(start, sys.maxsize, LUMP):
            lines = (
                json.dumps({"id": str(n), "text": f"text {n} " * 9})
                for n in range(first, first + LUMP)
            )
            stdin.write(("\n".join(lines) + "\n").encode())
            stdin.flush()
    except BrokenPipeError:
        return


def committed(stderr: IO[bytes]) -> Iterator[int]:
    """How many documents each line of progress calls committed."""
    for line in stderr:
        if found := re.match(rb"committed (\d+) documents", line):
            yield int(found[1])


def index_and_kill(folder: Path, start: int, least: int, delay: float) -> int:
    """Index documents from ``start`` on, and kill the process a while after so many of them.

    Returns how many of them it had called committed.
    """
    process = subprocess.Popen(
        [*warm_python(), "-m", "app.cli", "index", "-", "--model", "hashing"],
        env=environment(folder),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    feeder = threading.Thread(target=feed, args=(process.stdin, start))
    feeder.start()
    progress = committed(process.stderr)
    seen = [0]
    while seen[-1] < least and (count := next(progress, None)) is not None:
        seen.append(count)
    threading.Timer(delay, kill, [process]).start()
    seen += progress
    assert process.wait() == -9
    feeder.join()
    return max(seen)


def stored_ids(folder: Path) -> set[str]:
    """The ids of all documents of the collection, once it is opened anew."""
    with Library(Config(data=folder / "data", model="hashing")) as library:
        page = library.open("default").page(limit=10_000_000)
    return {document.id for document in page.documents}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kills", [KILLS, pytest.param(MANY_KILLS, marks=pytest.mark.long)])
def test_what_was_called_committed_survives_kill_9(kills: int, tmp_path: Path) -> None:
    """Killed at random moments, a collection opens, and holds all that it said it held."""
    chance = random.Random(kills)
    promised: set[str] = set()
    start = 0
    for _ in range(kills):
        count = index_and_kill(tmp_path, start, LUMP, delay=chance.uniform(0.0, 0.8))
        promised |= {str(n) for n in range(start, start + count)}
        assert promised <= stored_ids(tmp_path)
        start += count
    assert len(promised) >= kills * LUMP


@pytest.mark.parametrize(
    "runtime",
    [
        {"BEARING_BACKEND": "openvino", "BEARING_PRECISION": "f32"},  # which is not sought for long
        pytest.param({}, marks=pytest.mark.long),
    ],
    ids=["f32", "sought"],
)
def test_no_command_calls_out(tmp_path: Path, runtime: dict[str, str]) -> None:
    """Converting the default model, indexing and searching ask no host for anything."""
    watch = tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(textwrap.dedent(WATCH))
    (tmp_path / "a.txt").write_text("A bearing is a direction.")
    calls = tmp_path / "calls"
    settings = {"PYTHONPATH": str(watch), "CALLS": str(calls), **runtime}
    watched = {
        name: value for name, value in environment(tmp_path, **settings).items() if name != "CI"
    }
    code = "import socket; socket.getaddrinfo('bearing.invalid', 80)"
    subprocess.run([sys.executable, "-c", code], env=watched, capture_output=True, timeout=60)
    assert calls.read_text() == "socket.getaddrinfo bearing.invalid\n", "the watch is blind"
    calls.unlink()
    for words in (["index", str(tmp_path / "a.txt")], ["search", "where to", "--json"]):
        done = subprocess.run(bearing(*words), env=watched, capture_output=True, timeout=240)
        assert done.returncode == 0, done.stderr.decode()
    assert not calls.exists(), calls.read_text()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} <= {"watch", "data", "cache"}
