"""Requests of tools that the tests do not install, as they were recorded: headers and bodies.

The versions, and what else was tried with each, are in docs/compatible-apis.md.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from serving import service_here
from starlette.testclient import TestClient

from app.routes.compatible import ROUTERS
from app.routes.compatible.reranking import RerankDocumentsBody
from app.routes.compatible.vectors import ToolBody
from indexer.embedding import open_embedder

MODEL: Final = "hashing-256"
TEXTS: Final = ["the moon", "a kitten"]
SENTENCES: Final = {"source_sentence": "a kitten", "sentences": TEXTS}

STAINLESS: Final = {
    "accept": "application/json",
    "user-agent": "OpenAI/JS 6.49.0",
    "x-stainless-retry-count": "0",
    "x-stainless-lang": "js",
    "x-stainless-package-version": "6.49.0",
    "x-stainless-os": "Linux",
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "node",
    "x-stainless-runtime-version": "v20.20.2",
    "authorization": "Bearer none",
    "content-type": "application/json",
    "accept-language": "*",
    "sec-fetch-mode": "cors",
}
FERN: Final = {
    "accept": "*/*",
    "content-type": "application/json",
    "authorization": "Bearer none",
    "x-fern-language": "JavaScript",
    "x-fern-sdk-name": "cohere-ai",
    "x-fern-sdk-version": "8.1.0",
    "x-fern-runtime": "node",
    "x-fern-runtime-version": "20.20.2",
}
PLAIN: Final = {"content-type": "application/json", "authorization": "Bearer x"}

OPENAI: Final = {"model": MODEL, "input": TEXTS}
COHERE: Final = {"model": MODEL, "texts": TEXTS, "input_type": "search_document"}
FLOAT: Final = {"embedding_types": ["float"]}

EMBEDDINGS: Final = {
    "openai (JavaScript)": ("/v1/embeddings", STAINLESS, OPENAI | {"encoding_format": "base64"}),
    "@langchain/openai": (
        "/v1/embeddings",
        STAINLESS,
        OPENAI | {"dimensions": 256, "encoding_format": "base64"},
    ),
    "haystack OpenAIDocumentEmbedder": (
        "/v1/embeddings",
        PLAIN,
        OPENAI | {"encoding_format": "float"},
    ),
    "haystack JinaDocumentEmbedder": (
        "/v1/embeddings",
        PLAIN,
        OPENAI | {"task": "retrieval.passage", "late_chunking": True},
    ),
    "llama-index JinaEmbedding": ("/v1/embeddings", PLAIN, OPENAI | {"encoding_type": "float"}),
    "voyageai": (
        "/v1/embeddings",
        PLAIN,
        OPENAI
        | {"input_type": "document", "truncation": True, "encoding_format": "base64"}
        | {"output_dtype": None, "output_dimension": None},
    ),
    "llama-index TextEmbeddingsInference": ("/embed", PLAIN, {"inputs": TEXTS, "truncate": True}),
    "haystack HuggingFaceAPIDocumentEmbedder": (
        "/",
        PLAIN,
        {"inputs": TEXTS, "normalize": False, "truncate": True},
    ),
    "huggingface_hub": (
        "/",
        PLAIN,
        {"inputs": TEXTS, "dimensions": 256, "encoding_format": "float"},
    ),
    "@huggingface/inference": ("/embed", PLAIN, {"inputs": TEXTS}),
    "cohere-ai": ("/v2/embed", FERN, COHERE | FLOAT),
    "cohere-ai, version 1": ("/v1/embed", FERN, COHERE),
    "haystack CohereDocumentEmbedder": ("/v2/embed", PLAIN, COHERE | FLOAT | {"truncate": "END"}),
    "cohere, inputs": (
        "/v2/embed",
        PLAIN,
        {"model": MODEL, "input_type": "search_document"}
        | FLOAT
        | {"inputs": [{"content": [{"type": "text", "text": text}]} for text in TEXTS]},
    ),
    "langchain-cohere": (
        "/v1/embed",
        PLAIN,
        COHERE | FLOAT | {"truncate": None},
    ),
    "litellm, cohere": ("/v2/embed", PLAIN, COHERE),
    "litellm, jina_ai": ("/v1/embeddings", PLAIN, OPENAI),
    "ollama (JavaScript)": ("/api/embed", PLAIN, OPENAI),
    "llama-index OllamaEmbedding": ("/api/embed", PLAIN, OPENAI | {"options": {}}),
}
"""By tool: where it asks for vectors, with which headers, and what."""

RERANK: Final = {"query": "a kitten", "documents": TEXTS, "model": MODEL}
RANKINGS: Final = {
    "cohere-ai": ("/v2/rerank", FERN, RERANK | {"top_n": 2}),
    "cohere-ai, version 1": (
        "/v1/rerank",
        FERN,
        RERANK | {"top_n": 2, "return_documents": True},
    ),
    "haystack CohereRanker": (
        "/v2/rerank",
        PLAIN,
        RERANK | {"top_n": 2, "max_tokens_per_doc": 4096},
    ),
    "haystack JinaRanker": ("/v1/rerank", PLAIN, RERANK | {"top_n": 2}),
    "voyageai": ("/v1/rerank", PLAIN, RERANK | {"top_k": 2, "truncation": True}),
    "langchain-cohere": (
        "/v2/rerank",
        PLAIN,
        RERANK | {"top_n": 2, "max_tokens_per_doc": None},
    ),
    "litellm, cohere": ("/v2/rerank", PLAIN, RERANK | {"return_documents": True}),
    "litellm, hosted_vllm": ("/rerank", PLAIN, RERANK | {"return_documents": True}),
    "litellm, huggingface": (
        "/rerank",
        PLAIN,
        {"raw_scores": False, "truncation_direction": "Right", "return_text": True}
        | {"query": "a kitten", "texts": TEXTS},
    ),
    "llama-index TextEmbeddingInference": (
        "/rerank",
        PLAIN,
        {"query": "a kitten", "texts": TEXTS},
    ),
    "haystack HuggingFaceTEIRanker": (
        "/rerank",
        PLAIN,
        {"query": "a kitten", "texts": TEXTS, "raw_scores": False},
    ),
}
"""By tool: where it asks for a ranking, with which headers, and what."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service with one model, which nothing here changes."""
    with service_here(tmp_path_factory.mktemp("service"), raise_errors=False) as client:
        client.put("/documents", json={"documents": []})
        yield client


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of texts, by a model opened here."""
    with open_embedder("hashing", cache=Path()) as embedder:
        return embedder.embed(texts).vectors


def floats(given: Any) -> list[float]:
    """A vector as it travels."""
    if isinstance(given, str):
        return np.frombuffer(base64.b64decode(given), "<f4").tolist()
    return list(given)


def vectors_in(answer: Any) -> list[list[float]]:
    """The vectors of an answer, wherever the tool looks for them."""
    if isinstance(answer, list):
        return answer
    if "data" in answer:
        return [floats(one["embedding"]) for one in answer["data"]]
    found = answer["embeddings"]
    return found["float"] if isinstance(found, dict) else found


@pytest.mark.parametrize("tool", EMBEDDINGS)
def test_texts_are_embedded(served: TestClient, tool: str) -> None:
    """The answer has the model's own vectors where the tool looks for them."""
    path, headers, body = EMBEDDINGS[tool]
    answer = served.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(vectors_in(answer.json()), embed(TEXTS), atol=1e-6)


