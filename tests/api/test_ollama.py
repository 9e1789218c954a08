"""Ollama's routes, asked by Ollama's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import ollama
import pytest

from indexer.embedding import open_embedder

MODEL = "hashing-256"


@pytest.fixture
def client(listen: Callable[..., int]) -> Iterator[ollama.Client]:
    """Ollama's client of a service with one model."""
    url = f"http://127.0.0.1:{listen()}"
    httpx.put(f"{url}/documents", json={"documents": []}, trust_env=False)
    client = ollama.Client(host=url, trust_env=False)
    yield client
    client._client.close()


@pytest.mark.parametrize("model", [MODEL, f"{MODEL}:latest"])
def test_texts_are_embedded(client: ollama.Client, model: str) -> None:
    """One text or several, by a name with or without a tag."""
    with open_embedder("hashing", cache=Path()) as embedder:
        expected = embedder.embed(["a cat", "the moon"]).vectors
    answer = client.embed(model=model, input=["a cat", "the moon"])
    np.testing.assert_allclose(answer.embeddings, expected, atol=1e-6)
    assert answer.prompt_eval_count > 0
    np.testing.assert_allclose(client.embed(model, "a cat").embeddings, expected[:1], atol=1e-6)
    np.testing.assert_allclose(
        client.embeddings(model, "the moon").embedding, expected[1], atol=1e-6
    )


def test_no_text_has_no_vector(client: ollama.Client) -> None:
    """Clients ask so to have a model loaded."""
    assert client.embed(model=MODEL, input=[]).embeddings == []
    assert client.embeddings(model=MODEL, prompt="").embedding == []


def test_models_are_listed(client: ollama.Client) -> None:
    """By name, with the digest of their weights."""
    (model,) = client.list().models
    assert model.model == MODEL
    assert model.digest


def test_errors_are_told_as_ollama_does(client: ollama.Client) -> None:
    """A model that is not served is a 404, a text that is too long a 400."""
    with pytest.raises(ollama.ResponseError, match="no model 'other'") as error:
        client.embed(model="other", input="x")
    assert error.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match=r"input\[0\]") as error:
        client.embed(model=MODEL, input="x " * 999, truncate=False)
    assert error.value.status_code == 400


def test_options_are_passed_over(client: ollama.Client) -> None:
    """What tells Ollama how to run a model makes no difference."""
    answer = client.embed(model=MODEL, input="x", options={"num_ctx": 512}, keep_alive="5m")
    assert len(answer.embeddings) == 1
