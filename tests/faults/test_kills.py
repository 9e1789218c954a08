"""SIGKILL at random moments loses nothing acknowledged; what was under way is whole or not there.

A kill loses what a process had not handed to the kernel, not what the kernel had not written:
that is for test_power_cuts.py.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from killing import KINDS, Trial
from local import open_local

from indexer.collection import Collection
from indexer.documents import EmbeddedDocument, Vectors
from indexer.errors import BearingError
from indexer.storage.engine import LocalEngine
from indexer.storage.generation.migration import joined_vectors
from indexer.storage.generation.row_writer import RowWriter
from indexer.storage.maintenance.verification import verify
from indexer.storage.vector_file import VectorFile

_log = logging.getLogger(__name__)


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Four kills, some without a look between: each time all that was acknowledged is there."""
    trial = Trial(tmp_path, seed=1)
    trial.kill(4)
    assert trial.landed.total() == 4
    assert trial.acknowledged > 4
    assert len(trial.landed) >= 2


def test_threads_that_write_at_once_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """Of documents that four threads put at the same time each is there once its put returned."""
    program = """
import os, sys, threading
from local import create_local
from indexer.documents import Document
from indexer.embedding.hashing_engine import open_hashing
from indexer.ingestion.changes import store
from pathlib import Path

model = open_hashing(16)
collection = create_local(Path(sys.argv[1]), model.identity)

def put(thread):
    for number in range(1_000_000):
        store(collection, model, [Document(f"{thread} {number}", f"text {number}")])
        os.write(1, f"{thread} {number}\\n".encode())  # whole lines, whichever thread is next

for thread in range(4):
    threading.Thread(target=put, args=(thread,)).start()
"""
    folder = tmp_path / "written"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [next(writer.stdout) for _ in range(60)]
        writer.kill()
        acknowledged += writer.stdout
    whole = [line[:-1] for line in acknowledged if line.endswith("\n")]
    with open_local(folder) as collection:
        assert None not in collection.get(whole)
        assert None not in collection.vectors(whole)
        assert verify(folder, None, lambda *_: None).sound


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(6))
def test_hundreds_of_kills_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Sixty kills for each of six collections: they land in all kinds of change."""
    trial = Trial(tmp_path, seed=1000 + seed)
    trial.kill(60)
    landed = ", ".join(f"{kind} {count}" for kind, count in trial.landed.most_common())
    _log.warning("%d operations were acknowledged; kills landed in: %s", trial.acknowledged, landed)
    assert len(set(KINDS) - set(trial.landed)) <= 1
    assert trial.landed["between"] <= 20


def opened_by(kind: type[LocalEngine], folder: Path) -> Collection:
    """A collection that this kind of engine keeps."""
    return Collection(kind(folder))


class CommitsBeforeItAppends(LocalEngine):
    """Says that rows exist before their vectors are in the file."""

    def put(self, documents: list[EmbeddedDocument]) -> None:
        """In the wrong order, killed in between."""
        with self._lock.held("write"), self._store.writing() as transaction:
            generation = transaction.generation()
            identity = self.identity
            vectors = joined_vectors(documents, identity)
            RowWriter(transaction, generation.number, generation.rows).put(documents, vectors)
        os.kill(os.getpid(), signal.SIGKILL)


class AppendsWhereTheFileEnds(VectorFile):
    """Believes that what is at the file's end is the last committed row."""

    def append(self, rows: int, vectors: Vectors) -> None:
        """Behind whatever is there, in two parts, as slowly as a disk may be."""
        for part in np.array_split(vectors, 2):
            with self._path.open("ab") as file:
                file.write(part.tobytes())
            time.sleep(0.005)


class KeepsTornTails(LocalEngine):
    """Never cuts off what a killed writer left behind the committed rows."""

    def _file(self, generation: int, identity: object) -> VectorFile:
        whole = super()._file(generation, identity)
        return AppendsWhereTheFileEnds(whole._path, whole._dimension)


@pytest.mark.parametrize(
    "broken", [CommitsBeforeItAppends, pytest.param(KeepsTornTails, marks=pytest.mark.long)]
)
def test_a_broken_order_of_writing_is_caught(tmp_path: Path, broken: type[LocalEngine]) -> None:
    """The same trial fails for a collection that writes in another order: it can fail."""
    trial = Trial(tmp_path, seed=2, open_collection=partial(opened_by, broken))
    with pytest.raises((AssertionError, BearingError), match=r"vectors\.f32"):
        trial.kill(60)
    assert trial.landed["put"] >= 1
