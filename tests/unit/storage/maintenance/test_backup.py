"""Backups: one state, whole or not at all, and back."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from formats import make_first, make_newer
from local import create_local, open_local
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import AlreadyExists, Damaged, InvalidInput, NotFound, OtherFormat
from indexer.index_choice import IndexChoice, IndexKind
from indexer.reports import Step
from indexer.storage.maintenance.backup import back_up, collection_of, last_backup, restore
from indexer.storage.maintenance.manifest import MANIFEST, Manifest, Member
from indexer.storage.maintenance.verification import verify


def quiet(_: object) -> None:
    """Hear nothing of progress."""


def put(collection: Collection, number: int, documents: int = 50) -> None:
    """A batch of documents, each with the batch's number."""
    vectors = random_units(documents, seed=number)
    collection.put(
        [
            EmbeddedDocument(
                Document(f"{number}-{i}", "text", None, {"batch": number}),
                (Chunk(0, 0, 4),),
                vectors[i : i + 1],
            )
            for i in range(documents)
        ]
    )


def documents_in(folder: Path) -> dict[str, Document]:
    """All documents of a small collection."""
    with open_local(folder) as collection:
        return {one.id: one for one in collection.page(limit=100_000).documents}


def vectors_in(folder: Path) -> list[bytes]:
    """All vectors of a small collection, by document."""
    with open_local(folder) as collection:
        ids = [one.id for one in collection.page(limit=100_000).documents]
        return [one.vectors.tobytes() for one in collection.vectors(ids) if one]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with an index, a choice of it, deleted documents, and a torn tail."""
    folder = tmp_path_factory.mktemp("made") / "things"
    with create_local(folder, make_identity()) as collection:
        for number in range(30):
            put(collection, number)
        collection.delete([f"3-{i}" for i in range(50)])
        collection.rebuild(IndexChoice(IndexKind.SCAN, 0.9))
    with (folder / "generations" / "1" / "vectors.f32").open("ab") as file:
        file.write(b"torn")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "things"))


def test_what_is_restored_is_what_was_backed_up(folder: Path, tmp_path: Path) -> None:
    """Documents, vectors, index and its choice come back under another name, and are sound."""
    made = back_up(folder, tmp_path / "b.tar", quiet)
    assert (made.collection, made.model, made.documents) == ("things", "test-model", 1450)
    assert restore(tmp_path / "b.tar", tmp_path / "copy", quiet) == made
    assert documents_in(tmp_path / "copy") == documents_in(folder)
    assert vectors_in(tmp_path / "copy") == vectors_in(folder)
    assert verify(tmp_path / "copy", None, quiet).sound
    with open_local(tmp_path / "copy") as copy, open_local(folder) as original:
        restored, kept = copy.describe().index, original.describe().index
        assert {**restored, "lexical": None} == {**kept, "lexical": None}
        assert copy.identity.require(original.identity) is None
        put(copy, 99)
    assert len(documents_in(tmp_path / "copy")) == 1500
    assert {path.name for path in tmp_path.iterdir()} == {"things", "copy", "b.tar"}


def test_any_tar_reads_a_backup_and_its_manifest_tells_each_file(
    folder: Path, tmp_path: Path
) -> None:
    """The archive holds the committed vectors and nothing behind them; each hash is right."""
    back_up(folder, tmp_path / "b.tar", quiet)
    with tarfile.open(tmp_path / "b.tar") as archive:
        data = {entry.name: archive.extractfile(entry).read() for entry in archive}
    manifest = json.loads(data.pop(MANIFEST).splitlines()[0])
    told = {one["name"]: (one["bytes"], one["sha256"]) for one in manifest["members"]}
    assert told == {
        name: (len(held), hashlib.sha256(held).hexdigest()) for name, held in data.items()
    }
    assert len(data["generations/1/vectors.f32"]) == 1500 * DIMENSION * 4
    assert sorted(name.split("/")[-1].split("-")[0] for name in data) == [
        "index.json", "sealed", "sealed.json", "store.sqlite", "vectors.f32"
    ]  # fmt: skip


def test_the_same_state_gives_the_same_backup(folder: Path, tmp_path: Path) -> None:
    """Neither the time nor the user is in it."""
    for name in ("a.tar", "b.tar"):
        back_up(folder, tmp_path / name, quiet)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    """Neither a file by a backup nor a collection by a restore."""
    back_up(folder, tmp_path / "b.tar", quiet)
    before = (tmp_path / "b.tar").read_bytes()
    with pytest.raises(AlreadyExists, match=r"b\.tar"):
        back_up(folder, tmp_path / "b.tar", quiet)
    with pytest.raises(AlreadyExists, match="another name"):
        restore(tmp_path / "b.tar", folder, quiet)
    assert (tmp_path / "b.tar").read_bytes() == before


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    """No collection, no folder for the backup, no backup."""
    with pytest.raises(NotFound, match="nothing"):
        back_up(tmp_path / "nothing", tmp_path / "b.tar", quiet)
    with pytest.raises(InvalidInput, match="make it first"):
        back_up(folder, tmp_path / "no" / "b.tar", quiet)
    with pytest.raises(NotFound, match=r"b\.tar"):
        restore(tmp_path / "b.tar", tmp_path / "copy", quiet)


def test_a_backup_is_of_one_state_while_batches_come_in(tmp_path: Path) -> None:
    """Every backup that is made while another thread writes holds whole batches, in order."""
    folder, stop = tmp_path / "things", threading.Event()
    with create_local(folder, make_identity()) as collection:
        put(collection, 0)
        done = [0]

        def write() -> None:
            while not stop.is_set():
                put(collection, done[-1] + 1)
                done.append(done[-1] + 1)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(8):
                acknowledged = done[-1]
                back_up(folder, tmp_path / f"{number}.tar", quiet)
                restore(tmp_path / f"{number}.tar", tmp_path / f"copy{number}", quiet)
                held = documents_in(tmp_path / f"copy{number}")
                last = max(one.metadata["batch"] for one in held.values())
                assert last >= acknowledged
                assert len(held) == 50 * (last + 1)
                assert verify(tmp_path / f"copy{number}", None, quiet).sound
        finally:
            stop.set()
            writer.join()
    assert done[-1] > 8


def test_a_backup_is_of_one_state_while_generations_change(tmp_path: Path) -> None:
    """A compaction that takes files away does not take them from a backup."""
    folder, stop = tmp_path / "things", threading.Event()
    with create_local(folder, make_identity()) as collection:
        for number in range(4):
            put(collection, number)

        def compact() -> None:
            while not stop.is_set():
                collection.compact()

        compactor = threading.Thread(target=compact)
        compactor.start()
        try:
            for number in range(12):
                back_up(folder, tmp_path / f"{number}.tar", quiet)
                restore(tmp_path / f"{number}.tar", tmp_path / f"copy{number}", quiet)
                report = verify(tmp_path / f"copy{number}", None, quiet)
                assert report.sound, report.findings
                assert report.documents == 200
        finally:
            stop.set()
            compactor.join()


def test_a_draft_is_backed_up_with_what_it_is_beside(folder: Path, tmp_path: Path) -> None:
    """A move to another model that was under way goes on in the restored collection."""
    other = replace(make_identity(), weights="o" * 64)
    with open_local(folder) as collection, collection.migrate(other) as migration:
        first = migration.pending(100)
        vectors = random_units(1)
        migration.put([EmbeddedDocument(one, (Chunk(0, 0, 1),), vectors) for one in first])
    back_up(folder, tmp_path / "b.tar", quiet)
    restore(tmp_path / "b.tar", tmp_path / "copy", quiet)
    with open_local(tmp_path / "copy") as copy, copy.migrate(other) as migration:
        left = migration.pending(10_000)
        assert len(left) == 1350
        migration.put([EmbeddedDocument(one, (Chunk(0, 0, 1),), vectors) for one in left])
        assert migration.finish()
        assert copy.describe().documents == 1450
        assert copy.identity.weights == other.weights
    assert verify(tmp_path / "copy", None, quiet).sound


def test_damaged_vectors_are_not_backed_up(folder: Path, tmp_path: Path) -> None:
    """A backup of what was not written would be none: it is refused, and nothing is left."""
    path = folder / "generations" / "1" / "vectors.f32"
    data = bytearray(path.read_bytes())
    data[77] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="bearing verify"):
        back_up(folder, tmp_path / "b.tar", quiet)
    path.write_bytes(data[:5000])
    with pytest.raises(Damaged):
        back_up(folder, tmp_path / "b.tar", quiet)
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        back_up(folder, tmp_path / "b.tar", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["things"]


def rewritten(source: Path, target: Path, change: dict[str, bytes | None]) -> None:
    """A copy of an archive with some members changed, left out (None), or added."""
    with tarfile.open(source) as archive, tarfile.open(target, "w") as copy:
        data = {entry.name: archive.extractfile(entry).read() for entry in archive}
        manifest = data.pop(MANIFEST)
        for name, held in {**data, MANIFEST: manifest, **change}.items():
            if held is not None:
                entry = tarfile.TarInfo(name)
                entry.size = len(held)
                copy.addfile(entry, io.BytesIO(held))


def manifest_of(path: Path) -> Manifest:
    """The manifest of a backup."""
    with tarfile.open(path) as archive:
        return Manifest.decode(archive.extractfile(MANIFEST).read())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"store.sqlite": b"another"}, "store.sqlite is not what was backed up"),
        ({"store.sqlite": None}, "store.sqlite is not what was backed up"),
        ({"generations/1/vectors.f32": b""}, "vectors.f32 is not what was backed up"),
        ({MANIFEST: None}, "it ends before its manifest"),
        ({MANIFEST: b"{}\n"}, "its manifest is not what was written"),
        ({MANIFEST: b"x" * 2_000_000}, "its manifest is not what was written"),
    ],
)
def test_a_backup_that_was_changed_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, bytes | None], said: str
) -> None:
    """The file and what is wrong are named, and no collection comes of it."""
    back_up(folder, tmp_path / "b.tar", quiet)
    rewritten(tmp_path / "b.tar", tmp_path / "c.tar", change)
    with pytest.raises(Damaged, match=said) as caught:
        restore(tmp_path / "c.tar", tmp_path / "copy", quiet)
    assert "c.tar" in str(caught.value)
    if MANIFEST in change:
        with pytest.raises(Damaged, match=said):
            collection_of(tmp_path / "c.tar")
    assert {path.name for path in tmp_path.iterdir()} == {"things", "b.tar", "c.tar"}


@pytest.mark.parametrize(
    "name",
    ["../evil", "/tmp/evil", "generations/1/../../evil", "store.sqlite-wal", "generations/0/x"],
)
def test_a_foreign_member_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    """Nothing is written that no backup holds, wherever it says it belongs."""
    back_up(folder, tmp_path / "b.tar", quiet)
    manifest = manifest_of(tmp_path / "b.tar")
    member = Member(name, 4, hashlib.sha256(b"evil").hexdigest())
    manifest = replace(manifest, members=(*manifest.members, member))
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        for held_name, held in ((name, b"evil"), (MANIFEST, manifest.encode())):
            entry = tarfile.TarInfo(held_name)
            entry.size = len(held)
            archive.addfile(entry, io.BytesIO(held))
    with pytest.raises(Damaged, match="is no backup: it holds"):
        restore(tmp_path / "c.tar", tmp_path / "copy", quiet)
    assert {path.name for path in tmp_path.iterdir()} == {"things", "b.tar", "c.tar"}


def test_a_link_is_refused(tmp_path: Path) -> None:
    """An archive that points elsewhere is not followed."""
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        entry = tarfile.TarInfo("store.sqlite")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(Damaged, match="is no backup"):
        restore(tmp_path / "c.tar", tmp_path / "copy", quiet)


def test_a_backup_of_another_format_is_refused(folder: Path, tmp_path: Path) -> None:
    """A later version's backup is not misread; the refusal says what to do."""
    back_up(folder, tmp_path / "b.tar", quiet)
    later = replace(manifest_of(tmp_path / "b.tar"), format=9)
    rewritten(tmp_path / "b.tar", tmp_path / "c.tar", {MANIFEST: later.encode()})
    with pytest.raises(OtherFormat, match=r"c\.tar was written by a newer version.*format 9"):
        restore(tmp_path / "c.tar", tmp_path / "copy", quiet)


