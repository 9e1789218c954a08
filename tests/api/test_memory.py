"""A service whose collections are in memory: for trials, and it says what it does not promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.settings import Settings
from indexer.errors import InvalidInput

TEXTS = ("ducks swim on the pond", "geese fly over the pond", "trains run on time")


@pytest.fixture
def client(connect: Callable[..., TestClient]) -> TestClient:
    """A client of a service that keeps nothing on disk."""
    return connect(data="memory:")


def fill(client: TestClient) -> None:
    """Three documents."""
    documents = [
        {"id": f"d{i}", "text": text, "metadata": {"n": i}} for i, text in enumerate(TEXTS)
    ]
    assert client.put("/documents", json={"documents": documents}).status_code == 200


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_it_answers_as_any_other(client: TestClient, mode: str) -> None:
    """What is put is found at once, in pages too."""
    fill(client)
    asked = {"query": "ducks on a pond", "mode": mode, "k": 1}
    first = client.post("/search", json=asked).json()
    assert [hit["id"] for hit in first["hits"]] == ["d0"]
    second = client.post("/search", json={**asked, "cursor": first["cursor"]}).json()
    assert [hit["id"] for hit in second["hits"]] == ["d1"]
    found = client.post("/search", json={**asked, "filter": {"n": {"$gt": 1}}, "mode": "dense"})
    assert [hit["id"] for hit in found.json()["hits"]] == ["d2"]


def test_collections_are_made_and_deleted(client: TestClient) -> None:
    """Also one of the same name again, which is empty."""
    assert client.put("/collections/notes", json={}).status_code in (200, 201)
    documents = {"documents": [{"id": "a", "text": "one"}]}
    assert client.put("/collections/notes/documents", json=documents).status_code == 200
    assert client.delete("/collections/notes").status_code in (200, 204)
    assert client.get("/collections/notes").status_code == 404
    assert client.put("/collections/notes", json={}).status_code in (200, 201)
    assert client.get("/collections/notes").json()["documents"] == 0


def test_what_it_cannot_do_is_an_error_that_says_so(client: TestClient) -> None:
    """A map is drawn from what is on disk."""
    fill(client)
    refused = client.get("/map")
    assert refused.status_code == 501
    assert refused.json()["type"] == "urn:bearing:problem:unsupported"
    assert "--data" in refused.json()["detail"]


def test_it_says_that_it_does_not_last(client: TestClient) -> None:
    """In the description of each collection."""
    assert client.get("/collections/default").json()["index"]["durable"] is False


def test_several_workers_have_no_memory_in_common(settings: Callable[..., Settings]) -> None:
    """So they are refused before they start."""
    with pytest.raises(InvalidInput, match="BEARING_DATA"):
        settings(data="memory:", workers=2)
