"""Full disks, read-only folders, two writers, a clock that jumps: clear errors, nothing lost."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from killing import BASE_DOCUMENTS, Operation, State, create, embed, identity_of, matching
from local import open_local

from indexer.config import Config
from indexer.documents import Document
from indexer.errors import BearingError, CollectionBusy, StorageFailed
from indexer.index_choice import IndexChoice, IndexKind
from indexer.library import Library
from indexer.queries import Query
from indexer.reports import Broken
from indexer.storage.maintenance.backup import back_up, restore
from indexer.storage.maintenance.verification import verify

MEBIBYTE = 1 << 20


def quiet(_: object) -> None:
    """Hear nothing of progress."""


def fill(root: Path, state: State, dice: random.Random) -> tuple[State, int]:
    """Write until nothing more fits; what was acknowledged, and how often a write failed."""
    failures = 0
    with open_local(root / "things") as collection:
        for number in range(400):
            operation = Operation("put", number)
            big = Document(f"big{number}", f"word{number} " + "x" * dice.randrange(60_000))
            try:
                operation.perform(collection, root / "backups")
                state = operation.applied(state)
                collection.put([embed(big, state.model)])
                state.documents[big.id] = big
            except StorageFailed:
                failures += 1
                if failures == 5:
                    break
        assert len(collection.search([Query(vector=embed(big, state.model).vectors[0])])) == 1
    return state, failures


def is_as_acknowledged(root: Path, state: State) -> None:
    """All that was acknowledged is there, and the next write succeeds."""
    dice = random.Random(0)
    state = matching(root / "things", [state], dice)
    with open_local(root / "things") as collection:
        document = Document("after", "afterwards")
        collection.put([embed(document, state.model)])
    state.documents["after"] = document
    matching(root / "things", [state], dice)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """On a small file system: writes fail clearly until there is room, reads and searches go on."""
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "bearing-test", mount], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.decode().strip()}")
    try:
        state = create(mount)
        ballast = mount / "ballast"
        ballast.write_bytes(bytes(2 * MEBIBYTE))
        state, failures = fill(mount, state, random.Random(1))
        assert failures == 5
        with pytest.raises(StorageFailed, match=r"backups.*(No space left|disk is full)"):
            back_up(mount / "things", mount / "backups" / "b.tar", quiet)
        assert list((mount / "backups").iterdir()) == []
        ballast.unlink()
        is_as_acknowledged(mount, state)
    finally:
        subprocess.run(["umount", "--lazy", mount], check=True)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "size",
    [90_000, 400_000, *(pytest.param(one, marks=pytest.mark.long) for one in (100_000, 1_500_000))],
)
def test_files_that_cannot_grow_lose_nothing(tmp_path: Path, size: int) -> None:
    """Whichever file meets its limit first, vectors or log, acknowledged writes stay whole."""
    state = create(tmp_path)
    with file_size_limit(size):
        state, failures = fill(tmp_path, state, random.Random(2))
    assert failures == 5
    is_as_acknowledged(tmp_path, state)


def test_an_index_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    """Sealing that fails says so; searches go on as before."""
    state = create(tmp_path)
    with open_local(tmp_path / "things") as collection:
        collection.rebuild(IndexChoice(IndexKind.SCAN))
        with file_size_limit(2_000), pytest.raises(StorageFailed, match=r"sealed-.*File too large"):
            collection.rebuild(IndexChoice(IndexKind.SCAN, 0.9))
        assert collection.describe().index["kind"] == "scan"
    matching(tmp_path / "things", [state], random.Random(0))
    assert not list((tmp_path / "things").rglob(".*.draft"))


@contextmanager
def unprivileged() -> Iterator[None]:
    """For root, permissions mean nothing: be nobody for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A folder that anyone may enter."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield root
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(root)


