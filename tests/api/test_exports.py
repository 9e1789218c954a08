"""The export over REST and by the clients: what it answers, an import takes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.client import AsyncClient, Client, NotFound

DOCUMENTS = [
    {"id": "a", "text": "snow\u2028man", "title": "Winter", "metadata": {"year": 2020}},
    {"id": "b", "text": "word " * 2_000, "title": None, "metadata": {"year": 2021}},
    {"id": "export", "text": "", "title": None, "metadata": {}},
]


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A service with some documents, one of them long."""
    assert client.put("/documents", json={"documents": DOCUMENTS}).json()["written"] == 3
    client.put("/collections/copy", json={})
    return client


def hits(client: TestClient, collection: str) -> list[tuple[str, float]]:
    """The hits of a query with their scores."""
    found = client.post(
        f"/collections/{collection}/search", json={"query": "snow word", "mode": "dense"}
    )
    return [(hit["id"], hit["score"]) for hit in found.json()["hits"]]


def test_an_import_takes_what_an_export_answers(filled: TestClient) -> None:
    """The copy has the same documents, passages and scores; a filter chooses."""
    answer = filled.get("/collections/default/documents/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert [one["id"] for one in lines] == ["a", "b", "export"]
    assert ["chunks" in one for one in lines] == [False, True, True]
    taken = filled.post("/collections/copy/documents/import", content=answer.content)
    done = json.loads(taken.text.splitlines()[-1])
    assert (done["written"], done["rejected"]) == (3, 0), taken.text
    assert hits(filled, "copy") == hits(filled, "default")
    both = [filled.get(f"/collections/{name}/documents").json() for name in ("copy", "default")]
    assert both[0]["documents"] == both[1]["documents"] == DOCUMENTS
    chunks = {filled.get(f"/collections/{name}").json()["chunks"] for name in ("copy", "default")}
    assert len(chunks) == 1
    some = filled.get("/documents/export", params={"filter": '{"year": {"$gt": 2020}}'})
    assert [json.loads(line)["id"] for line in some.content.splitlines()] == ["b"]
    assert filled.get("/documents/export?filter={").status_code == 422
    assert filled.get("/collections/nope/documents/export").status_code == 404


def test_clients_read_an_export_as_it_comes(listen: Callable[..., int]) -> None:
    """Other ends of lines within texts end none; what was exported is imported, vectors and all."""
    url = f"http://localhost:{listen()}"
    with Client(url) as client:
        client.put(DOCUMENTS)
        given = list(client.export())
        assert [one["id"] for one in given] == ["a", "b", "export"]
        assert given[0]["text"] == "snow\u2028man"
        copy = client.collection("copy")
        copy.create()
        assert copy.import_documents(given).written == 3
        assert list(copy.export()) == given
        with pytest.raises(NotFound):
            next(client.collection("nope").export())

    async def exported() -> list[object]:
        async with AsyncClient(url) as other:
            return [one async for one in other.export({"year": 2020})]

    assert asyncio.run(exported()) == given[:1]
