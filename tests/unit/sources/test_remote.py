"""Folders by URL: which files are read, and which a second run does not fetch again."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from indexer.cli.app import commands
from indexer.config import Config
from indexer.errors import InvalidInput, Unreadable
from indexer.library import Library
from indexer.readers.reading import Rejection
from indexer.sources.fetched import Fetched, Unchanged
from indexer.sources.remote import Folder, _by_arrow, is_remote

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store() -> Iterator[Any]:
    """A store in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def index(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The figures of a run, and what it said."""
    given = ["index", *words, "--data", str(folder), "--model", "hashing", "--json"]
    done = CliRunner().invoke(commands(), given)
    assert done.exit_code == code, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr}


def texts(folder: Path) -> dict[str, str]:
    """The stored texts by id."""
    with Library(Config(data=str(folder))) as library:
        return {one.id: one.text for one in library.open("default").page().documents}


def test_a_folder_is_read_as_one_of_files_is(store: Any, tmp_path: Path) -> None:
    """Below it too, each by its format, hidden ones left out; a second run fetches what changed."""
    url = "memory://docs"
    store.pipe("/docs/a.txt", b"the moon")
    store.pipe("/docs/deep/b.jsonl.gz", gzip.compress(b'{"id": "x", "text": "the sun"}\n'))
    store.pipe("/docs/.git/c.txt", b"hidden")
    store.pipe("/docs/deep/film.mp4", b"\0")
    store.pipe("/docsmore/d.txt", b"another folder")
    first = index(tmp_path, url, code=3)
    assert (first["written"], first["rejected"]) == (2, 1)
    assert "unknown format '.mp4'" in first["reasons"][0]["reason"]
    assert texts(tmp_path) == {"memory://docs/a.txt": "the moon", "x": "the sun"}
    store.pipe("/docs/a.txt", b"the star")
    second = index(tmp_path, f"{url}/", code=3)
    assert (second["written"], second["unchanged"]) == (1, 0)
    assert "3 files found: 1 read, 1 unchanged" in second["said"]
    assert texts(tmp_path)["memory://docs/a.txt"] == "the star"
    (alone,) = Folder(f"{url}/a.txt").found()
    assert isinstance(alone, Fetched)
    assert (alone.name, alone.called) == ("memory://docs/a.txt", "a.txt")


def test_a_file_with_rejections_is_read_again(store: Any, tmp_path: Path) -> None:
    """Else nobody would hear of them twice."""
    store.pipe("/docs/a.jsonl", b'{"id": "x", "text": "the sun"}\nbroken\n')
    for _ in range(2):
        assert index(tmp_path, "memory://docs", code=3)["rejected"] == 1


def test_a_change_is_seen_by_the_listing(tmp_path: Path) -> None:
    """By the time or the size, whatever the store calls them."""
    path = tmp_path / "a.txt"
    path.write_text("the moon")
    os.utime(path, (1, 1))
    url = f"file://{tmp_path}"
    (found,) = Folder(url).found()
    assert isinstance(found, Fetched)
    known = {found.name: found.stamp}
    assert list(Folder(url, known).found()) == [Unchanged(found.name)]
    path.write_text("the sun!")
    (changed,) = Folder(url, known).found()
    assert isinstance(changed, Fetched)


def test_stores_are_listed_by_pyarrow_too(tmp_path: Path) -> None:
    """Where fsspec's own driver is not installed: with sizes and times."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("the moon")
    url = f"file://{tmp_path}"
    system, path = _by_arrow(url)
    ((name, facts),) = Folder(url)._listed(system, path)
    assert (name, facts["size"]) == (f"{url}/deep/a.txt", 8)
    assert facts["mtime"]


def test_what_cannot_be_fetched_is_rejected(store: Any) -> None:
    """The other files are read."""
    store.pipe("/docs/a.txt", b"the moon")
    store.pipe("/docs/b.txt", b"the sun")
    found = Folder("memory://docs").found()
    assert isinstance(next(found), Fetched)
    store.rm("/docs/b.txt")
    (rejected,) = list(found)
    assert isinstance(rejected, Rejection)
    assert "cannot be fetched" in rejected.reason


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nosuch://bucket/x", "cannot be opened"),
        ("zip://a.zip::memory://b", "one place at a time"),
        ("hdfs3://u:secret@h/x", "hdfs3://h/x cannot be opened"),
    ],
)
def test_a_url_that_cannot_be_read_is_told(url: str, told: str) -> None:
    """Without its password, and with what to install."""
    with pytest.raises(InvalidInput, match=told) as raised:
        Folder(url).check()
    assert "secret" not in str(raised.value)


def test_what_is_not_there_is_told(store: Any, tmp_path: Path) -> None:
    """Nothing is made for it; keys and options of a URL are no part of a name."""
    with pytest.raises(Unreadable, match="nothing is at memory://none"):
        Folder("memory://none").check()
    assert "one at a time" in index(tmp_path, "memory://a", "b", code=2)["error"]
    assert "leave out --sync" in index(tmp_path, "memory://a", "--sync", code=2)["error"]
    assert list(tmp_path.iterdir()) == []
    assert Folder("s3://key:secret@bucket/x/?region=eu").name == "s3://bucket/x"
    assert Folder("sftp://me:secret@host/x").name == "sftp://host/x"
    assert is_remote("s3://b")
    assert not is_remote("notes/a:b")
