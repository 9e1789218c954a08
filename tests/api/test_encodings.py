"""Requests as proxies and clients may send them: compressed, or for the head alone."""

from __future__ import annotations

import gzip
import json

import pytest
from starlette.testclient import TestClient

GZIP = {"content-type": "application/json", "content-encoding": "gzip"}


def packed(value: object) -> bytes:
    """A value as compressed JSON."""
    return gzip.compress(json.dumps(value).encode(), mtime=0)


def test_a_compressed_body_is_unpacked(client: TestClient) -> None:
    """Documents, searches and imports may come as gzip, of one member or several."""
    documents = {"documents": [{"id": f"d{i}", "text": f"text {i}"} for i in range(50)]}
    written = client.put("/documents", content=packed(documents), headers=GZIP)
    assert (written.status_code, written.json()["written"]) == (200, 50)
    lines = [b'{"id": "a", "text": "first"}\n', b'{"id": "b", "text": "second"}\n']
    two = b"".join(map(gzip.compress, lines))
    answer = client.post("/documents/import", content=two, headers={"content-encoding": "x-gzip"})
    assert json.loads(answer.text.splitlines()[-1])["written"] == 2
    found = client.post("/search", content=packed({"query": "second", "k": 1}), headers=GZIP)
    assert found.json()["hits"][0]["id"] == "b"


def test_what_a_compressed_body_holds_is_bounded(connect) -> None:
    """The limit is for what is unpacked: a small body that holds much is refused."""
    client = connect(max_body_bytes=100_000)
    body = packed({"query": "x" * 10_000_000})
    assert len(body) < 20_000
    answer = client.post("/search", content=body, headers=GZIP)
    assert answer.status_code == 413
    assert "BEARING_MAX_BODY_BYTES" in answer.json()["detail"]
    line = gzip.compress(
        b'{"id": "long", "text": "' + b"x" * 10_000_000 + b'"}\n{"id": "a", "text": "b"}\n'
    )
    client = connect(max_line_bytes=100_000)
    answer = client.post("/documents/import", content=line, headers={"content-encoding": "gzip"})
    events = [json.loads(one) for one in answer.text.splitlines()]
    assert [one["event"] for one in events] == ["rejected", "progress", "done"]
    assert "BEARING_MAX_LINE_BYTES" in events[0]["reason"]


@pytest.mark.parametrize(
    "body",
    [b"{}", packed({"query": "x"})[:-9], packed({"query": "x"}) + b"more", b""],
    ids=["plain", "cut", "more", "none"],
)
def test_a_body_that_is_no_gzip_is_refused(client: TestClient, body: bytes) -> None:
    """A cut or another body is told from one that is merely wrong, and from none."""
    answer = client.post("/search", content=body, headers=GZIP)
    assert answer.status_code == 400
    assert "gzip" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["br", "zstd", "deflate", "gzip, gzip"])
def test_another_encoding_is_refused_by_name(client: TestClient, name: str) -> None:
    """The answer names what was given and what is taken."""
    answer = client.post("/search", content=b"{}", headers=GZIP | {"content-encoding": name})
    assert answer.status_code == 415
    assert name in answer.json()["detail"]
    assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "path", ["/", "/collections", "/documents", "/healthz", "/metrics", "/docs"]
)
def test_head_is_answered_where_get_is(client: TestClient, path: str) -> None:
    """With the status and headers of GET, and no body."""
    client.put("/documents", json={"documents": [{"id": "a", "text": "b"}]})
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_head_is_refused_where_get_is(client: TestClient) -> None:
    """405 names the methods there are, HEAD among them only beside GET."""
    assert client.head("/search/batch").status_code == 405
    assert client.get("/search/batch").headers["allow"] == "POST"
    assert client.post("/documents/a", json={}).headers["allow"] == "GET, HEAD, DELETE"