def make_read_only(folder: Path) -> None:
    """Take away the right to write, from the files and the folders."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def refuses_to_write(folder: Path) -> None:
    """Whatever would change a read-only collection is refused with a clear error."""
    document = Document("new", "word")
    with open_local(folder) as collection:
        for write in (
            lambda: collection.put([embed(document, "model-a")]),
            lambda: collection.delete(["base1"]),
            lambda: collection.amend([collection.get(["base1"])[0]]),
            lambda: collection.rebuild(IndexChoice(IndexKind.PARTITIONED)),
            lambda: collection.compact(),
            lambda: collection.migrate(identity_of("model-b")),
        ):
            with pytest.raises(StorageFailed, match="Permission denied"):
                write()
        assert collection.get(["new", "base1"])[0] is None


def test_a_read_only_folder_is_read(open_root: Path) -> None:
    """A collection on a read-only medium opens, answers, is verified and backed up."""
    state = create(open_root)
    with open_local(open_root / "things") as collection:
        collection.rebuild(IndexChoice(IndexKind.SCAN))
    make_read_only(open_root / "things")
    (open_root / "backups").chmod(0o777)
    with unprivileged():
        matching(open_root / "things", [state], random.Random(0))
        refuses_to_write(open_root / "things")
        back_up(open_root / "things", open_root / "backups" / "b.tar", quiet)
        with pytest.raises(StorageFailed, match="Permission denied"):
            restore(open_root / "backups" / "b.tar", open_root / "copy", quiet)
    restore(open_root / "backups" / "b.tar", open_root / "copy", quiet)
    matching(open_root / "copy", [state], random.Random(0))


def test_a_folder_of_another_user_is_named(open_root: Path) -> None:
    """A data directory, or a collection in it, that may not be entered is a clear error."""
    create(open_root)
    (open_root / "things").chmod(0o700 if os.geteuid() == 0 else 0)
    with unprivileged(), Library(Config(data=str(open_root), cache=open_root)) as library:
        assert library.names() == ["things"]
        for use in (library.open, library.obtain, library.delete):
            with pytest.raises(StorageFailed, match=r"things cannot be read.*another user"):
                use("things")
        with pytest.raises(StorageFailed, match="things cannot be read"):
            library.verify("things", quiet, with_model=False)
        (broken,) = library.describe_all()
        assert isinstance(broken, Broken)
    (open_root / "things").chmod(0o755)
    open_root.chmod(0o700 if os.geteuid() == 0 else 0)
    with unprivileged(), Library(Config(data=str(open_root), cache=open_root)) as library:
        for use in (library.names, library.describe_all, lambda: library.open("things")):
            with pytest.raises(StorageFailed, match="cannot be read"):
                use()
        with pytest.raises(StorageFailed, match="cannot be read"):
            library.restore(Path(__file__), "new", quiet)
    open_root.chmod(0o755)


def test_a_read_only_folder_that_was_not_closed_says_so(open_root: Path) -> None:
    """A log that needs to be taken in, where nothing can be written, is a clear error."""
    create(open_root)
    (open_root / "things" / "store.sqlite-wal").write_bytes(b"log")
    make_read_only(open_root / "things")
    with unprivileged(), pytest.raises(StorageFailed, match="open it once where it can be"):
        open_local(open_root / "things")


def test_a_reader_without_rights_follows_a_writer(open_root: Path) -> None:
    """Where one process may write, another that may only read sees each commit."""
    create(open_root)
    with open_local(open_root / "things") as writer:
        writer.put([embed(Document("one", "first"), "model-a")])
        for path in (open_root / "things").iterdir():
            path.chmod(0o755 if path.is_dir() else 0o644)
        with unprivileged():
            reader = open_local(open_root / "things")
            assert reader.get(["one"]) != [None]
        writer.put([embed(Document("two", "second"), "model-a")])
        with unprivileged():
            assert reader.get(["two"]) != [None]
            assert len(reader.search([Query(vector=reader.sample(1)[0], k=5000)])[0].hits) == (
                BASE_DOCUMENTS + 2
            )
            reader.close()


_WRITER = """
    import sys
    from pathlib import Path
    from indexer.documents import Document
    from indexer.errors import CollectionBusy
    from local import open_local
    from killing import embed
    name, busy = sys.argv[2], 0
    with open_local(Path(sys.argv[1]) / "things") as collection:
        for number in range(40):
            document = Document(f"{name}{number}", f"{name} {number}")
            while True:
                try:
                    collection.put([embed(document, "model-a")])
                    break
                except CollectionBusy:
                    busy += 1
            collection.delete([f"{name}{number - 5}"])
