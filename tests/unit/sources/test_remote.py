"""Folders by URL: which files are read, and which a second run does not fetch again."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from called import run_bearing

from indexer.config import Config
from indexer.documents import Document
from indexer.errors import InvalidInput, Unreadable
from indexer.ingestion.sync_elsewhere import SyncElsewhere
from indexer.library import Library
from indexer.readers.reading import Fields, Read, Rejection
from indexer.sources.fetched import Fetched, Unchanged
from indexer.sources.places import FolderPlace, PlaceFile
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
    done = run_bearing(given)
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
    assert "--watch" in index(tmp_path, "memory://a", "--sync", "--watch", code=2)["error"]
    assert "nothing is at" in index(tmp_path, "memory://a", "--sync", code=1)["error"]
    assert list(tmp_path.iterdir()) == []
    assert Folder("s3://key:secret@bucket/x/?region=eu").name == "s3://bucket/x"
    assert Folder("sftp://me:secret@host/x").name == "sftp://host/x"
    assert is_remote("s3://b")
    assert not is_remote("notes/a:b")


class _Bucket(BaseHTTPRequestHandler):
    """As much of S3 as reading takes: a listing in pages, heads, and ranges of objects."""

    objects: ClassVar[dict[str, bytes]] = {}
    listed_at_once: ClassVar = 2

    def do_GET(self) -> None:
        """Answer a listing or an object."""
        parts = urlsplit(self.path)
        key = unquote(parts.path).removeprefix("/bucket").lstrip("/")
        if "list-type" in parts.query:
            told = {name: value for name, (value, *_) in parse_qs(parts.query).items()}
            start = int(told.get("continuation-token", "0"))
            self._answer(200, self._listing(told.get("prefix", ""), start))
        elif key not in self.objects:
            self._answer(404, b"")
        else:
            first, _, last = (
                self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
            )
            whole = self.objects[key]
            body = whole[int(first) : int(last or len(whole)) + 1]
            self._answer(206 if "range" in self.headers else 200, body)

    def do_HEAD(self) -> None:
        """Answer with a head alone."""
        self.do_GET()

    def _listing(self, prefix: str, start: int) -> bytes:
        below = {
            key.removeprefix(prefix).partition("/")
            for key in self.objects
            if key.startswith(prefix)
        }
        folders = {name for name, slash, _ in below if slash}
        files = {name for name, slash, _ in below if not slash}
        inside = [
            f"<CommonPrefixes><Prefix>{prefix}{one}/</Prefix></CommonPrefixes>"
            for one in sorted(folders)
        ]
        inside += [
            f"<Contents><Key>{prefix}{one}</Key><Size>{len(self.objects[prefix + one])}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for one in sorted(files)
        ]
        end = start + self.listed_at_once
        more = str(end < len(inside)).lower()
        head = f"<KeyCount>{len(inside[start:end])}</KeyCount><IsTruncated>{more}</IsTruncated>"
        if end < len(inside):
            head += f"<NextContinuationToken>{end}</NextContinuationToken>"
        return f"<ListBucketResult>{head}{''.join(inside[start:end])}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        """Say nothing."""


@pytest.fixture
def bucket() -> Iterator[str]:
    """The URL of a folder in an empty bucket, which pyarrow's own driver asks."""
    if importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed, and is taken")
    _Bucket.objects = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bucket) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        place = f"127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
        yield f"s3://key:secret@bucket/docs?endpoint_override={place}"
        server.shutdown()
        thread.join()


def test_a_bucket_is_read_by_the_driver_of_pyarrow(bucket: str) -> None:
    """Over the protocol of S3: folders below too, with names that hold no key."""
    _Bucket.objects = {"docs/a.txt": b"the moon", "docs/deep/b.txt": b"the sun", "other.txt": b""}
    found = Folder(bucket).found()
    texts = {one.name: one.path.read_bytes() for one in found if isinstance(one, Fetched)}
    assert texts == {
        "s3://bucket/docs/a.txt": b"the moon",
        "s3://bucket/docs/deep/b.txt": b"the sun",
    }


def test_a_bucket_is_kept_in_step(bucket: str, tmp_path: Path) -> None:
    """All pages of its listing are seen; objects that are gone go, unless the bucket is empty."""
    _Bucket.objects = {f"docs/{n}.txt": f"number {n}".encode() for n in range(7)}
    (first,) = index(tmp_path, bucket, "--sync")["sources"]
    assert (first["source"], first["files"], first["read"]) == ("s3://bucket/docs", 7, 7)
    del _Bucket.objects["docs/3.txt"]
    (second,) = index(tmp_path, bucket, "--sync")["sources"]
    assert (second["read"], second["deleted"]) == (0, 1)
    assert sorted(texts(tmp_path)) == [f"s3://bucket/docs/{n}.txt" for n in (0, 1, 2, 4, 5, 6)]
    _Bucket.objects = {}
    assert "nothing is at s3://bucket/docs" in index(tmp_path, bucket, "--sync", code=1)["error"]
    assert len(texts(tmp_path)) == 6


