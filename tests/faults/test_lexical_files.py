"""The index of words cut, flipped, lost or foreign: searches answer all the same, and rightly."""

from __future__ import annotations

import itertools
import json
import logging
import multiprocessing
import random
import shutil
import signal
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from killing import embed, identity_of
from local import create_local, engine_of, open_local

from indexer.collection import Collection
from indexer.documents import Document
from indexer.lexical.segments import Batch, Terms
from indexer.queries import Mode, Query
from indexer.storage.maintenance.backup import back_up, restore
from indexer.storage.maintenance.verification import verify
from indexer.thresholds import Thresholds

DOCUMENTS = 300
FLIPS = 12
FEW_KILLS, MANY_KILLS = 3, 8


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with an index of words, some of which came after it."""
    folder = tmp_path_factory.mktemp("lexical") / "things"
    with create_local(folder, identity_of("model-a")) as collection:
        documents = [Document(f"d{i}", f"word{i} common{i % 7}") for i in range(DOCUMENTS)]
        collection.put([embed(one, "model-a") for one in documents])
        collection.rebuild()
        collection.put([embed(Document("d1", "another common1"), "model-a")])
        collection.delete(["d2"])
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(original, tmp_path / "things"))


def found(collection: Collection, text: str) -> list[str]:
    """The ids of all documents with one of these words."""
    query = Query(text=text, mode=Mode.LEXICAL, k=DOCUMENTS)
    return sorted(hit.document.id for hit in collection.search([query])[0].hits)


def assert_right(folder: Path) -> None:
    """Words are found, old ones are not."""
    with open_local(folder) as collection:
        assert found(collection, "word7") == ["d7"]
        assert found(collection, "word1") == found(collection, "word2") == []
        assert found(collection, "another") == ["d1"]
        count = sum(i % 7 == 1 for i in range(DOCUMENTS))
        assert len(found(collection, "common1")) == count


def problems(folder: Path) -> list[str]:
    """What verify finds."""
    return [one.problem for one in verify(folder, None, lambda _: None).findings]


def index_files(folder: Path) -> list[Path]:
    """Every file of the index that says something."""
    files = [path for path in (folder / "lexical").rglob("*") if path.is_file()]
    return sorted(path for path in files if path.stat().st_size and path.suffix != ".lock")


def test_a_flipped_bit_is_found_and_changes_no_answer(folder: Path) -> None:
    """Whatever is flipped: verify says so, and searches answer from the store."""
    assert_right(folder)
    assert problems(folder) == []
    dice, files = random.Random(6), index_files(folder)
    for count in range(max(FLIPS, len(files))):
        path = files[count % len(files)]
        written = path.read_bytes()
        flipped = bytearray(written)
        flipped[dice.randrange(len(written))] ^= 1 << dice.randrange(8)
        path.write_bytes(flipped)
        assert problems(folder)
        assert_right(folder)
        path.write_bytes(written)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_cut_file_is_found_and_changes_no_answer(folder: Path, share: float) -> None:
    """Each file in turn, cut in the middle or to nothing."""
    for path in index_files(folder):
        written = path.read_bytes()
        path.write_bytes(written[: int(len(written) * share)])
        assert problems(folder)
        assert_right(folder)
        path.write_bytes(written)


def test_a_lost_file_changes_no_answer(folder: Path) -> None:
    """Each file in turn; also all of them, which leaves nothing to complain of."""
    for path in index_files(folder):
        written = path.read_bytes()
        path.unlink()
        assert_right(folder)
        path.write_bytes(written)
    shutil.rmtree(folder / "lexical")
    assert_right(folder)
    assert problems(folder) == []


def test_a_damaged_index_is_made_anew(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As soon as enough is unindexed, or it is asked for; that it was damaged is said."""
    path = next(path for path in index_files(folder) if path.suffix == ".segment")
    path.write_bytes(b"x" * path.stat().st_size)
    with caplog.at_level(logging.INFO), open_local(folder) as collection:
        assert found(collection, "word7") == ["d7"]
        assert "made anew" in caplog.text
        collection.rebuild()
        assert collection.describe().index["lexical"]["late_documents"] == 0
    assert problems(folder) == []
    assert_right(folder)


