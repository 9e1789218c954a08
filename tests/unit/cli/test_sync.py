"""Folders kept in step: what goes, what stays, and what is said of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from called import run_bearing
from typer.testing import Result

from indexer.cli.sync import SyncOptions
from indexer.config import Config
from indexer.documents import Document
from indexer.ingestion.changes import store
from indexer.ingestion.journal import SourceJournal
from indexer.ingestion.sync import Source
from indexer.library import Library


def call(folder: Path, *words: str, model: str = "hashing") -> Result:
    """The result of a command on a directory of collections."""
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": model}
    return run_bearing(list(words), env=settings)


def sync(folder: Path, *words: str, path: str | Path = "") -> dict[str, Any]:
    """The figures of a run over the folder's documents, with those of its only source."""
    done = call(folder, "index", str(path or folder / "docs"), "--sync", *words, "--json")
    figures: dict[str, Any] = json.loads(done.stdout)
    assert "error" not in figures, figures
    return {**figures, **figures["sources"][0], "code": done.exit_code, "said": done.stderr}


def stored(folder: Path) -> dict[str, str]:
    """The stored texts by id."""
    with Library(Config(data=str(folder / "data"))) as library:
        return {one.id: one.text for one in library.open("default").page().documents}


def put(folder: Path, **texts: str) -> None:
    """Write files, by name without suffix."""
    for name, text in texts.items():
        path = folder / "docs" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three documents, kept in step."""
    put(tmp_path, moon="the moon", sun="the sun", tide="the tide")
    assert sync(tmp_path)["written"] == 3
    return tmp_path


def test_ids_do_not_depend_on_how_a_path_is_spelled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin with the folder's own name, as those of a folder named by itself do."""
    expected = {"docs/moon.txt": "the moon", "docs/sun.txt": "the sun", "docs/tide.txt": "the tide"}
    assert stored(folder) == expected
    (folder / "link").symlink_to("docs")
    monkeypatch.chdir(folder / "docs")
    for path in (".", "../docs", "../link", folder / "docs", f"{folder}//docs/."):
        assert sync(folder, path=path)["read"] == 0
    monkeypatch.chdir(folder)
    assert call(folder, "index", "docs").exit_code == 0
    assert stored(folder) == expected


def test_what_is_unchanged_opens_no_model(folder: Path) -> None:
    """Nor does what only went; documents that moved are not embedded again."""

    def refuse() -> NoReturn:
        raise AssertionError("a model was opened")

    source = Source.at(str(folder / "docs"))
    (folder / "docs/sun.txt").unlink()
    with Library(Config(data=str(folder / "data"), model="hashing")) as library:
        run = SyncOptions().sync(library, library.open("default"), source)
        assert run.run(run.plan(), refuse).pruned.deleted == 1
        assert run.run(run.plan(), refuse).read == 0
    (folder / "docs/new").mkdir()
    (folder / "docs/moon.txt").rename(folder / "docs/new/luna.txt")
    done = sync(folder)
    assert (done["written"], done["tokens"], done["reused"], done["deleted"]) == (1, 0, 1, 1)
    assert stored(folder) == {"docs/new/luna.txt": "the moon", "docs/tide.txt": "the tide"}


def test_records_that_vanish_from_a_file_go(folder: Path) -> None:
    """As the file is read anew; those that others give, too, stay."""
    records = folder / "docs/r.jsonl"
    records.write_text('{"_id": "a", "text": "one"}\n{"_id": "b", "text": "two"}\n')
    (folder / "docs/s.jsonl").write_text('{"_id": "b", "text": "two"}\n')
    sync(folder)
    records.write_text('{"_id": "c", "text": "three"}\n')
    assert sync(folder)["deleted"] == 1
    assert stored(folder).keys() & set("abc") == {"b", "c"}
    (folder / "docs/s.jsonl").unlink()
    assert sync(folder)["deleted"] == 1


def test_of_records_with_one_id_those_of_the_last_file_stay(folder: Path) -> None:
    """Whichever of the files has changed, or is gone."""
    first, second = folder / "docs/r.jsonl", folder / "docs/s.jsonl"
    first.write_text('{"_id": "a", "text": "one"}\n')
    second.write_text('{"_id": "a", "text": "two"}\n')
    sync(folder)
    first.write_text('{"_id": "a", "text": "one more"}\n')
    sync(folder)
    assert stored(folder)["a"] == "two"
    second.write_text('{"_id": "b", "text": "two"}\n')
    sync(folder)
    assert stored(folder)["a"] == "one more"


