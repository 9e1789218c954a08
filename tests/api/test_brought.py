"""Vectors that documents bring along over REST: who may vouch for them, and what is refused."""

from __future__ import annotations

import json

import numpy as np
from starlette.testclient import TestClient

DOCUMENTS = "/documents"
IMPORT = "/documents/import"


def fingerprint(client: TestClient) -> str:
    """The fingerprint of the collection's model, as it says; it is created."""
    client.put("/collections/default", json={})
    return client.get("/collections/default").json()["fingerprint"]


def vectors(client: TestClient, count: int = 1) -> list[list[float]]:
    """Vectors of its model's dimension, of no particular length."""
    dimension = client.get("/collections/default").json()["dimension"]
    return np.random.default_rng(7).normal(size=(count, dimension)).tolist()


def best(client: TestClient, vector: list[float]) -> tuple[str, float]:
    """The nearest document to a direction."""
    hit = client.post("/search", json={"vector": vector, "k": 1}).json()["hits"][0]
    return hit["id"], hit["score"]


def test_a_document_brings_its_vector(client: TestClient) -> None:
    """With the collection's fingerprint; it is found by that direction."""
    model = fingerprint(client)
    one, two = vectors(client, 2)
    documents = [
        {"id": "a", "text": "x", "vector": one, "model": model},
        {"id": "b", "text": "y", "vector": two, "model": model},
        {"id": "c", "text": "an embedded one"},
    ]
    answer = client.put(DOCUMENTS, json={"documents": documents})
    assert answer.json()["written"] == 3, answer.text
    for vector, id in ((one, "a"), (two, "b")):
        found, score = best(client, vector)
        assert (found, round(score, 5)) == (id, 1.0)
    assert client.get("/documents/a").json()["metadata"] == {}


def test_passages_bring_theirs(client: TestClient) -> None:
    """In order; a hit shows the passage."""
    model = fingerprint(client)
    one, two = vectors(client, 2)
    chunks = [{"start": 0, "end": 5, "vector": one}, {"start": 5, "end": 10, "vector": two}]
    body = {"id": "a", "text": "firstother", "chunks": chunks, "model": model}
    assert client.put(DOCUMENTS, json={"documents": [body]}).json()["written"] == 1
    hit = client.post("/search", json={"vector": two, "k": 1}).json()["hits"][0]
    assert hit["passage"]["text"] == "other"


def test_all_or_none_are_written(client: TestClient) -> None:
    """A vector that is none of the model's is refused by its place, and nothing is written."""
    model = fingerprint(client)
    (good,) = vectors(client)
    wrong = [
        ({"vector": [0.0] * len(good), "model": model}, "zero"),
        ({"vector": good[:-1], "model": model}, "numbers"),
        ({"vector": good}, "fingerprint"),
        ({"vector": good, "model": "Volvo"}, "Volvo"),
        ({"vector": good, "model": model.replace(model[:4], "0000")}, "model"),
        ({"vector": good, "chunks": [], "model": model}, "chunks"),
        ({"model": model}, "vector"),
        ({"chunks": [{"start": 0, "end": 99, "vector": good}], "model": model}, "99"),
    ]
    for fields, word in wrong:
        documents = [{"id": "a", "text": "x"}, {"id": "b", "text": "y", **fields}]
        answer = client.put(DOCUMENTS, json={"documents": documents})
        assert answer.status_code == 422, (fields, answer.text)
        assert "documents" in answer.text
        assert word in answer.text, answer.text
    assert client.get(DOCUMENTS).json()["documents"] == []


def test_only_admins_vouch_for_vectors(connect) -> None:
    """A key that may write cannot have vectors taken unchecked; one that may admin can."""
    client = connect(api_keys="w:write:writing-secret-1,a:admin:admin-secret-12")
    admin = {"authorization": "Bearer admin-secret-12"}
    client.put("/collections/default", json={}, headers=admin)
    dimension = client.get("/collections/default", headers=admin).json()["dimension"]
    body = {"documents": [{"id": "a", "text": "x", "vector": [1.0] * dimension}]}
    for path in (DOCUMENTS, IMPORT):
        writing = {"authorization": "Bearer writing-secret-1"}
        method = "PUT" if path == DOCUMENTS else "POST"
        refused = client.request(method, f"{path}?vectors=trusted", json=body, headers=writing)
        assert refused.status_code == 403, refused.text
        assert "fingerprint" in refused.text
    taken = client.put(f"{DOCUMENTS}?vectors=trusted", json=body, headers=admin)
    assert taken.json()["written"] == 1, taken.text


def test_an_import_rejects_by_line(client: TestClient) -> None:
    """Vectors of no known model, zeros, long texts; what is good is stored."""
    model = fingerprint(client)
    (good,) = vectors(client)
    records = [
        {"id": "a", "text": "x", "vector": good, "model": model, "year": 3},
        {"id": "b", "text": "x", "vector": [0.0] * len(good), "model": model},
        {"id": "c", "text": "x", "vector": good},
        {"id": "d", "text": "word " * 2_000, "vector": good, "model": model},
        {"id": "e", "text": "y"},
    ]
    body = b"\n".join(json.dumps(one).encode() for one in records)
    answer = client.post(IMPORT, content=body)
    reports = [json.loads(line) for line in answer.text.splitlines()]
    rejected = {one["line"]: one["reason"] for one in reports if one["event"] == "rejected"}
    assert sorted(rejected) == [2, 3, 4]
    for line, word in ((2, "zero"), (3, "fingerprint"), (4, "chunks")):
        assert word in rejected[line]
    assert (reports[-1]["written"], reports[-1]["rejected"]) == (2, 3)
    assert best(client, good)[0] == "a"
    assert client.get("/documents/a").json()["metadata"] == {"year": 3}
    trusted = client.post(f"{IMPORT}?vectors=trusted", content=body)
    last = json.loads(trusted.text.splitlines()[-1])
    assert (last["written"], last["unchanged"], last["rejected"]) == (1, 2, 2)


def test_a_file_brings_vectors(client: TestClient) -> None:
    """As a file of JSON Lines that was sent does; rejections name the line."""
    model = fingerprint(client)
    (good,) = vectors(client)
    records = [
        {"id": "a", "text": "x", "vector": good, "model": model},
        {"id": "b", "text": "word " * 2_000, "vector": good, "model": model},
    ]
    body = b"\n".join(json.dumps(one).encode() for one in records)
    answer = client.post("/documents/files?name=a.jsonl", content=body)
    reports = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["place"] for one in reports if one["event"] == "rejected"] == ["a.jsonl:2"]
    assert (reports[-1]["written"], reports[-1]["rejected"]) == (1, 1)
    assert best(client, good)[0] == "a"
