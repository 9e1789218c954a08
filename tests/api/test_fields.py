"""The parts of documents that answers have."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

LONG = "a bearing is a direction. " * 200
SCORED = {"id", "score", "distance", "scores"}


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a service with a long document among short ones."""
    documents: list[dict[str, Any]] = [
        {"id": f"d{n}", "text": f"direction {n}", "title": f"T{n}", "metadata": {"n": n, "x": "y"}}
        for n in range(5)
    ]
    documents.append({"id": "long", "text": LONG, "title": "Long", "metadata": {"n": 9}})
    assert client.put("/documents", json={"documents": documents}).is_success
    return client


def hits(client: TestClient, **search: Any) -> list[dict[str, Any]]:
    """The hits of a search by a text."""
    answer = client.post("/search", json={"query": "direction", **search})
    assert answer.is_success, answer.text
    found: list[dict[str, Any]] = answer.json()["hits"]
    return found


def test_hits_carry_the_fields_asked_for_and_no_others(filled: TestClient) -> None:
    """Ids and scores always come; the rest equals that of whole hits, and one key is one key."""
    whole = {hit["id"]: hit for hit in hits(filled)}
    for fields in ([], ["title"], ["text", "metadata"], ["passage", "metadata.n"]):
        for hit in hits(filled, fields=fields):
            named = {name.partition(".")[0] for name in fields}
            assert set(hit) - {"grade", "relevance"} == SCORED | named
            for name in named - {"metadata"}:
                assert hit[name] == whole[hit["id"]][name]
            if "metadata.n" in fields:
                assert hit["metadata"] == {"n": whole[hit["id"]]["metadata"]["n"]}


def test_passages_only_leaves_out_whole_texts(filled: TestClient) -> None:
    """All else comes, and a long document's answer is a fraction as long."""
    for whole, brief in zip(hits(filled), hits(filled, passages_only=True), strict=True):
        assert brief == {name: value for name, value in whole.items() if name != "text"}
        assert brief["passage"]["text"] in whole["text"]


def test_other_options_work_with_few_fields(filled: TestClient) -> None:
    """Groups, explanations and further pages are as with whole documents."""
    for search in (
        {"group_by": "x", "group_size": 3, "k": 3},
        {"explain": 2, "k": 2},
        {"k": 2, "diversity": 0.5},
    ):
        whole, brief = hits(filled, **search), hits(filled, fields=["title"], **search)
        left_out = ("text", "passage", "metadata")
        assert brief == [{k: v for k, v in hit.items() if k not in left_out} for hit in whole]
    first = filled.post("/search", json={"query": "direction", "k": 4, "fields": []}).json()
    rest = hits(filled, k=4, cursor=first["cursor"])
    assert len({hit["id"] for hit in first["hits"] + rest}) == 6


def test_a_wrong_field_is_refused_with_the_choices(filled: TestClient) -> None:
    """Nothing is ignored in silence."""
    for given, said in (
        ({"fields": ["body"]}, "fields: 'body' is none of: text, title, passage, metadata"),
        ({"fields": ["title"], "passages_only": True}, "give one of: fields, passages_only"),
    ):
        refusal = filled.post("/search", json={"query": "x", **given})
        assert refusal.status_code == 422
        assert said in refusal.json()["detail"]