def test_other_options_read_files_again(folder: Path) -> None:
    """As what they give may be another."""
    (folder / "docs/r.jsonl").write_text('{"_id": "a", "body": "one", "text": "two"}\n')
    assert sync(folder)["read"] == 1
    assert sync(folder)["read"] == 0
    assert sync(folder, "--text-field", "body", "--gps")["read"] == 4
    assert stored(folder)["a"] == "one"


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """It does not count as read, so that no later change is missed."""
    path = tmp_path / "docs/r.jsonl"
    path.parent.mkdir()
    path.write_text('{"text": "one"}\n{"text": "two"}\n')
    with Library(Config(data=str(tmp_path / "data"), model="hashing")) as library:
        collection = library.create("default")
        run = SyncOptions().sync(library, collection, Source.at(str(path.parent)))
        (file,) = run.plan().changed
        for writes in (False, True):
            journal = SourceJournal(collection, run.source.naming, 1, {})
            reads = run.reads_of(file, 0, journal)
            next(reads)
            if writes:
                path.write_text('{"text": "two"}\n{"text": "one"}\n')
            assert len(list(reads)) == 1
            assert (file.name in journal.finished) is not writes


def test_documents_of_the_path_as_given_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection from before keeps its vectors, and has none of its documents twice."""
    put(tmp_path, moon="the moon", sun="the sun")
    monkeypatch.chdir(tmp_path / "docs")
    for path in (".", str(tmp_path / "docs")):
        call(tmp_path, "index", path)
    assert len(stored(tmp_path)) == 4
    put(tmp_path, sun="another sun")
    for path in (".", str(tmp_path / "docs")):
        sync(tmp_path, path=path)
    left = {"docs/moon.txt": "the moon", "docs/sun.txt": "another sun"}
    # what has changed since cannot be told from what somebody else stored
    others = {"sun.txt": "the sun"}
    assert {id: text for id, text in stored(tmp_path).items() if id[0] != "/"} == {**left, **others}


def test_much_is_not_deleted_unasked(folder: Path) -> None:
    """Neither all of a source nor a larger share of many; the rest of the run is done."""
    put(folder, **{f"n{number}": f"number {number}" for number in range(20)})
    sync(folder)
    for number in range(19):
        (folder / f"docs/n{number}.txt").unlink()
    put(folder, moon="another moon")
    done = sync(folder)
    assert (done["code"], done["deleted"], done["written"]) == (1, 0, 1)
    assert "19 of 23 documents are no longer there (83%)" in done["said"]
    assert sync(folder)["refused"]
    assert sync(folder, "--prune-at-most", "90%")["deleted"] == 19
    for path in (folder / "docs").iterdir():
        path.unlink()
    assert sync(folder)["refused"]
    assert len(stored(folder)) == 4
    assert sync(folder, "--prune-at-most", "1")["deleted"] == 4


def test_nothing_is_deleted_if_not_all_was_seen(folder: Path) -> None:
    """As where a link is lost to what was read: that may be a disk that is not mounted."""
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/far.txt").write_text("far away")
    (folder / "docs/disk").symlink_to(folder / "elsewhere")
    sync(folder)
    (folder / "docs/moon.txt").unlink()
    (folder / "elsewhere").rename(folder / "gone")
    done = sync(folder)
    assert (done["code"], done["deleted"], done["unreadable"]) == (3, 0, ["docs/disk"])
    assert "nothing of 'docs' is deleted" in done["said"]
    assert {"docs/moon.txt", "docs/disk/far.txt"} <= stored(folder).keys()
    (folder / "gone").rename(folder / "elsewhere")
    assert sync(folder)["deleted"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_keeps_all(folder: Path) -> None:
    """What was moved there cannot be told from what is gone."""
    (folder / "docs/moon.txt").unlink()
    (folder / "docs/closed").mkdir(mode=0)
    assert sync(folder)["unreadable"] == ["docs/closed"]
    assert "docs/moon.txt" in stored(folder)


def test_a_folder_that_is_gone_keeps_all(folder: Path) -> None:
    """It is an error, and nothing is deleted."""
    (folder / "docs").rename(folder / "else")
    done = call(folder, "index", str(folder / "docs"), "--sync")
    assert done.exit_code == 1
    assert "nothing is deleted" in done.stderr
    assert len(stored(folder)) == 3


def test_a_file_that_cannot_be_read_keeps_its_documents(folder: Path) -> None:
    """And is told of at each run, though it is not read again."""
    (folder / "docs/tide.txt").write_bytes(b"")
    first = sync(folder)
    again = sync(folder)
    for done in (first, again):
        assert (done["code"], done["deleted"], done["rejected"]) == (3, 0, 1)
        assert done["reasons"][0]["first"] == "docs/tide.txt"
    assert (first["read"], again["read"]) == (1, 0)
    assert "docs/tide.txt" in stored(folder)


def test_what_others_wrote_stays(folder: Path) -> None:
    """A document that was changed since is not the source's any more when its file goes."""
    with Library(Config(data=str(folder / "data"), model="hashing")) as library:
        collection = library.open("default")
        store(collection, library.embedder(collection), [Document("docs/sun.txt", "mine")])
        collection.delete(["docs/moon.txt"])
    (folder / "docs/sun.txt").unlink()
    done = sync(folder)
    assert (done["deleted"], done["kept"], done["read"]) == (0, ["docs/sun.txt"], 1)
    assert stored(folder)["docs/sun.txt"] == "mine"
    assert stored(folder)["docs/moon.txt"] == "the moon"


