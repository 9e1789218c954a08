"""Making, describing and deleting collections over REST."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from indexer.config import Config
from indexer.documents import Document
from indexer.ingestion.changes import store
from indexer.library import Library


def test_a_service_begins_with_a_default_collection(client: TestClient) -> None:
    """`default` is there at the start, filled by the service's model."""
    (only,) = client.get("/collections").json()["collections"]
    assert (only["name"], only["model"]) == ("default", "hashing-256")


def test_making_a_collection_twice_changes_nothing(client: TestClient) -> None:
    """The first PUT answers 201, later ones 200 with the collection as it is."""
    assert client.put("/collections/things").status_code == 201
    client.put("/collections/things/documents", json={"documents": [{"id": "a", "text": "x"}]})
    again = client.put("/collections/things", json={})
    assert again.status_code == 200
    assert again.json()["documents"] == 1


def test_a_collection_may_have_a_model_of_its_own(client: TestClient) -> None:
    """A model given at making decides the dimension."""
    made = client.put("/collections/small", json={"model": "hashing-32"})
    assert made.status_code == 201
    assert (made.json()["model"], made.json()["dimension"]) == ("hashing-32", 32)
    assert client.put("/collections/small", json={"model": "hashing-32"}).status_code == 200


def test_another_model_is_a_conflict_that_names_both(client: TestClient) -> None:
    """A collection is never opened with another model than the one that filled it."""
    client.put("/collections/small", json={"model": "hashing-32"})
    response = client.put("/collections/small", json={"model": "hashing-64"})
    assert response.status_code == 409
    assert "hashing-32" in response.json()["detail"]
    assert "hashing-64" in response.json()["detail"]


def test_a_model_that_cannot_be_loaded_is_the_clients_mistake(
    client: TestClient, tmp_path: Path
) -> None:
    """A path without a model is a 422, and no collection is made."""
    response = client.put("/collections/bad", json={"model": str(tmp_path / "no-model")})
    assert response.status_code == 422
    assert client.get("/collections/bad").status_code == 404


def test_fields_are_told_with_their_common_values(client: TestClient) -> None:
    """What filters may name, and what they may ask for, as JSON."""
    documents = [
        {"id": "a", "text": "x", "metadata": {"year": 2001, "tags": ["io", "net"]}},
        {"id": "b", "text": "y", "metadata": {"year": 2003, "tags": ["net"], "open": True}},
    ]
    client.put("/documents", json={"documents": documents})
    told = client.get("/collections/default/fields", params={"common": 1}).json()["fields"]
    assert told == [
        {
            "name": "open",
            "kinds": ["boolean"],
            "distinct": 1,
            "common": [{"value": True, "documents": 1}],
            "smallest": None,
            "largest": None,
        },
        {
            "name": "tags",
            "kinds": ["string"],
            "distinct": 2,
            "common": [{"value": "net", "documents": 2}],
            "smallest": None,
            "largest": None,
        },
        {
            "name": "year",
            "kinds": ["number"],
            "distinct": 2,
            "common": [{"value": 2001, "documents": 1}],
            "smallest": 2001,
            "largest": 2003,
        },
    ]
    few = client.get("/collections/default/fields", params={"limit": 2}).json()["fields"]
    assert [field["name"] for field in few] == ["open", "tags"]


def test_moments_are_told_apart_and_compared(client: TestClient) -> None:
    """Moments are of a kind of their own, compared whatever their offsets, and sent as given."""
    given = {"a": "2024-03-01T00:30:00+02:00", "b": "2024-02-29T22:30:00Z", "c": "2024-03-01"}
    documents = [{"id": id, "text": "x", "metadata": {"at": at}} for id, at in given.items()]
    client.put("/documents", json={"documents": documents})
    (at,) = client.get("/collections/default/fields").json()["fields"]
    assert (at["kinds"], at["distinct"]) == (["moment"], 2)
    assert at["common"][0] == {"value": given["b"], "documents": 2}
    assert (at["smallest"], at["largest"]) == (given["b"], given["c"])
    where = {"at": {"$lt": "2024-03-01T00:00:00Z"}}
    hits = client.post("/search", json={"query": "x", "filter": where}).json()["hits"]
    assert {hit["id"]: hit["metadata"]["at"] for hit in hits} == {
        id: given[id] for id in ("a", "b")
    }
    gone = client.post("/documents/delete", json={"filter": {"at": "2024-02-29T23:30:00+01:00"}})
    assert gone.json() == {"deleted": 2}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "common=101", "values=3"])
def test_fields_are_asked_for_within_bounds(client: TestClient, query: str) -> None:
    """A number out of bounds or an unknown parameter is refused."""
    response = client.get(f"/collections/default/fields?{query}")
    assert response.status_code == 422
    assert query.partition("=")[0] in response.text