def test_another_collections_index_is_not_believed(folder: Path, tmp_path: Path) -> None:
    """Nor is one that is newer than a store that was put back."""
    other = tmp_path / "other"
    with create_local(other, identity_of("model-a")) as collection:
        foreign = [Document(f"x{i}", "word7") for i in range(40)]
        collection.put([embed(one, "model-a") for one in foreign])
        collection.rebuild()
    shutil.rmtree(folder / "lexical")
    shutil.copytree(other / "lexical", folder / "lexical")
    assert problems(folder)
    assert_right(folder)


def test_an_index_newer_than_its_store_is_not_believed(original: Path, folder: Path) -> None:
    """A store that was put back from a copy answers for itself."""
    with open_local(folder) as collection:
        collection.put([embed(Document("later", "word7"), "model-a")])
        collection.delete(["d7"])
        collection.rebuild()
    for path in folder.glob("store.sqlite*"):
        path.unlink()
    shutil.copy(original / "store.sqlite", folder)
    assert problems(folder)
    assert_right(folder)


def test_an_index_of_another_version_is_made_anew(folder: Path) -> None:
    """As one of Tantivy's, which earlier builds made; what these left behind is removed."""
    place = folder / "lexical"
    shutil.rmtree(place)
    (place / "0123456789ab").mkdir(parents=True)
    (place / "0123456789ab" / "meta.json").write_text("{}")
    told = {"format": 1, "instance": "x", "language": "english", "folder": "0123456789ab",
            "sequence": 2, "pending": False, "meta": 7}  # fmt: skip
    checksum = zlib.crc32(json.dumps(told).encode())
    (place / "state.json").write_text(json.dumps({"state": told, "checksum": checksum}))
    assert problems(folder) == []  # it is not damaged, only old
    assert_right(folder)
    with open_local(folder) as collection:
        collection.rebuild()
    assert not (place / "0123456789ab").exists()
    assert problems(folder) == []
    assert_right(folder)


def test_an_index_of_words_by_older_rules_is_made_anew(folder: Path) -> None:
    """Whoever opens the collection searches by the new ones at once, and leaves such an index."""
    state = folder / "lexical" / "state.json"
    told = json.loads(state.read_bytes())["state"]
    told["rules"] -= 1
    checksum = zlib.crc32(json.dumps(told).encode())
    state.write_text(json.dumps({"state": told, "checksum": checksum}))
    for segment in (folder / "lexical" / "segments").iterdir():
        segment.unlink()  # whatever they hold, it is not looked at
    assert problems(folder) == []
    assert_right(folder)
    with open_local(folder, thresholds=Thresholds(unindexed_documents=1)) as collection:
        engine_of(collection)._lexical_index.catch_up()
    assert json.loads(state.read_bytes())["state"]["rules"] == told["rules"] + 1
    assert_right(folder)


def test_an_index_from_before_a_compaction_is_not_believed(folder: Path, tmp_path: Path) -> None:
    """Put back from a copy, it holds documents of whose deletion the store knows nothing more."""
    shutil.copytree(folder / "lexical", tmp_path / "old")
    with open_local(folder) as collection:
        collection.delete(["d7"])
        assert collection.compact()
        query = Query(text="common0 word8", mode=Mode.LEXICAL, k=DOCUMENTS)
        before = collection.search([query])[0].hits
    shutil.rmtree(folder / "lexical")
    shutil.copytree(tmp_path / "old", folder / "lexical")
    with open_local(folder) as collection:
        assert found(collection, "word7") == []
        after = collection.search([query])[0].hits
    assert [(hit.document.id, hit.score) for hit in after] == [
        (hit.document.id, hit.score) for hit in before
    ]


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "it holds"), ("word7 word7 common0", "it scores 'd7'")]
)
def test_an_index_that_is_not_of_the_texts_is_found(
    folder: Path, text: str | None, problem: str
) -> None:
    """Though each of its files is as it was written: one document short, or of other words."""
    with open_local(folder) as collection:
        collection.rebuild()
        view, index_folder = (
            engine_of(collection)._lexical_index.view(),
            engine_of(collection)._lexical_index._folder,
        )
        with engine_of(collection)._store.reading() as snapshot:
            number = next(number for number, id in snapshot.ids() if id == "d7")
            terms = Terms(snapshot.instance)
        batch = Batch()
        if text is not None:
            batch.add(number, "d7", terms.of(text.split()))
        parts = [view.parts[0].without(np.array([number])), index_folder.hold(batch.pack())]
        assert view.state is not None
        index_folder.keep(view.state, parts)
    assert problem in "".join(problems(folder))