def test_two_folders_of_one_name_do_not_mix(folder: Path) -> None:
    """The second needs another name; one that was moved says so by its own."""
    (folder / "b").mkdir()
    (folder / "docs").rename(folder / "b/docs")
    put(folder, moon="another moon")
    moved = call(folder, "index", str(folder / "b/docs"), "--sync")
    assert moved.exit_code == 2
    assert "by --source" in moved.stderr
    assert sync(folder, "--source", "docs", path=folder / "b/docs")["read"] == 0
    assert sync(folder, "--source", "second")["written"] == 1
    assert stored(folder)["second/moon.txt"] == "another moon"
    assert stored(folder)["docs/moon.txt"] == "the moon"
    both = call(folder, "index", str(folder / "docs"), str(folder / "b/docs"), "--sync")
    assert "two of the paths are called 'docs'" in both.stderr


def test_a_dry_run_says_what_a_run_does(folder: Path) -> None:
    """The ids of all that it would change, and changes nothing."""
    (folder / "docs/moon.txt").rename(folder / "docs/luna.txt")
    put(folder, sun="another sun")
    (folder / "docs/r.jsonl").write_text('{"_id": "a", "text": "one"}\n{"text": "two"}\n')
    sync(folder)
    (folder / "docs/r.jsonl").write_text('{"_id": "b", "text": "one"}\n')
    (folder / "docs/luna.txt").rename(folder / "docs/moon.txt")
    put(folder, sun="the sun")
    before = stored(folder)
    foreseen = sync(folder, "--dry-run")
    assert stored(folder) == before
    assert foreseen["new"] == ["docs/moon.txt", "b"]
    assert foreseen["changed"] == ["docs/sun.txt"]
    assert foreseen["reused"] == 2
    done = sync(folder)
    gone = before.keys() - stored(folder).keys()
    assert set(foreseen["deleted"]) == gone == {"docs/luna.txt", "a", "docs/r.jsonl:2"}
    assert (done["written"], done["reused"], done["deleted"]) == (3, 2, 3)
    said = call(folder, "index", str(folder / "docs"), "--sync", "--dry-run").stdout
    assert "3 files, 0 to read" not in said
    assert "Nothing was written" in said


def test_a_dry_run_needs_no_collection(folder: Path) -> None:
    """Before the first run all is new; no collection is made, and that there is none is said."""
    asked = ["index", str(folder / "docs"), "--sync", "--dry-run", "--collection", "other"]
    done = call(folder, *asked)
    assert done.exit_code == 0
    assert "no collection 'other' yet" in done.stderr
    assert "+ docs/moon.txt" in done.stdout
    assert "other" not in call(folder, "collections").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-", "--sync"], "standard input cannot be kept in step"),
        (["docs", "--source", "x"], "give --sync, too"),
        (["docs", "--dry-run"], "give --sync, too"),
        (["docs", "--sync", "--source", "a/b"], "cannot be the name of a source"),
        (["docs", "data", "--sync", "--source", "x"], "give one path with it"),
        (["docs", "--sync", "--prune-at-most", "130%"], "from 0 to 100%"),
        (["docs", "--sync", "--shard", "1/2"], "leave --shard out"),
    ],
    ids=["standard-input", "source", "dry-run", "slash", "two-paths", "share", "shard"],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    """As wrong usage, with what to do."""
    monkeypatch.chdir(folder)
    done = call(folder, "index", *words)
    assert done.exit_code == 2
    assert message in done.stderr
