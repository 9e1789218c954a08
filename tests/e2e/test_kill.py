"""Killed while it changes what is there, ``bearing index`` leaves a collection that goes on.

The first version of every document is stored; then a second version is indexed over it and the
process is killed: at its start, while it writes, or late.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from warm import kill, warm_python

from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import Document
from indexer.embedding.hashing_engine import open_hashing
from indexer.library import Library
from indexer.queries import Query

DOCUMENTS = 4_000
FEW_KILLS = 4
MANY_KILLS = 30


def version(number: int) -> list[Document]:
    """All documents as of a version: one in five has only its metadata changed since the last."""
    return [
        Document(
            f"d{n}",
            f"text {n} " * 40 + f"version {number if n % 5 else 0}",
            metadata={"version": number},
        )
        for n in range(DOCUMENTS)
    ]


def write_version(path: Path, number: int) -> None:
    """The version as a file to be indexed."""
    lines = (
        json.dumps({"id": one.id, "text": one.text, **one.metadata}) for one in version(number)
    )
    path.write_text("".join(f"{line}\n" for line in lines))


def index(path: Path, data: Path, seconds: float | None) -> int:
    """Index a file, and kill the process after so long; how many documents it called committed."""
    inherited = {name: value for name, value in os.environ.items() if "BEARING" not in name}
    process = subprocess.Popen(
        [*warm_python(), "-m", "indexer", "index", str(path), "--data", str(data)],
        env=inherited | {"BEARING_MODEL": "hashing"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(seconds or 0.0, kill, [process])
    if seconds is not None:
        timer.start()
    _, told = process.communicate()
    timer.cancel()
    assert process.returncode in ((0,) if seconds is None else (0, -9)), told
    return max(
        [0, *(int(count) for count in re.findall(r"^committed (\d+) documents", told, re.M))]
    )


def check(collection: Collection, old: list[Document], new: list[Document], committed: int) -> None:
    """Each document is whole in one version, a committed one in the new, with its own vector."""
    found = collection.page(limit=DOCUMENTS + 1).documents
    assert len(found) == DOCUMENTS
    ids = [document.id for document in new]
    for place, document in enumerate(collection.get(ids)):
        assert document in ((new[place],) if place < committed else (old[place], new[place])), place
    places = [*range(0, DOCUMENTS, DOCUMENTS // 8), max(committed - 1, 0)]
    texts = [found[place].text for place in places]
    with open_hashing() as embedder:
        vectors = embedder.embed(texts).vectors
    answers = collection.search([Query(vector=vector, k=1) for vector in vectors])
    for text, answer in zip(texts, answers, strict=True):
        assert answer.hits[0].document.text == text
        assert answer.hits[0].score == pytest.approx(1.0, abs=1e-5)


def kill_and_check(folder: Path, kills: int, seed: int) -> None:
    """Kill so many runs at random moments; check after each, and let every third end."""
    chance = random.Random(seed)
    data, path = folder / "data", folder / "corpus.jsonl"
    write_version(path, 0)
    started = time.monotonic()
    index(path, data, None)
    usual = time.monotonic() - started
    old = new = version(0)
    midway = 0
    for turn in range(kills):
        if turn % 3 == 0:
            number = turn // 3 + 1
            old, new = new, version(number)
            write_version(path, number)
        committed = index(path, data, chance.uniform(0.1, 1.2) * usual)
        midway += 0 < committed < DOCUMENTS
        with Library(Config(data=data, model="hashing")) as library:
            check(library.open("default"), old, new, committed)
        if turn % 3 == 2:
            index(path, data, None)
            with Library(Config(data=data, model="hashing")) as library:
                check(library.open("default"), old, new, DOCUMENTS)
    assert midway, "no run was killed while it wrote: the moments are chosen badly"


def test_a_killed_update_keeps_what_was_committed(tmp_path: Path) -> None:
    """Whatever the moment, each document is there, old or new, and the same command goes on."""
    kill_and_check(tmp_path, FEW_KILLS, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_killed_updates_keep_what_was_committed(tmp_path: Path) -> None:
    """The same, at many more moments."""
    kill_and_check(tmp_path, MANY_KILLS, seed=2)


IMAGES, FEW_IMAGES = 3_000, 600


def start_images(folder: Path, data: Path, told: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """A process that indexes a folder of images; ``told`` is its standard error."""
    inherited = {name: value for name, value in os.environ.items() if "BEARING" not in name}
    return subprocess.Popen(
        [sys.executable, "-m", "indexer", "index", str(folder), "--data", str(data), "--json"],
        env=inherited | {"BEARING_MODEL": "hashing-images"},
        stdout=subprocess.PIPE,
        stderr=told,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[dict, int]:
    """The figures of a run that ends by itself, and the most memory it took, in kB."""
    assert process.stdout is not None
    answer = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return json.loads(answer), usage.ru_maxrss


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_killed_run_over_images_goes_on(tmp_path: Path) -> None:
    """What was committed is not decoded again, and memory does not grow with the folder."""
    folder, few = tmp_path / "all", tmp_path / "few"
    for number in range(IMAGES):
        for place in (folder, few) if number < FEW_IMAGES else (folder,):
            place.mkdir(exist_ok=True)
            colour = (number % 256, number // 256, 99)
            Image.new("RGB", (24, 16), colour).save(place / f"{number:05}.png")
    _, some = finish(start_images(few, tmp_path / "few-data"))
    killed = start_images(folder, tmp_path / "data", subprocess.PIPE)
    assert killed.stderr is not None
    committed = 0
    while committed < FEW_IMAGES:
        line = killed.stderr.readline()
        assert line, "it ended before it could be killed"
        found = re.match(r"committed (\d+) documents", line)
        committed = int(found.group(1)) if found else committed
    killed.kill()
    killed.communicate()
    figures, most = finish(start_images(folder, tmp_path / "data"))
    assert figures["written"] + figures["unchanged"] == IMAGES
    assert figures["unchanged"] >= committed
    assert most < 1.2 * some