def kept(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The figures of keeping in step with the store's docs, with those of its only source."""
    done = index(folder, "memory://docs", "--sync", *words, code=code)
    return {**done, **done["sources"][0]}


def test_files_that_are_gone_elsewhere_go(store: Any, tmp_path: Path) -> None:
    """Moved ones keep their vectors, a dry run changes nothing, and the guard holds."""
    for name in "abc":
        store.pipe(f"/docs/{name}.txt", f"the {name}".encode())
    store.pipe("/docs/d.jsonl", b'{"id": "x", "text": "the sun"}\n{"id": "y", "text": "stars"}\n')
    first = kept(tmp_path)
    assert (first["written"], first["source"]) == (5, "memory://docs")
    store.mv("/docs/a.txt", "/docs/deep/a.txt")
    store.pipe("/docs/d.jsonl", b'{"id": "x", "text": "the sun"}\n')
    before = texts(tmp_path)
    would = kept(tmp_path, "--dry-run")
    assert set(would["deleted"]) == {"memory://docs/a.txt", "y"}
    assert would["new"] == ["memory://docs/deep/a.txt"]
    assert texts(tmp_path) == before
    done = kept(tmp_path)
    assert (done["deleted"], done["gone"], done["reused"], done["tokens"]) == (2, 1, 1, 0)
    assert texts(tmp_path) == {
        "memory://docs/b.txt": "the b",
        "memory://docs/c.txt": "the c",
        "memory://docs/deep/a.txt": "the a",
        "x": "the sun",
    }
    assert (again := kept(tmp_path))["read"] == 0
    assert again["deleted"] == 0


def test_what_was_not_seen_stays(tmp_path: Path) -> None:
    """Nothing goes after a file could not be fetched; one unread in part keeps what it gave."""
    there, data = tmp_path / "there", tmp_path / "data"
    there.mkdir()
    (there / "a.txt").write_text("the moon")
    (there / "b.jsonl").write_text('{"id": "x", "text": "sun"}\n{"id": "y", "text": "stars"}\n')
    (there / "c.txt").write_text("the tide")
    words = f"file://{there}", "--sync"
    assert index(data, *words)["written"] == 4
    (there / "a.txt").unlink()
    (there / "c.txt").unlink()
    (there / "c.txt").symlink_to("lost")
    (done,) = index(data, *words, code=3)["sources"]
    assert (done["deleted"], done["unreadable"]) == (0, [f"file://{there}/c.txt"])
    (there / "c.txt").unlink()
    (there / "c.txt").write_text("the ebb")
    (there / "b.jsonl").write_text('{"id": "x", "text": "sun"}\nbroken\n')
    (done,) = index(data, *words, code=3)["sources"]
    assert (done["deleted"], done["unreadable"]) == (1, [])
    assert sorted(texts(data)) == [f"file://{there}/c.txt", "x", "y"]
    other = tmp_path / "other"
    other.mkdir()
    error = index(data, str(other), "--sync", "--source", f"file://{there}", code=2)["error"]
    assert "cannot be the name of a source" in error


def test_of_two_files_with_one_id_the_last_stays(store: Any, tmp_path: Path) -> None:
    """When it goes, what the other gives comes back, in the same run or in the next."""
    store.pipe("/docs/a.jsonl", b'{"id": "x", "text": "the sun"}\n')
    store.pipe("/docs/b.jsonl", b'{"id": "x", "text": "the moon"}\n')
    kept(tmp_path)
    store.pipe("/docs/a.jsonl", b'{"id": "x", "text": "a star"}\n')
    kept(tmp_path)
    assert texts(tmp_path) == {"x": "the moon"}
    store.rm("/docs/b.jsonl")
    kept(tmp_path)
    assert texts(tmp_path) == {"x": "a star"}


class CutPlace(FolderPlace):
    """A folder that can be read no further than its first file."""

    def found(self, known: Mapping[str, str], fields: Fields) -> Iterator[Any]:
        """The first file, and an error."""
        name = "memory://docs/a.txt"
        yield PlaceFile(name, "", [Read(Document(name, "the new a"), 1)])
        raise Unreadable("the network is down")


def test_a_run_that_was_cut_deletes_nothing(store: Any, tmp_path: Path) -> None:
    """What it has read is stored, and the next run does the rest."""
    for name in "abc":
        store.pipe(f"/docs/{name}.txt", f"the {name}".encode())
    with Library(Config(data=str(tmp_path), model="hashing")) as library:
        collection = library.create("default")
        embedder = library.filling(collection)
        run = partial(SyncElsewhere, collection)
        assert run(FolderPlace("memory://docs")).run(lambda: embedder).summary.written == 3
        store.rm("/docs/c.txt")
        store.pipe("/docs/a.txt", b"the new a")
        with pytest.raises(Unreadable, match="the network is down"):
            run(CutPlace("memory://docs")).run(lambda: embedder)
        assert {one.text for one in collection.page().documents} == {"the new a", "the b", "the c"}
        done = run(FolderPlace("memory://docs")).run(lambda: embedder)
        assert (done.summary.written, done.pruned.deleted) == (0, 1)