"""


def test_two_writing_processes_take_turns(tmp_path: Path) -> None:
    """Two processes that write at once each get all of their writes in, and nothing is torn."""
    state = create(tmp_path)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_WRITER), tmp_path, name],
            env={"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        for name in ("left", "right")
    ]
    assert [writer.wait(timeout=240) for writer in writers] == [0, 0]
    for name in ("left", "right"):
        for number in range(35, 40):
            document = Document(f"{name}{number}", f"{name} {number}")
            state.documents[document.id] = document
    matching(tmp_path / "things", [state], random.Random(0))


def test_a_backup_and_a_restore_are_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second backup to the same file, or restore to the same name, is told to wait."""
    import fcntl

    create(tmp_path)
    target = tmp_path / "backups" / "b.tar"
    draft = target.with_name(".b.tar.draft")
    with draft.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CollectionBusy, match="another process is writing"):
            back_up(tmp_path / "things", target, quiet)
    assert draft.exists() and not target.exists()
    back_up(tmp_path / "things", target, quiet)  # what a dead process left is no obstacle
    (tmp_path / ".copy.restored").mkdir()
    (tmp_path / ".copy.restored" / "rest").touch()
    descriptor = os.open(tmp_path / ".copy.restored", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(CollectionBusy, match="another process is restoring"):
            restore(target, tmp_path / "copy", quiet)
        assert (tmp_path / ".copy.restored" / "rest").exists()
    finally:
        os.close(descriptor)
    restore(target, tmp_path / "copy", quiet)
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "generations", "store.sqlite"
    ]  # fmt: skip


@pytest.mark.parametrize("moment", [0, pytest.param(1, marks=pytest.mark.long), 2**40])
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, moment: int) -> None:
    """Files dated to 1970, or to a far future, are read, written and noticed as any others."""
    state = create(tmp_path)
    folder = tmp_path / "things"

    def set_back() -> None:
        for path in folder.rglob("*"):
            os.utime(path, (moment, moment))

    with open_local(folder) as reader, open_local(folder) as writer:
        set_back()
        document = Document("late", "word")
        writer.put([embed(document, "model-a")])
        set_back()
        assert reader.get(["late"]) == [document]
        for target in (0.9, 0.95):
            writer.rebuild(IndexChoice(IndexKind.SCAN, target))
            set_back()
            reader.search([Query(vector=reader.sample(1)[0])])
            for _ in range(100):
                if reader.describe().index.get("target_recall") == target:
                    break
                reader.search([Query(vector=reader.sample(1)[0])])
            else:
                pytest.fail("the reader did not notice the new index")
    state.documents["late"] = document
    matching(folder, [state], random.Random(0))


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    """A backup or restore that is refused leaves the folder as it was."""
    create(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    for attempt in (
        lambda: back_up(tmp_path / "nothing", tmp_path / "b.tar", quiet),
        lambda: back_up(tmp_path / "things", tmp_path / "no" / "b.tar", quiet),
        lambda: back_up(tmp_path / "things", tmp_path / "backups", quiet),
        lambda: restore(tmp_path / "nothing.tar", tmp_path / "copy", quiet),
        lambda: restore(tmp_path / "things" / "store.sqlite", tmp_path / "copy", quiet),
    ):
        with pytest.raises(BearingError):
            attempt()
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert verify(tmp_path / "things", None, quiet).sound
