"""Files that are cut, flipped or lost: found, said clearly, and never guessed at."""

from __future__ import annotations

import atexit
import json
import random
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from killing import Operation, State, all_documents, create, embed, identity_of, matching
from local import create_local, open_local
from samples import random_units

from indexer.documents import Document, StoredVectors
from indexer.errors import BearingError, Damaged
from indexer.filters import parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Query
from indexer.storage.maintenance.backup import back_up, restore
from indexer.storage.maintenance.verification import verify

FLIPS, MANY_FLIPS = 12, 150


def quiet(_: object) -> None:
    """Hear nothing of progress."""


def checked(folder: Path) -> list[str]:
    """What verify finds, as text."""
    report = verify(folder, None, quiet)
    return [f"{one.place}: {one.problem}" for one in report.findings]


@cache
def kept(make: Callable[[Path], None]) -> Path:
    """A collection that a function makes, made once."""
    root = Path(tempfile.mkdtemp(prefix="bearing-damage-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    make(root)
    return root / "things"


def make_varied(folder: Path) -> None:
    """A collection of a few hundred documents with all that a document can have."""
    shutil.copytree(kept(_make_varied), folder)


def _make_varied(root: Path) -> None:
    documents = [
        Document(
            f"d{i}",
            f"word{i} " * (1 + i % 4),
            f"Title {i}" if i % 3 else None,
            {"n": i % 7, "tags": ["a", i], "x": i / 3, "none": None, "yes": i % 2 == 0},
        )
        for i in range(300)
    ]
    embedded = [replace(embed(one, "model-a"), truncated=one.id > "d7") for one in documents]
    with create_local(root / "things", identity_of("model-a")) as collection:
        collection.put(embedded)
        collection.delete([f"d{i}" for i in range(40, 60)])


def readable(stored: StoredVectors | None) -> object:
    """A document's chunks and vectors, to be compared."""
    return stored and (stored.chunks, stored.vectors.tobytes())


def content(folder: Path) -> object:
    """All that can be read of a collection."""
    conditions = ({"n": 3}, {"tags": "a"}, {"x": {"$gt": 20.5}}, {"yes": True}, {"none": None})
    with open_local(folder) as collection:
        documents = dict(all_documents(collection))
        vectors = [readable(one) for one in collection.vectors(list(documents))]
        passing = [
            [one.id for one in collection.page(parse_filter(c), limit=1000).documents]
            for c in conditions
        ]
        hits = collection.search([Query(vector=random_units(1)[0], k=1000)])[0].hits
        counts = collection.describe()
        return (
            documents,
            vectors,
            passing,
            [(hit.document.id, hit.score) for hit in hits],
            (counts.documents, counts.chunks, counts.truncated),
        )


@pytest.mark.parametrize("flips", [FLIPS, pytest.param(MANY_FLIPS, marks=pytest.mark.long)])
def test_a_flipped_bit_of_the_store_is_found_or_changes_nothing(tmp_path: Path, flips: int) -> None:
    """Whatever one flipped bit changes in what can be read, verify finds it.

    Reading such a store answers, or raises an error of ours; verify always answers.
    """
    folder, dice = tmp_path / "things", random.Random(3)
    make_varied(folder)
    store = folder / "store.sqlite"
    whole, expected, outcomes = store.read_bytes(), content(folder), Counter()
    for _ in range(flips):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        for path in folder.glob("store.sqlite*"):
            path.unlink()
        store.write_bytes(flipped)
        found = checked(folder)
        try:
            changed = content(folder) != expected
        except BearingError:
            changed = True
        assert found or not changed
        outcomes[changed] += 1
    assert min(outcomes[True], outcomes[False]) > flips / 10


@pytest.mark.parametrize("flips", [6, pytest.param(40, marks=pytest.mark.long)])
def test_a_flipped_bit_of_the_vectors_is_found(tmp_path: Path, flips: int) -> None:
    """Each bit of the vectors counts: the block it is in is named."""
    folder, dice = tmp_path / "things", random.Random(4)
    make_varied(folder)
    vectors = folder / "generations" / "1" / "vectors.f32"
    whole = vectors.read_bytes()
    for _ in range(flips):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        vectors.write_bytes(flipped)
        found = checked(folder)
        assert found and all("generations/1/vectors.f32" in one for one in found)
        assert any("by their checksum" in one for one in found)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("file", ["store.sqlite", "generations/1/vectors.f32"])
def test_a_cut_file_is_named(tmp_path: Path, file: str, share: float) -> None:
    """A store or vector file that lost its end is said to be damaged, when opened and verified."""
    folder = tmp_path / "things"
    make_varied(folder)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: int(len(whole) * share)])
    name = Path(file).name
    assert any(name in one for one in checked(folder))
    if share < 0.9 or name != "store.sqlite":  # its last bytes may belong to no document
        with pytest.raises(Damaged, match=name):
            content(folder)