def test_a_description_counts(client: TestClient) -> None:
    """Documents, chunks and bytes are counted."""
    client.put("/documents", json={"documents": [{"id": "a", "text": "x"}]})
    described = client.get("/collections/default").json()
    assert (described["documents"], described["chunks"]) == (1, 1)
    assert described["bytes"] > 0
    assert described["dimension"] == 256
    assert described["index"]


def test_a_deleted_collection_is_gone_and_its_name_free(client: TestClient) -> None:
    """After DELETE the collection is not found, and may be made anew, empty."""
    client.put("/collections/things")
    client.put("/collections/things/documents", json={"documents": [{"id": "a", "text": "x"}]})
    assert client.post("/collections/things/search", json={"query": "x"}).json()["hits"]
    assert client.delete("/collections/things").status_code == 204
    assert client.get("/collections/things").status_code == 404
    assert client.delete("/collections/things").status_code == 404
    assert client.put("/collections/things").status_code == 201
    assert client.post("/collections/things/search", json={"query": "x"}).json()["hits"] == []


@pytest.mark.parametrize("name", ["-a", "a.b", "a%2Fb", "%2E%2E", "a" * 65, "%00", "ü", "a b"])
def test_a_name_that_cannot_be_is_refused(client: TestClient, name: str) -> None:
    """Names that could be taken for paths or options make no collection."""
    response = client.put(f"/collections/{name}")
    assert response.status_code in (404, 405, 422)
    assert response.headers["content-type"] == "application/problem+json"
    (only,) = client.get("/collections").json()["collections"]
    assert only["name"] == "default"


def test_a_broken_collection_is_listed_with_its_error(launch, tmp_path: Path) -> None:
    """A collection that cannot be opened hides no other, and says why."""
    with launch() as client:
        client.put("/collections/broken")
    (tmp_path / "data" / "broken" / "store.sqlite").write_bytes(b"no database" * 1000)
    with launch() as client:
        listed = client.get("/collections").json()["collections"]
    assert [one["name"] for one in listed] == ["broken", "default"]
    assert listed[0]["error"]
    assert listed[1]["documents"] == 0


def test_a_collection_is_diagnosed(client: TestClient) -> None:
    """Every figure comes with what it means; one that asks for something says what to do."""
    texts = [f"word{i} and word{i * 7 % 61}" for i in range(60)]
    documents = [{"id": f"n{i}", "text": text} for i, text in enumerate([*texts, texts[0]])]
    assert client.put("/documents", json={"documents": documents}).status_code == 200
    told = client.get("/collections/default/diagnostics").json()
    assert told["documents"] == 61
    found = {one["name"]: one for one in told["diagnostics"]}
    assert found["exact_duplicates"]["value"] == 1
    assert found["exact_duplicates"]["verdict"] == "look"
    assert set(found["exact_duplicates"]["details"]["examples"][0]) == {"n0", "n60"}
    assert found["exact_duplicates"]["remedy"]
    assert found["significance_fit"]["value"] < 1
    assert client.get("/collections/nowhere/diagnostics").status_code == 404


def test_what_another_process_does_to_a_collection_is_noticed(
    client: TestClient, tmp_path: Path
) -> None:
    """A search finds what is there now: a collection made anew elsewhere, of any model, or none."""
    search = partial(client.post, "/search", json={"query": "one"})
    client.put("/documents", json={"documents": [{"id": "old", "text": "one"}]})
    assert [hit["id"] for hit in search().json()["hits"]] == ["old"]
    with Library(Config(data=tmp_path / "data", cache=tmp_path)) as elsewhere:
        elsewhere.delete("default")
        assert search().status_code == 404
        for model in ("hashing", "hashing-64"):
            made = elsewhere.create("default", model)
            store(made, elsewhere.embedder(made), [Document(model, "one")])
            assert [hit["id"] for hit in search().json()["hits"]] == [model]
            assert [hit["id"] for hit in search().json()["hits"]] == [model]
            elsewhere.delete("default")


def test_examples_are_of_different_documents(client: TestClient) -> None:
    """As many as are asked for, in the words of the documents; those that are deleted give none."""
    documents = [
        {"id": f"d{n}", "text": f"A sentence about {word}. {n}"}
        for n, word in enumerate(("whales", "engines", "kittens", "stars"))
    ]
    client.put("/collections/things")
    client.put(
        "/collections/things/documents", json={"documents": [{"id": "x", "text": "12"}, *documents]}
    )
    path = "/collections/things/examples"
    everything = client.get(path).json()["queries"]
    assert sorted(everything) == sorted(one["text"].split(".")[0] for one in documents)
    assert client.get(path, params={"limit": 2}).json()["queries"] == everything[:2]
    client.post("/collections/things/documents/delete", json={"ids": ["d0", "d1", "d2"]})
    assert client.get(path).json()["queries"] == ["A sentence about stars"]
    assert client.get(path, params={"limit": 0}).status_code == 422
