"""How documents are cut, as a choice of a collection: made, shown, held, and changed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from called import run_bearing
from starlette.testclient import TestClient

PAGES = [" ".join(f"This is sentence {m} of page {n}." for m in range(4)) for n in range(6)]
TEXT = "\f".join(PAGES)
DOCUMENTS = {"documents": [{"id": "paged", "title": "A book", "text": TEXT}]}


def passages(client: TestClient, collection: str) -> list[str]:
    """The passages of the one document, as explanations list them."""
    body = {"query": "page number sentence", "k": 1, "explain": True}
    answer = client.post(f"/collections/{collection}/search", json=body).json()
    return sorted(one["text"] for one in answer["hits"][0]["explanation"]["passages"])


def chunks(client: TestClient, collection: str) -> Any:
    """How many there are, and how they are made."""
    told = client.get(f"/collections/{collection}").json()
    return told["chunks"], told["chunking"]


def test_a_collection_cuts_as_it_was_made_to(client: TestClient) -> None:
    """Another one of the same model, in the same service, cuts otherwise."""
    pages = {"chunking": {"by": "pages"}}
    assert client.put("/collections/pages", json=pages).status_code == 201
    assert client.put("/collections/usual").status_code == 201
    for name in ("pages", "usual"):
        assert client.put(f"/collections/{name}/documents", json=DOCUMENTS).json()["written"] == 1
    assert chunks(client, "pages") == (6, {"size": None, "overlap": None, "by": "pages"})
    assert chunks(client, "usual") == (1, {"size": None, "overlap": None, "by": "pauses"})
    assert set(passages(client, "pages")) <= set(PAGES)
    again = client.put("/collections/pages/documents", json=DOCUMENTS).json()
    assert again["unchanged"] == 1
    assert client.put("/collections/pages", json=pages).status_code == 200
    assert client.put("/collections/pages").status_code == 200


def test_documents_are_cut_anew_by_a_job(client: TestClient) -> None:
    """Those that are there, and by the same rule those that come later."""
    client.put("/documents", json=DOCUMENTS)
    asked = {"chunking": {"size": 16, "overlap": 0, "by": "sentences"}}
    job = client.post("/reindex", json=asked).json()
    while job["state"] in ("waiting", "running"):
        time.sleep(0.02)
        job = client.get(f"/jobs/{job['id']}").json()
    assert (job["state"], job["error"]) == ("done", None)
    assert job["outcome"]["chunking"] == asked["chunking"]
    count, chunking = chunks(client, "default")
    assert (count, chunking) == (24, asked["chunking"])
    assert set(passages(client, "default")) <= {f"{one}." for one in re.split(r"\.\s*", TEXT)}
    client.put("/documents", json={"documents": [{"id": "other", "text": TEXT}]})
    assert chunks(client, "default")[0] > count


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PUT", "/collections/new", {"chunking": {"size": 5}}, "16"),
        ("PUT", "/collections/new", {"chunking": {"size": 5_000}}, "has room for 256 tokens"),
        ("PUT", "/collections/new", {"chunking": {"overlap": 200}}, "at most half"),
        ("PUT", "/collections/new", {"chunking": {"size": 50, "overlap": 40}}, "25, half of it"),
        ("PUT", "/collections/new", {"chunking": {"by": "verses"}}, "pages"),
        ("PUT", "/collections/default", {"chunking": {"size": 50}}, "reindex cuts them anew"),
        ("POST", "/reindex", {}, "give what is to change"),
    ],
)
def test_chunks_that_cannot_be_are_refused(
    client: TestClient, method: str, path: str, body: object, said: str
) -> None:
    """With what is allowed; nothing is made."""
    answer = client.request(method, path, json=body)
    assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert client.get("/collections/new").status_code == 404


def test_commands_choose_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the making and by reindex; a backup keeps the choice."""
    monkeypatch.setenv("BEARING_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BEARING_MODEL", "hashing")

    def call(*words: str) -> Any:
        done = run_bearing([*words, "--json"])
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "text": TEXT}) + "\n")
    made = call("collections", "create", "books", "--chunk-by", "pages", "--chunk-size", "40")
    assert made["chunking"] == {"size": 40, "overlap": None, "by": "pages"}
    assert call("index", str(tmp_path / "a.jsonl"), "-c", "books")["chunks"] == 6
    moved = call("reindex", "-c", "books", "--chunk-by", "sentences", "--chunk-size", "20")
    assert moved["chunking"] == {"size": 20, "overlap": None, "by": "sentences"}
    call("backup", str(tmp_path / "b.tar"), "-c", "books")
    call("restore", str(tmp_path / "b.tar"), "-c", "copy")
    books, copy = call("stats", "-c", "books"), call("stats", "-c", "copy")
    assert books["chunking"] == copy["chunking"] == moved["chunking"]
    assert books["chunks"] == copy["chunks"] == 12
    assert call("verify", "-c", "copy")["sound"]