def _seal(root: Path) -> None:
    create(root)
    with open_local(root / "things") as collection:
        collection.rebuild(IndexChoice(IndexKind.SCAN))


def sealed_collection(root: Path) -> State:
    """A collection with an index."""
    state = create(root)
    shutil.copytree(kept(_seal), root / "things", dirs_exist_ok=True)
    return state


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("sealed-*.faiss", lambda path: path.unlink()),
        pytest.param(
            "sealed-*.faiss",
            lambda path: path.write_bytes(path.read_bytes()[:-100]),
            marks=pytest.mark.long,
        ),
        ("sealed-*.faiss", lambda path: path.write_bytes(b"\0" + path.read_bytes()[1:])),
        ("sealed.json", lambda path: path.write_bytes(path.read_bytes()[:50])),
        pytest.param(
            "sealed.json",
            lambda path: path.write_text('{"format": 1}'),
            marks=pytest.mark.long,
        ),
    ],
    ids=["lost", "cut", "flipped", "description cut", "description empty"],
)
def test_a_damaged_index_is_told_and_built_again(
    tmp_path: Path, pattern: str, damage: object
) -> None:
    """Nothing is lost with an index: searches stay exact, and it comes back by itself."""
    state = sealed_collection(tmp_path)
    folder = tmp_path / "things"
    (path,) = (folder / "generations" / "1").glob(pattern)
    damage(path)
    found = checked(folder)
    assert found and all(one.startswith("sealed.json: ") for one in found)
    with open_local(folder) as collection:
        assert collection.describe().index["kind"] == "exact"
        collection.put([embed(document := Document("new", "word"), "model-a")])
    with open_local(folder) as collection:
        assert collection.describe().index["kind"] == "scan"
    state.documents["new"] = document
    matching(folder, [state], random.Random(0))


@pytest.mark.parametrize("flips", [4, pytest.param(20, marks=pytest.mark.long)])
def test_a_flipped_bit_of_an_index_or_its_description_is_found(tmp_path: Path, flips: int) -> None:
    """Each bit of the index counts, and each of its description that is not lost in reading it.

    A description that reads the same (a space for another) says what was written.
    """
    sealed_collection(tmp_path)
    folder, dice = tmp_path / "things", random.Random(6)
    place = folder / "generations" / "1"
    for pattern, least in (("sealed-*.faiss", flips), ("sealed.json", flips * 3 / 4)):
        (path,) = place.glob(pattern)
        whole, found = path.read_bytes(), 0
        for _ in range(flips):
            flipped = bytearray(whole)
            flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
            path.write_bytes(flipped)
            told = checked(folder)
            assert all(one.startswith("sealed.json: ") for one in told)
            assert told or same_description(flipped, whole)
            found += bool(told)
        path.write_bytes(whole)
        assert found >= least


def same_description(one: bytes, other: bytes) -> bool:
    """Whether two descriptions say the same."""
    return bool(json.loads(one) == json.loads(other))


