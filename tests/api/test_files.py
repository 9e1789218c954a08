"""Files taken in as they are, over REST."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pptx
import pytest
from starlette.testclient import TestClient

FILES = "/documents/files"
Lines = list[dict[str, object]]


def take(client: TestClient, name: str, content: bytes, route: str = FILES) -> Lines:
    """The lines of the answer to a file."""
    response = client.post(route, params={"name": name}, content=content)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_file_is_read_as_the_command_would(client: TestClient) -> None:
    """Its name is its document's id, its suffix tells how it is read; folders may be in front."""
    content = b"# The sea\n\nA captain hunts a *white* whale.\n"
    progress, done = take(client, "notes/moby.md", content)
    assert done == {
        "event": "done",
        "size": len(content),
        "written": 1,
        "unchanged": 0,
        "rejected": 0,
        "repeated": 0,
        "truncated": [],
        "unknown": [],
    }
    assert progress == {
        "event": "progress",
        "bytes": len(content),
        "size": len(content),
        "written": 1,
        "unchanged": 0,
        "rejected": 0,
        "repeated": 0,
    }
    found = client.get("/documents/notes/moby.md").json()
    assert found["title"] == "The sea"
    assert "white whale" in found["text"].replace("*", "")


def test_records_of_a_packed_file_become_documents(client: TestClient) -> None:
    """What is unchanged is counted apart; progress comes for each batch."""
    records = [{"id": f"r{n}", "text": f"text {n}", "n": n} for n in range(300)]
    content = gzip.compress("".join(f"{json.dumps(one)}\n" for one in records).encode())
    first, second, done = take(client, "records.jsonl.gz", content)
    assert (first["written"], second["written"], done["written"]) == (256, 300, 300)
    assert client.get("/documents/r299").json()["metadata"] == {"n": 299}
    *_, again = take(client, "records.jsonl.gz", content)
    assert (again["written"], again["unchanged"], again["repeated"]) == (0, 300, 0)
    *_, twice = take(client, "records.jsonl.gz", content + content)
    assert (twice["unchanged"], twice["repeated"]) == (600, 300)


def test_what_holds_no_document_is_named_by_its_place(client: TestClient) -> None:
    """A bad line is rejected with file and line, the others are stored."""
    content = b'{"id": "a", "text": "x"}\nnot json\n{"id": "b"}\n{"id": "c", "text": "z"}\n'
    *rejected, _, done = take(client, "some.jsonl", content)
    assert [one["place"] for one in rejected] == ["some.jsonl:2", "some.jsonl:3"]
    assert "text" in str(rejected[1]["reason"])
    assert (done["written"], done["rejected"]) == (2, 2)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("picture.png", b"\x89PNG", "texts only"),
        ("noname", b"\0x", "no text"),
        ("broken.pdf", b"not a PDF", "PDF"),
        ("broken.jsonl.gz", b"not gzip", "gzip"),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected(
    client: TestClient, name: str, content: bytes, word: str
) -> None:
    """The reason is told, and nothing is stored."""
    rejected, *_, done = take(client, name, content)
    assert str(rejected["place"]).startswith(name)
    assert word in str(rejected["reason"])
    assert (done["written"], done["rejected"]) == (0, 1)


def test_a_collection_is_named_as_elsewhere(client: TestClient) -> None:
    """Only `default` is made if it is not there."""
    client.put("/collections/things")
    take(client, "a.txt", b"x", "/collections/things/documents/files")
    assert client.get("/collections/things").json()["documents"] == 1
    missing = client.post("/collections/gone/documents/files?name=a.txt", content=b"x")
    assert missing.status_code == 404


@pytest.mark.parametrize(
    "query", ["", "name=", "name=a%00.txt", "name=a.txt&id=3", "name=" + "x" * 1025]
)
def test_a_file_needs_a_name(client: TestClient, query: str) -> None:
    """A name that is missing or none, and other parameters, are refused."""
    assert client.post(f"{FILES}?{query}", content=b"x").status_code == 422


def test_a_file_is_bounded(connect: Callable[..., TestClient]) -> None:
    """One that is too large is refused before it is read, by its stated length or as it comes."""
    client = connect(max_file_bytes=100, max_characters=60)
    stated = client.post(FILES, params={"name": "a.txt"}, content=b"x" * 101)
    assert stated.status_code == 413
    assert "BEARING_MAX_FILE_BYTES" in stated.json()["detail"]
    unstated = client.post(FILES, params={"name": "a.txt"}, content=iter([b"x" * 60, b"x" * 60]))
    (failed,) = [json.loads(line) for line in unstated.text.splitlines()]
    assert failed["event"] == "failed"
    assert failed["problem"]["status"] == 413
    rejected, _, done = take(client, "long.txt", b"y" * 61)
    assert "BEARING_MAX_CHARACTERS" in str(rejected["reason"])
    assert done["written"] == 0
    assert client.get("/collections/default").json()["documents"] == 0


def test_nothing_of_a_file_is_left(
    connect: Callable[..., TestClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files are held while they come, there is nothing afterwards."""
    held = tmp_path / "held"
    held.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(held))
    client = connect(max_file_bytes=100)
    take(client, "a.txt", b"x")
    take(client, "broken.pdf", b"x")
    client.post(FILES, params={"name": "a.txt"}, content=iter([b"x" * 60, b"x" * 60]))
    assert list(held.iterdir()) == []
    held.rmdir()
    (failed,) = take(client, "a.txt", b"x")
    assert failed["problem"]["status"] == 507


def test_the_formats_are_told(connect: Callable[..., TestClient]) -> None:
    """What may be sent is known before it is."""
    told = connect(max_file_bytes=7).get("/formats").json()
    assert told["max_file_bytes"] == 7
    suffixes = {one["name"]: one["suffixes"] for one in told["formats"]}
    assert ".pdf" in suffixes["PDF"]
    assert {".jsonl", ".jsonl.gz"} <= set(suffixes["JSON Lines"])


def test_files_within_files_are_taken_and_passages_tell_their_place(client: TestClient) -> None:
    """An archive of a deck and a page: hits name the slide, and the headings above."""
    made = pptx.Presentation()
    for words in ("Rivers", "Whales"):
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = words, f"All about {words}. " * 60
    deck, archive = io.BytesIO(), io.BytesIO()
    made.save(deck)
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("deck.pptx", deck.getvalue())
        package.writestr("page.md", "# Sea\n\n## Deep\n\nSquids dwell there.")
        package.writestr("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    rejected, *_, done = take(client, "all.zip", archive.getvalue())
    assert (rejected["place"], done["written"]) == ("all.zip/old.doc", 2)
    found = {}
    for query in ("All about Whales", "Squids dwell there"):
        hits = client.post("/search", json={"query": query, "mode": "lexical"}).json()["hits"]
        passage = hits[0]["passage"]
        found[hits[0]["id"]] = (passage.get("page"), passage.get("headings"))
    assert found == {"all.zip/deck.pptx": (2, ["Whales"]), "all.zip/page.md": (None, ["Deep"])}
