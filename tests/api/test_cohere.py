"""Cohere's reranking, asked by Cohere's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cohere
import httpx
import numpy as np
import pytest

from indexer.embedding import open_embedder

MODEL = "hashing-256"
DOCUMENTS = ["the moon", "a dog", "a cat on the moon", "a cat"]


@pytest.fixture
def ask(listen: Callable[..., int]) -> Iterator[Callable[..., cohere.ClientV2]]:
    """Starts a service and gives Cohere's client of it."""
    with httpx.Client(trust_env=False) as http:

        def make(api_key: str = "unused", **settings: object) -> cohere.ClientV2:
            url = f"http://127.0.0.1:{listen(**settings)}"
            return cohere.ClientV2(api_key=api_key, base_url=url, httpx_client=http)

        yield make


def test_documents_are_ranked(ask) -> None:
    """The best come first, with their places and relevances, and no more than asked for."""
    answer = ask().rerank(model=MODEL, query="a cat", documents=DOCUMENTS, top_n=3)
    with open_embedder("hashing", cache=Path()) as embedder:
        cosines = embedder.embed(DOCUMENTS).vectors @ embedder.embed(["a cat"]).vectors[0]
    order = np.argsort(-cosines)[:3]
    assert [one.index for one in answer.results] == order.tolist()
    given = [one.relevance_score for one in answer.results]
    np.testing.assert_allclose(given, (1 + cosines[order]) / 2, atol=1e-6)
    assert answer.id
    assert answer.meta.api_version.version == "2"
    assert answer.meta.warnings == [f"ranked by cosine of {MODEL}"]


def test_all_are_ranked_unless_fewer_are_asked_for(ask) -> None:
    """Without `top_n`, or with more than there are, each document has its place."""
    client = ask()
    for top_n in (None, 100):
        options = {} if top_n is None else {"top_n": top_n}
        answer = client.rerank(model=MODEL, query="a cat", documents=DOCUMENTS, **options)
        assert sorted(one.index for one in answer.results) == [0, 1, 2, 3]


def test_only_the_beginnings_are_read_if_so_asked(ask) -> None:
    """`max_tokens_per_doc` hides what comes after; the answer names what was cut."""
    documents = ["one two cat", "one two dog"]
    client = ask()
    answer = client.rerank(model=MODEL, query="cat", documents=documents, max_tokens_per_doc=2)
    assert answer.results[0].relevance_score == answer.results[1].relevance_score
    assert "[0, 1]" in answer.meta.warnings[1]
    answer = client.rerank(model=MODEL, query="cat " * 300, documents=documents)
    assert "query" in answer.meta.warnings[1]


@pytest.mark.parametrize(
    "given",
    [
        {"documents": []},
        {"top_n": 0},
        {"documents": ["x" * 1_000_001]},
        {"relevant_spans": {}},
        {"query": 1},
    ],
)
def test_what_cannot_be_done_is_refused(ask, given) -> None:
    """A 400 has Cohere's shape, and the reason a second time, as Jina's clients look for it."""
    with pytest.raises(cohere.BadRequestError) as refusal:
        ask().rerank(**{"model": MODEL, "query": "x", "documents": ["x"]} | given)
    assert set(refusal.value.body) == {"id", "message", "detail"}


def test_other_errors_have_the_classes_that_the_client_knows(ask) -> None:
    """An unknown model is not found, a wrong key unauthorised."""
    client = ask("right", api_keys="right")
    with pytest.raises(cohere.NotFoundError, match=MODEL):
        client.rerank(model="rerank-v3.5", query="x", documents=["x"])
    stranger = ask("wrong", api_keys="right")
    with pytest.raises(cohere.UnauthorizedError, match="key"):
        stranger.rerank(model=MODEL, query="x", documents=["x"])


def test_the_cross_encoder_ranks_if_it_is_named(ask) -> None:
    """Its name ranks by it, an embedding model's by cosine; the answer says which."""
    client = ask(reranker="overlap")
    for model, method in (("overlap", "cross-encoder"), (MODEL, "cosine")):
        answer = client.rerank(model=model, query="a cat", documents=DOCUMENTS)
        assert answer.meta.warnings == [f"ranked by {method} of {model}"]
        assert answer.results[0].relevance_score == pytest.approx(1.0)