def test_an_index_over_other_vectors_is_found(tmp_path: Path) -> None:
    """An index with the right hash that does not find stored vectors is told."""
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
        sealed_collection(root)
    with open_local(roots[1] / "things") as collection:
        documents = [Document(f"base{i}", f"other{i}") for i in range(1200)]
        collection.put([embed(document, "model-a") for document in documents])
        collection.compact()
        collection.rebuild()
        kept = int(collection.describe().index["rows"])
    one, two = roots[0] / "things" / "generations" / "1", roots[1] / "things" / "generations" / "2"
    assert kept == 1200
    for path in one.glob("sealed*"):
        path.unlink()
    for path in two.glob("sealed*"):
        shutil.copy(path, one)
    (found,) = checked(roots[0] / "things")
    assert "of vectors that are stored when asked for them" in found


def test_an_unreadable_choice_of_index_is_named(tmp_path: Path) -> None:
    """The file that says which index to keep is named, with what to do."""
    sealed_collection(tmp_path)
    (tmp_path / "things" / "index.json").write_text("{")
    with pytest.raises(Damaged, match=r"index\.json .*bearing rebuild"):
        open_local(tmp_path / "things")


_DIE_WITH_LOG = """
    import os, sys
    from pathlib import Path
    from killing import Operation
    from local import open_local
    collection = open_local(Path(sys.argv[1]) / "things")
    for number in range(12):
        Operation("put", number).perform(collection, Path(sys.argv[1]))
    os._exit(0)
"""


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[State]]:
    """A collection whose twelve puts are in the store's log only, and its state after each."""
    root = tmp_path_factory.mktemp("crash")
    states = [create(root)]
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_DIE_WITH_LOG), root],
        check=True, timeout=120, env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    for number in range(12):
        states.append(Operation("put", number).applied(states[-1]))
    folder = root / "things"
    assert (folder / "store.sqlite-wal").stat().st_size > 0
    (folder / "store.sqlite-shm").unlink()
    return folder, states


@pytest.fixture
def crashed(crash: tuple[Path, list[State]], tmp_path: Path) -> tuple[Path, list[State]]:
    """A copy of it."""
    folder, states = crash
    return Path(shutil.copytree(folder, tmp_path / "things")), states


@pytest.mark.parametrize(
    "cut", [0, 1, 9001, *(pytest.param(one, marks=pytest.mark.long) for one in (4096, 40_000))]
)
def test_a_torn_log_ends_at_a_whole_commit(crashed: tuple[Path, list[State]], cut: int) -> None:
    """A log whose last pages were torn gives the state of an earlier commit, never part of one."""
    folder, states = crashed
    log = folder / "store.sqlite-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size - cut])
    place = states.index(matching(folder, states, random.Random(0)))
    assert (place == 12) is (cut == 0)


def test_a_flipped_log_ends_at_a_whole_commit(crashed: tuple[Path, list[State]]) -> None:
    """The log's own checksums find a flipped bit: what comes from there on is left out."""
    folder, states = crashed
    log = folder / "store.sqlite-wal"
    flipped = bytearray(log.read_bytes())
    flipped[len(flipped) // 2] ^= 4
    log.write_bytes(flipped)
    place = states.index(matching(folder, states, random.Random(0)))
    assert 0 < place < 12


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    """Cut or flipped anywhere, a backup is refused and leaves nothing, or was not changed by it."""
    state, dice = sealed_collection(tmp_path), random.Random(5)
    backup, restored = tmp_path / "whole.tar", tmp_path / "restored"
    back_up(tmp_path / "things", backup, quiet)
    whole, refused = backup.read_bytes(), 0
    spoilt = [whole[:length] for length in range(0, len(whole) - 20_480, len(whole) // 25)]
    for _ in range(60):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        spoilt.append(bytes(flipped))
    for data in spoilt:
        (tmp_path / "spoilt.tar").write_bytes(data)
        try:
            restore(tmp_path / "spoilt.tar", restored, quiet)
        except Damaged as error:
            assert "spoilt.tar" in str(error)
            refused += 1
        else:  # in what fills a member up to whole blocks
            matching(restored, [state], dice)
            shutil.rmtree(restored)
        assert {path.name for path in tmp_path.iterdir()} == {
            "backups", "things", "whole.tar", "spoilt.tar"
        }  # fmt: skip
    assert refused > len(spoilt) * 0.8
