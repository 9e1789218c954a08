"""A power cut loses what was not made durable before it was acknowledged, so all of it must be.

A kill cannot show this, since the kernel keeps what a dead process had written. Two ways can: a
vector file that forgets what was not synced, and the order of the system calls themselves.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from killing import Operation, create, matching

from indexer.collection import Collection
from indexer.embedding.embedder import Identity
from indexer.errors import BearingError
from indexer.storage.engine import LocalEngine
from indexer.storage.vector_file import VectorFile


class Volatile(VectorFile):
    """A vector file on a disk whose cache is lost: what is not synced never was."""

    def __init__(self, path: Path, dimension: int) -> None:
        super().__init__(path, dimension)
        self._cached: list[tuple[bytes, int]] = []

    def _write(self, descriptor: int, data: memoryview, offset: int) -> None:
        self._cached.append((bytes(data), offset))

    def _sync(self, descriptor: int) -> None:
        for data, offset in self._cached:
            super()._write(descriptor, memoryview(data), offset)


class Forgetful(Volatile):
    """The same, of a collection that does not sync."""

    def _sync(self, descriptor: int) -> None:
        """Nothing."""


class OnVolatileDisk(LocalEngine):
    """A collection whose unsynced vectors are lost at once."""

    file = Volatile

    def _file(self, generation: int, identity: Identity) -> VectorFile:
        whole = super()._file(generation, identity)
        return self.file(whole._path, whole._dimension)

    def _consider_sealing(self) -> None:
        """Not now: nothing is read between a write and the power cut."""


class WithoutSync(OnVolatileDisk):
    """The same without the sync."""

    file = Forgetful


def put_and_lose_power(root: Path, kind: type[LocalEngine]) -> None:
    """Put some documents, acknowledged, then look at what is left."""
    state = create(root)
    collection = Collection(kind(root / "things"))
    operation = Operation("put", 4)
    operation.perform(collection, root)
    collection.close()
    matching(root / "things", [operation.applied(state)], random.Random(0))


def test_vectors_are_durable_before_they_are_acknowledged(tmp_path: Path) -> None:
    """What was put and returned from is there when all that was not synced is lost."""
    put_and_lose_power(tmp_path, OnVolatileDisk)


def test_a_collection_that_does_not_sync_is_caught(tmp_path: Path) -> None:
    """The same fails where the sync is left out: it can fail."""
    with pytest.raises((AssertionError, BearingError), match=r"vectors\.f32"):
        put_and_lose_power(tmp_path, WithoutSync)


_PROGRAM = """
    import sys
    from pathlib import Path
    from killing import Operation
    from local import open_local
    root = Path(sys.argv[1])
    with open_local(root / "things") as collection:
        for kind in sys.argv[2:]:
            print(f"begin {kind}", flush=True)
            Operation(kind, 5).perform(collection, root / "backups")
            print(f"done {kind}", flush=True)
"""

_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += +(-?\d+)")
_WRITES = ("pwrite64", "write", "fsync", "fdatasync", "rename", "link", "linkat", "ftruncate")


def traced_calls(root: Path, *kinds: str) -> list[tuple[str, str]]:
    """The calls that a process makes on its files for these operations: name and files."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace = root / "trace"
    done = subprocess.run(
        [strace, "-f", "-y", "-qq", "-s", "40", "-o", trace, "-e", f"trace={','.join(_WRITES)}",
         sys.executable, "-c", textwrap.dedent(_PROGRAM), root, *kinds],
        capture_output=True, text=True, env={"PYTHONPATH": str(Path(__file__).parents[1])},
        timeout=240,
    )  # fmt: skip
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("this machine does not let processes be traced")
    assert done.returncode == 0, done.stderr
    calls = []
    for line in trace.read_text().splitlines():
        found = _CALL.match(line)
        if found and int(found[3]) >= 0:
            calls.append((found[1], found[2]))
    return calls


def during(calls: list[tuple[str, str]], kind: str) -> list[tuple[str, str]]:
    """The calls of one operation."""
    told = [i for i, (name, text) in enumerate(calls) if name == "write" and f" {kind}" in text]
    return calls[told[0] + 1 : told[1]]


def places(calls: list[tuple[str, str]], names: str, file: str) -> list[int]:
    """When one of these calls was made on a file whose path matches."""
    wanted = names.split("|")
    return [i for i, (own, text) in enumerate(calls) if own in wanted and re.search(file, text)]


def test_each_operation_syncs_before_what_relies_on_it(tmp_path: Path) -> None:
    """Vectors are synced before the log is written, the log before the call returns."""
    create(tmp_path)
    calls = traced_calls(tmp_path, "put", "delete", "rebuild", "backup")
    sync = "fsync|fdatasync"
    put = during(calls, "put")
    vectors, vectors_synced = places(put, "pwrite64", "vectors"), places(put, sync, "vectors")
    log, log_synced = places(put, "pwrite64", "-wal"), places(put, sync, "-wal")
    assert vectors[-1] < vectors_synced[0] < log[0]
    assert log[-1] < log_synced[-1]
    delete = during(calls, "delete")
    assert places(delete, "pwrite64", "-wal")[-1] < places(delete, sync, "-wal")[-1]
    rebuild = during(calls, "rebuild")
    for draft in (r"\.sealed-\w+-\w+\.faiss\.\d+\.draft", r"\.sealed\.json\.\d+\.draft"):
        written, synced = places(rebuild, "write", draft), places(rebuild, sync, draft)
        assert written[-1] < synced[-1] < places(rebuild, "rename", draft)[0]
    folder = places(rebuild, sync, r"generations/1>")
    index = places(rebuild, "rename", r"\.faiss")[0]
    description = places(rebuild, "rename", r"sealed\.json")[0]
    assert index < folder[0] < description < folder[1]
    backup = during(calls, "backup")
    draft, named = places(backup, "write", "tar.draft"), places(backup, "link|linkat", "tar")
    assert draft[-1] < places(backup, sync, "tar.draft")[-1] < named[0]
    assert named[0] < places(backup, sync, "backups>")[-1]
