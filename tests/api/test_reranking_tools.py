"""Reranking in the words of Jina, of Cohere's first API, and of Voyage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cohere
import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from indexer.embedding import open_embedder

MODEL = "hashing-256"
DOCUMENTS = ["the moon", "a dog", "a cat on the moon", "a cat"]


def cosines() -> np.ndarray:
    """Of the documents with a query, by a model opened here."""
    with open_embedder("hashing", cache=Path()) as embedder:
        return embedder.embed(DOCUMENTS).vectors @ embedder.embed(["a cat"]).vectors[0]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "//v1/rerank"])
@pytest.mark.parametrize("model", [{}, {"model": MODEL}])
def test_documents_are_ranked_as_jina_does(client: TestClient, path: str, model: dict) -> None:
    """Places and relevances, the best first, and each document if so asked."""
    client.put("/documents", json={"documents": []})
    body = {"query": "a cat", "documents": DOCUMENTS, "top_n": 3, "return_documents": True} | model
    answer = client.post(path, json=body).json()
    order = np.argsort(-cosines(), kind="stable")[:3]
    assert [one["index"] for one in answer["results"]] == order.tolist()
    given = [one["relevance_score"] for one in answer["results"]]
    np.testing.assert_allclose(given, (1 + cosines()[order]) / 2, atol=1e-6)
    assert [one["document"] for one in answer["results"]] == [
        {"text": DOCUMENTS[place]} for place in order
    ]
    assert (answer["model"], answer["object"]) == (MODEL, "list")


def test_documents_are_ranked_as_voyage_does(client: TestClient) -> None:
    """Its clients look for `data`, in which a document is its text."""
    client.put("/documents", json={"documents": []})
    body = {"query": "a cat", "documents": DOCUMENTS, "model": MODEL, "top_k": 1}
    answer = client.post("/v1/rerank", json=body | {"return_documents": True, "truncation": True})
    (best,) = answer.json()["data"]
    assert (best["index"], best["document"]) == (3, "a cat")
    refused = client.post(
        "/v1/rerank", json=body | {"truncation": False, "documents": ["x " * 999]}
    )
    assert refused.status_code == 400
    assert "documents[0]" in refused.json()["message"]


def test_fields_that_make_no_difference_are_named(client: TestClient) -> None:
    """Known fields are passed over and said; unknown ones are refused."""
    client.put("/documents", json={"documents": []})
    body = {"query": "a cat", "documents": [{"text": "a cat"}], "rank_fields": ["text"]}
    answer = client.post("/v1/rerank", json=body | {"max_chunks_per_doc": 3})
    assert answer.headers["x-ignored-fields"] == "max_chunks_per_doc, rank_fields"
    refused = client.post("/v1/rerank", json=body | {"frobnicate": 1})
    assert refused.status_code == 400
    assert "frobnicate" in refused.json()["message"]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_documents_may_have_fields_beside_their_text(client: TestClient, path: str) -> None:
    """A document that is an object is ranked by its text, whatever else the user keeps in it."""
    client.put("/documents", json={"documents": []})
    documents = [{"id": 7, "text": "the moon"}, {"title": "Pets", "text": "a cat"}]
    answer = client.post(path, json={"query": "a cat", "documents": documents, "model": MODEL})
    assert [one["index"] for one in answer.json()["results"]] == [1, 0]


def test_the_first_client_of_cohere_is_served(listen: Callable[..., int]) -> None:
    """Its own client ranks and embeds."""
    with httpx.Client(trust_env=False) as http:
        url = f"http://127.0.0.1:{listen()}"
        http.put(f"{url}/documents", json={"documents": []})
        client = cohere.Client(api_key="unused", base_url=url, httpx_client=http)
        answer = client.rerank(
            model=MODEL, query="a cat", documents=DOCUMENTS, top_n=1, return_documents=True
        )
        assert (answer.results[0].index, answer.results[0].document.text) == (3, "a cat")
        vectors = client.embed(
            texts=DOCUMENTS, model=MODEL, input_type="search_document"
        ).embeddings
        with open_embedder("hashing", cache=Path()) as embedder:
            expected = embedder.embed(DOCUMENTS).vectors
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_the_second_client_of_cohere_embeds(listen: Callable[..., int]) -> None:
    """Vectors by type, float and base64, of either side; what is not to be had is refused."""
    with httpx.Client(trust_env=False) as http:
        url = f"http://127.0.0.1:{listen()}"
        http.put(f"{url}/documents", json={"documents": []})
        client = cohere.ClientV2(api_key="unused", base_url=url, httpx_client=http)
        asked = {"texts": DOCUMENTS, "model": MODEL, "input_type": "search_query"}
        answer = client.embed(**asked, embedding_types=["float", "base64"])
        with open_embedder("hashing", cache=Path()) as embedder:
            expected = embedder.embed(DOCUMENTS).vectors
        np.testing.assert_allclose(answer.embeddings.float_, expected, atol=1e-6)
        assert len(answer.embeddings.base64) == len(DOCUMENTS)
        assert answer.meta.billed_units.input_tokens > 0
        with pytest.raises(cohere.BadRequestError, match="float"):
            client.embed(**asked, embedding_types=["int8"])
        with pytest.raises(cohere.BadRequestError, match=r"texts\[0\]"):
            client.embed(**asked | {"texts": ["x " * 999]}, truncate="NONE")