def test_files_that_no_state_names_are_removed(folder: Path) -> None:
    """As those of a process that was killed; an index that is open is read all the same."""
    segments = folder / "lexical" / "segments"
    with open_local(folder) as other:
        assert found(other, "word7") == ["d7"]
        before = set(segments.iterdir())
        (segments / "left over.segment").write_bytes(b"x")
        with open_local(folder) as collection:
            collection.rebuild()
        assert len(list(segments.iterdir())) == 1
        assert not before & set(segments.iterdir())
        view = engine_of(other)._lexical_index._view
        assert view.documents == DOCUMENTS
        assert view.parts[0].segment.ordinals.sum() > 0
        assert found(other, "word7") == ["d7"]


def test_a_backup_leaves_the_index_out(folder: Path, tmp_path: Path) -> None:
    """It is derived: what is restored answers the same, and makes its own."""
    back_up(folder, tmp_path / "b.tar", lambda _: None)
    restore(tmp_path / "b.tar", tmp_path / "restored", lambda _: None)
    assert not (tmp_path / "restored" / "lexical").exists()
    assert_right(tmp_path / "restored")


def test_a_folder_that_cannot_be_written_is_no_hindrance(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The index is then kept in memory."""
    shutil.rmtree(folder / "lexical")
    (folder / "lexical").write_text("in the way")
    with open_local(folder) as collection:
        engine_of(collection)._lexical_index.catch_up()
        assert "kept in memory" in caplog.text
        assert engine_of(collection)._lexical_index.view().documents == DOCUMENTS - 1
        assert found(collection, "word7") == ["d7"]
        collection.put([embed(Document("d7", "gone"), "model-a")])
        assert found(collection, "word7") == []
        engine_of(collection)._lexical_index.catch_up()
        assert found(collection, "word7") == []
        assert found(collection, "gone") == ["d7"]


def bring_up_until_killed(folder: Path) -> None:
    """Change documents and put them into the index, again and again."""
    with open_local(folder) as collection:
        for turn in itertools.count():
            changed = [Document(f"d{i}", f"word{i} turn{turn}") for i in range(3, 60)]
            collection.put([embed(one, "model-a") for one in changed])
            collection.delete([f"d{i}" for i in range(60, 70)])
            engine_of(collection)._lexical_index.catch_up()


@pytest.mark.parametrize("kills", [FEW_KILLS, pytest.param(MANY_KILLS, marks=pytest.mark.long)])
def test_a_kill_leaves_an_index_that_is_right(folder: Path, kills: int) -> None:
    """Whenever it comes: what the index says of itself is true, or made so from the store."""
    dice = random.Random(8)
    for _ in range(kills):
        process = multiprocessing.get_context("spawn").Process(
            target=bring_up_until_killed, args=(folder,)
        )
        process.start()
        before = (folder / "lexical" / "state.json").read_bytes()
        while (folder / "lexical" / "state.json").read_bytes() == before and process.is_alive():
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.2))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert problems(folder) == []
        with open_local(folder) as collection:
            assert found(collection, "word65") == []
            turns = {id: collection.get([id])[0].text.split()[1] for id in ("d3", "d59")}
            assert len(set(turns.values())) == 1  # they were put together
            latest = sorted(f"d{i}" for i in range(3, 60))
            assert found(collection, turns["d3"]) == latest
            assert found(collection, "turn999999") == []


def test_compacting_leaves_no_word_of_a_deleted_text(folder: Path) -> None:
    """In no file of the collection, nor is its hash in the index of words."""
    with open_local(folder) as collection:
        with engine_of(collection)._store.reading() as snapshot:
            term = Terms(snapshot.instance)["hushhush"].to_bytes(8, "little")
        collection.put([embed(Document("secret", "hushhush"), "model-a")])
        collection.rebuild()
        assert _holding(folder, b"hushhush")
        assert _holding(folder / "lexical", term)
        collection.delete(["secret"])
        assert collection.compact()
        assert not _holding(folder, b"hushhush")
        assert not _holding(folder / "lexical", term)
        assert found(collection, "hushhush") == []
        assert found(collection, "word7") == ["d7"]
    assert problems(folder) == []


def _holding(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]