def with_store(source: Path, target: Path, change: Callable[[Path], None]) -> None:
    """A copy of a backup whose store is changed, and whose manifest knows it."""
    manifest, store = manifest_of(source), target.with_name("changed.sqlite")
    with tarfile.open(source) as archive:
        store.write_bytes(archive.extractfile("store.sqlite").read())
    change(store)
    held = store.read_bytes()
    store.unlink()
    member = Member("store.sqlite", len(held), hashlib.sha256(held).hexdigest())
    others = [one for one in manifest.members if one.name != member.name]
    changed = replace(manifest, members=(member, *others))
    rewritten(source, target, {member.name: held, MANIFEST: changed.encode()})


def test_a_backup_of_a_store_of_another_format_is_refused(folder: Path, tmp_path: Path) -> None:
    """A later version's store is told before a collection comes of it."""
    back_up(folder, tmp_path / "b.tar", quiet)
    with_store(tmp_path / "b.tar", tmp_path / "c.tar", make_newer)
    with pytest.raises(OtherFormat, match=r"c\.tar was written by a newer version.*format 99"):
        restore(tmp_path / "c.tar", tmp_path / "copy", quiet)
    assert {path.name for path in tmp_path.iterdir()} == {"things", "b.tar", "c.tar"}


def test_a_backup_of_an_earlier_store_is_restored(folder: Path, tmp_path: Path) -> None:
    """The collection that comes of it is brought up to date when it is opened."""
    back_up(folder, tmp_path / "b.tar", quiet)
    with_store(tmp_path / "b.tar", tmp_path / "c.tar", make_first)
    restore(tmp_path / "c.tar", tmp_path / "copy", quiet)
    assert documents_in(tmp_path / "copy") == documents_in(folder)
    assert verify(tmp_path / "copy", None, quiet).sound


def test_progress_comes_to_its_end(folder: Path, tmp_path: Path) -> None:
    """Each step is told, and the last of each is the whole."""
    steps: list[Step] = []
    back_up(folder, tmp_path / "b.tar", steps.append)
    last = {step.name: step for step in steps}
    assert last.keys() == {"store", "archive"}
    assert all(step.done == step.total > 0 for step in last.values())


def test_the_last_backup_is_known_to_the_collection(folder: Path, tmp_path: Path) -> None:
    """It tells when it was backed up last; a refused backup, or a restored copy, knows of none."""
    with open_local(folder) as collection:
        assert collection.describe().backed_up is None
        with pytest.raises(InvalidInput):
            back_up(folder, tmp_path / "no" / "folder.tar", quiet)
        assert last_backup(folder) is None
        back_up(folder, tmp_path / "one.tar", quiet)
        first = collection.describe().backed_up
        assert first is not None
        back_up(folder, tmp_path / "two.tar", quiet)
        assert (collection.describe().backed_up or 0) >= first
    restore(tmp_path / "two.tar", tmp_path / "copy", quiet)
    assert last_backup(tmp_path / "copy") is None
