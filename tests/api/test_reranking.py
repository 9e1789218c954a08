"""Reranking over REST, by the cross-encoder that needs no model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

DOCUMENTS = [{"id": f"d{n}", "text": f"{'fox ' * n}words of document {n}"} for n in range(8)]


@pytest.fixture
def filled(connect: Callable[..., TestClient]) -> TestClient:
    """A client of a service that has a reranker and DOCUMENTS."""
    client = connect(reranker="overlap", max_reranked=60)
    client.put("/documents", json={"documents": DOCUMENTS})
    return client


def test_hits_are_reranked_where_it_is_asked_for(filled: TestClient) -> None:
    """The score is the cross-encoder's, and what the first ranking said is kept."""
    body = {"query": "fox document 5", "k": 3}
    plain = filled.post("/search", json=body).json()["hits"]
    assert all("reranked" not in hit["scores"] for hit in plain)
    for rerank in (8, True):
        hits = filled.post("/search", json=body | {"rerank": rerank}).json()["hits"]
        assert hits[0]["id"] == "d5"
        assert [hit["score"] for hit in hits] == pytest.approx([1.0, 2 / 3, 2 / 3])
        for hit in hits:
            assert hit["scores"]["reranked"] == hit["score"]
            assert hit["distance"] == pytest.approx(1 - hit["scores"]["dense"])
    for rerank in (None, False):
        assert filled.post("/search", json=body | {"rerank": rerank}).json()["hits"] == plain


def test_searches_of_a_batch_are_reranked_each_by_itself(filled: TestClient) -> None:
    """What is scored together comes back to the search that asked."""
    searches = [
        {"query": "fox document 5", "rerank": 8},
        {"query": "words of document 2"},
        {"query": "words 7", "rerank": 8, "group_by": "x"},
    ]
    results = filled.post("/search/batch", json={"searches": searches}).json()["results"]
    alone = [filled.post("/search", json=search).json() for search in searches]
    for one, other in zip(results, alone, strict=True):
        assert [hit["id"] for hit in one["hits"]] == [hit["id"] for hit in other["hits"]]


def test_reranking_is_bounded(filled: TestClient) -> None:
    """More hits than the setting allows in one request are refused with its name."""
    searches = [{"query": "a", "rerank": 31}] * 2
    response = filled.post("/search/batch", json={"searches": searches})
    assert response.status_code == 413 and "BEARING_MAX_RERANKED" in response.json()["detail"]


@pytest.mark.parametrize("rerank", [0, -1, 1.5, "5", []])
def test_a_depth_is_a_count(filled: TestClient, rerank: object) -> None:
    """Anything else is refused."""
    response = filled.post("/search", json={"query": "a", "rerank": rerank})
    assert response.status_code == 422


def test_a_service_without_a_reranker_says_how_to_have_one(client: TestClient) -> None:
    """It is the client's error, since the service cannot do it."""
    client.put("/documents", json={"documents": DOCUMENTS})
    response = client.post("/search", json={"query": "a", "rerank": 5})
    assert response.status_code == 422
    assert "BEARING_RERANKER" in response.json()["detail"]


def test_a_reranker_that_cannot_be_opened_keeps_the_service_from_starting(
    launch: Callable[..., TestClient],
) -> None:
    """It is told at the start, not at the first search."""
    with pytest.raises(Exception, match="no folder"), launch(reranker="./nowhere"):
        pass