@pytest.mark.parametrize("tool", RANKINGS)
def test_texts_are_ranked(served: TestClient, tool: str) -> None:
    """The answer has places and scores where the tool looks for them."""
    path, headers, body = RANKINGS[tool]
    answer = served.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    ranked = found if isinstance(found, list) else found["data" if "top_k" in body else "results"]
    assert [one["index"] for one in ranked] == [1, 0]
    cosines = embed(TEXTS) @ embed(["a kitten"])[0]
    scores = [one.get("score", one.get("relevance_score")) for one in ranked]
    np.testing.assert_allclose(scores, (1 + cosines[[1, 0]]) / 2, atol=1e-6)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
def test_ranked_documents_come_as_each_tool_looks_for_them(served: TestClient, path: str) -> None:
    """Objects for Jina's, Cohere's and vLLM's clients, texts under `data` for Voyage's."""
    answer = served.post(path, json=RERANK | {"return_documents": True}).json()
    assert [one["document"] for one in answer["results"]] == [
        {"text": text} for text in reversed(TEXTS)
    ]
    if path != "/v2/rerank":
        assert [one["document"] for one in answer["data"]] == TEXTS[::-1]
    plain = served.post(path, json=RERANK).json()
    assert not any("document" in one for one in plain["results"] + plain.get("data", []))


def test_fields_of_the_first_version_are_passed_over(served: TestClient) -> None:
    """`/v2/rerank` names those that make no difference, and takes documents that are objects."""
    documents = [{"text": text} for text in TEXTS]
    body = RERANK | {"documents": documents, "rank_fields": ["text"], "max_chunks_per_doc": 2}
    answer = served.post("/v2/rerank", json=body)
    assert [one["index"] for one in answer.json()["results"]] == [1, 0]
    assert answer.headers["x-ignored-fields"] == "max_chunks_per_doc, rank_fields"


