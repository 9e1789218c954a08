"""Folders followed while they change, by a process of its own that ends when it is told to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from warm import kill, warm_python

from indexer.cli.watch import concerns

PATIENCE_SECONDS = 60

pytest.importorskip("watchfiles", reason="the extra watch is not installed")


class Watcher:
    """A process that follows ``docs``; what it says is read line by line."""

    def __init__(self, folder: Path) -> None:
        words = ["index", "docs", "--sync", "--watch", "--json"]
        settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing"}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [*warm_python(), "-m", "indexer", *words],
                cwd=folder,
                env=os.environ | settings,
                stdout=out,
                stderr=err,
            )
        self.folder = folder

    def runs(self, count: int) -> list[dict[str, Any]]:
        """What each run did, once there are so many."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            lines = (self.folder / "out").read_text().splitlines()
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            time.sleep(0.05)
        raise AssertionError((self.folder / "err").read_text())

    def hears(self, words: str) -> None:
        """Wait until it says this on standard error."""
        end = time.monotonic() + PATIENCE_SECONDS
        while words not in (self.folder / "err").read_text():
            assert time.monotonic() < end, (self.folder / "err").read_text()
            time.sleep(0.05)


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    """A process that follows a folder of two documents."""
    (tmp_path / "docs").mkdir()
    for name in ("moon", "sun"):
        (tmp_path / "docs" / f"{name}.txt").write_text(name)
    watcher = Watcher(tmp_path)
    try:
        yield watcher
    finally:
        kill(watcher.process)
        watcher.process.wait()


def test_changes_are_followed_until_it_is_told_to_end(watcher: Watcher) -> None:
    """New files, an editor's replacement, deletions, and a folder that is away for a while."""
    docs = watcher.folder / "docs"
    watcher.hears("watching")
    assert watcher.runs(1)[0]["written"] == 2
    (docs / "tide.txt").write_text("tide")
    (docs / ".moon.txt.swp").write_text("new moon")
    (docs / ".moon.txt.swp").rename(docs / "moon.txt")
    second = watcher.runs(2)[1]
    assert (second["written"], second["sources"][0]["deleted"]) == (2, 0)
    (docs / "sun.txt").unlink()
    assert watcher.runs(3)[2]["sources"][0]["deleted"] == 1
    shutil.move(docs, watcher.folder / "away")
    watcher.hears("is gone; nothing is deleted")
    shutil.copytree(watcher.folder / "away", docs)
    (docs / "late.txt").write_text("late")
    found = watcher.runs(4)[3]
    assert (found["sources"][0]["files"], found["sources"][0]["deleted"]) == (3, 0)
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.process.wait(PATIENCE_SECONDS) == 0
    watcher.hears("no longer watching")


def test_only_what_may_be_read_concerns() -> None:
    """Not the collections themselves, hidden files, or what is beside a file that is followed."""
    roots, data = [Path("/x/docs"), Path("/x/one.txt")], Path("/x/docs/data")
    for path, expected in (
        ("/x/docs/a.txt", True),
        ("/x/docs/deep/a.txt", True),
        ("/x/docs/.git/a", False),
        ("/x/docs/.a.swp", False),
        ("/x/docs/data/default/store", False),
        ("/x/one.txt", True),
        ("/x/two.txt", False),
    ):
        assert concerns(Path(path), roots, data) is expected, path