def optional_fields() -> list[tuple[str, str]]:
    """Path and name of each field that a tool may leave out of a body."""
    found = set()
    for router in ROUTERS:
        for route in router.routes:
            field = getattr(route, "body_field", None)
            kinds = [field.field_info.annotation] if field else []
            while kinds:
                kind = kinds.pop()
                if isinstance(kind, type) and issubclass(kind, ToolBody):
                    fields = kind.model_fields.items()
                    found |= {(route.path, name) for name, one in fields if not one.is_required()}
                elif not isinstance(kind, type):
                    kinds += get_args(kind)
    return sorted(found)


SOUND: Final = {
    "/": {"inputs": TEXTS},
    "/embed": {"inputs": TEXTS},
    "/similarity": {"inputs": SENTENCES},
    "/tokenize": {"inputs": TEXTS},
    "/rerank": {"query": "a kitten", "texts": TEXTS},
    "/v1/rerank": RERANK,
    "/v2/rerank": RERANK,
    "/v1/embeddings": OPENAI,
    "/embeddings": OPENAI,
    "/v1/embed": COHERE,
    "/v2/embed": COHERE,
    "/api/embed": OPENAI,
    "/api/embeddings": {"model": MODEL, "prompt": "a kitten"},
}


@pytest.mark.parametrize(("path", "name"), optional_fields())
def test_null_stands_for_a_field_that_is_left_out(served: TestClient, path: str, name: str) -> None:
    """Many tools send all their fields, with null for those that were not set."""
    body = SOUND[path]
    if path == "/rerank" and name in RerankDocumentsBody.model_fields:
        body = RERANK
    if name in body:
        body = {key: value for key, value in body.items() if key != name}
    if path.endswith("/embed") and name == "texts":
        body = body | {"inputs": [{"content": [{"type": "text", "text": "x"}]}]}
    answer = served.post(path, json=body | {name: None})
    assert answer.status_code == 200, answer.text
    assert "x-ignored-fields" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/similarity"])
@pytest.mark.parametrize("parameters", [{}, {"parameters": {}}], ids=["without", "with"])
def test_sentences_are_compared_where_clients_ask(
    served: TestClient, path: str, parameters: dict[str, object]
) -> None:
    """`huggingface_hub` asks at the address it is given, which may have no path."""
    answer = served.post(path, json={"inputs": SENTENCES} | parameters)
    np.testing.assert_allclose(answer.json(), embed(TEXTS) @ embed(["a kitten"])[0], atol=1e-6)


def test_pictures_are_refused_by_name(served: TestClient) -> None:
    """An input of Cohere's that is none of text is a 400 that says so."""
    picture = {"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}
    body = {"model": MODEL, "input_type": "image", "embedding_types": ["float"]}
    answer = served.post(
        "/v2/embed", json=body | {"input_type": "classification"} | {"inputs": [picture]}
    )
    assert answer.status_code == 400
    assert "inputs[0].content[0]" in answer.json()["message"]


@pytest.mark.parametrize(
    "given",
    [{}, {"texts": TEXTS, "inputs": [{"content": [{"type": "text", "text": "x"}]}]}],
    ids=["neither", "both"],
)
def test_texts_come_in_one_way(served: TestClient, given: dict[str, object]) -> None:
    """`texts` and `inputs` of Cohere's are alternatives."""
    answer = served.post("/v2/embed", json={"model": MODEL} | given)
    assert answer.status_code == 400
    assert "exactly one of: texts, inputs" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/embeddings", {"input": "x"}), ("/v1/rerank", {"query": "x", "documents": ["x"]})],
)
def test_clients_of_jina_and_voyage_are_told_what_is_wrong(
    served: TestClient, path: str, body: dict[str, object]
) -> None:
    """They read `detail` of an error, and would else end with an error about that."""
    answer = served.post(path, json=body | {"model": "jina-v9"})
    assert answer.status_code == 404
    assert "'jina-v9'" in answer.json()["detail"]


def test_a_model_is_asked_for_as_by_javascript(served: TestClient) -> None:
    """Lists and single models have what OpenAI's and Ollama's clients look for."""
    listed = served.get("/v1/models", headers=STAINLESS).json()["data"]
    assert [one["id"] for one in listed] == [MODEL]
    assert served.get(f"/v1/models/{MODEL}", headers=STAINLESS).json()["id"] == MODEL
    assert served.get("/api/tags").json()["models"][0]["name"] == MODEL


def test_pages_of_a_named_origin_may_ask_as_openais_client_does(
    connect: Callable[..., TestClient],
) -> None:
    """The browser's question names the client's own headers, and each is allowed."""
    origin = "https://app.example"
    client = connect(cors_origins=origin)
    names = ", ".join(name for name in STAINLESS if name.startswith(("x-", "auth", "content")))
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": names,
    }
    answer = client.options("/v1/embeddings", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert {one.strip() for one in names.split(",")} <= {one.strip() for one in allowed.split(",")}
