"""OpenAI's embeddings and models, asked by OpenAI's own client and by LangChain's."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import openai
import pytest
from langchain_openai import OpenAIEmbeddings
from numpy.typing import NDArray
from starlette.testclient import TestClient

from indexer.embedding import TextRole, open_embedder

MODEL = "hashing-256"
TEXTS = ["a cat", "the moon", "a cat on the moon", ""]


def embed(*texts: str) -> NDArray[np.float32]:
    """The vectors of texts, by a model opened here."""
    with open_embedder("hashing", cache=Path()) as embedder:
        return embedder.embed(texts, TextRole.DOCUMENT).vectors


@pytest.fixture
def ask(connect: Callable[..., TestClient]) -> Callable[..., openai.OpenAI]:
    """Starts a service and gives OpenAI's client of it, which does not try again."""

    def make(api_key: str = "unused", **settings: object) -> openai.OpenAI:
        return openai.OpenAI(
            base_url="http://localhost/v1",
            api_key=api_key,
            max_retries=0,
            http_client=connect(**settings),
        )

    return make


@pytest.fixture
def url(listen: Callable[..., int]) -> str:
    """Where a service listens that has a queue of one, for clients that bring their own HTTP."""
    return f"http://127.0.0.1:{listen(queue_texts=1, max_texts=1, batch_texts=1)}/v1"


@pytest.mark.parametrize("encoding", [openai.omit, "float", "base64"])
def test_vectors_are_the_models_own_in_each_encoding(ask, encoding) -> None:
    """By default (base64), as numbers and as asked-for base64, float32 comes over unchanged."""
    answer = ask().embeddings.create(model=MODEL, input=TEXTS, encoding_format=encoding)
    given = [one.embedding for one in answer.data]
    if encoding == "base64":
        given = [np.frombuffer(base64.b64decode(one), "<f4") for one in given]
    np.testing.assert_array_equal(np.asarray(given, np.float32), embed(*TEXTS))
    assert [one.index for one in answer.data] == list(range(len(TEXTS)))
    assert (answer.object, answer.model) == ("list", MODEL)


def test_the_asynchronous_client_gets_the_same(url: str) -> None:
    """AsyncOpenAI is answered like OpenAI."""

    async def create() -> list[float]:
        async with openai.AsyncOpenAI(base_url=url, api_key="unused") as client:
            answer = await client.embeddings.create(model=MODEL, input="a cat")
        return answer.data[0].embedding

    np.testing.assert_array_equal(np.float32(asyncio.run(create())), embed("a cat")[0])


def test_usage_counts_the_models_tokens(ask) -> None:
    """Each text counts, equal ones too, and no more than the window of a long one."""
    client = ask()
    usage = client.embeddings.create(model=MODEL, input=["a b c", "a b c", "d"]).usage
    assert (usage.prompt_tokens, usage.total_tokens) == (7, 7)
    assert client.embeddings.create(model=MODEL, input="a " * 300).usage.total_tokens == 256


def test_texts_that_are_cut_are_named(ask) -> None:
    """The answer lists the places of texts that were longer than the window."""
    answer = ask().embeddings.create(model=MODEL, input=["a", "a " * 300])
    assert answer.model_extra == {"truncated": [1]}


def test_the_side_of_a_search_can_be_said(ask) -> None:
    """`input_type` is taken as query or document, and nothing else."""
    client = ask()
    for side in ("query", "document", "search_query", "passage", "classification"):
        client.embeddings.create(model=MODEL, input="x", extra_body={"input_type": side})
    with pytest.raises(openai.BadRequestError, match=r"query.*document"):
        client.embeddings.create(model=MODEL, input="x", extra_body={"input_type": "x"})


def test_vectors_are_cut_only_where_the_model_was_trained_for_it(ask) -> None:
    """`dimensions` that were declared give unit vectors of the first components; others, none."""
    client = ask(matryoshka_dimensions="64, 128")
    for dimension in (64, 128, 256):
        answer = client.embeddings.create(model=MODEL, input=TEXTS, dimensions=dimension)
        expected = embed(*TEXTS)[:, :dimension]
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        given = np.asarray([one.embedding for one in answer.data])
        np.testing.assert_allclose(given, expected, atol=1e-6)
    with pytest.raises(openai.BadRequestError, match="64 or 128 or 256"):
        client.embeddings.create(model=MODEL, input="x", dimensions=100)


def test_without_a_declaration_no_vector_is_cut(ask) -> None:
    """The refusal says which dimension there is and what would allow others."""
    with pytest.raises(openai.BadRequestError, match=r"256.*BEARING_MATRYOSHKA_DIMENSIONS"):
        ask().embeddings.create(model=MODEL, input="x", dimensions=64)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    """A vocabulary of all bytes and a word, in tiktoken's file format."""
    tokens = [*(bytes([byte]) for byte in range(256)), b"moon"]
    lines = [base64.b64encode(one) + b" %d\n" % rank for rank, one in enumerate(tokens)]
    path = tmp_path / "words.tiktoken"
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize("given", [[97, 98], [[97], [98]]])
def test_token_ids_are_refused_without_a_vocabulary(ask, given) -> None:
    """Ids of a foreign vocabulary never become vectors; the refusal says what to do."""
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        ask().embeddings.create(model=MODEL, input=given)


def test_token_ids_are_decoded_by_the_vocabulary(ask, vocabulary: Path) -> None:
    """With one, ids give the vectors of the texts that they stand for."""
    client = ask(token_vocabulary=vocabulary)
    whole = [*b"the ", 256]
    for given in (whole, [whole, [*"é".encode()]]):
        answer = client.embeddings.create(model=MODEL, input=given)
        texts = ["the moon", "é"][: len(answer.data)]
        np.testing.assert_array_equal(np.float32([d.embedding for d in answer.data]), embed(*texts))


def test_an_id_that_no_token_has_is_refused(ask, vocabulary: Path) -> None:
    """An id beyond the vocabulary is named."""
    with pytest.raises(openai.BadRequestError, match="token 257"):
        ask(token_vocabulary=vocabulary).embeddings.create(model=MODEL, input=[1, 257])


@pytest.mark.parametrize(
    "given", [[], [[]], "x" * 1_000_001, ["x"] * 2_049, [1.5], [True], ["a", 1], [-1], {"a": 1}]
)
def test_an_input_that_is_none_is_refused(ask, given) -> None:
    """What is no text, or too much, is a 400 with a message."""
    with pytest.raises(openai.BadRequestError) as refusal:
        ask().embeddings.create(model=MODEL, input=given)
    assert refusal.value.body["message"]
    assert refusal.value.type == "invalid_request_error"


def test_a_refusal_names_the_parameter(ask) -> None:
    """`param` is the field that is complained of."""
    with pytest.raises(openai.BadRequestError) as refusal:
        ask().embeddings.create(model=MODEL, input="x", dimensions=0)
    assert refusal.value.param == "dimensions"


def test_a_model_that_is_not_served_is_not_found(ask) -> None:
    """The refusal names the models that are; nothing is loaded for a stranger."""
    client = ask()
    for call in (
        lambda: client.embeddings.create(model="text-embedding-3-small", input="x"),
        lambda: client.models.retrieve("text-embedding-3-small"),
    ):
        with pytest.raises(openai.NotFoundError, match=MODEL) as refusal:
            call()
        assert refusal.value.code == "model_not_found"


def test_models_of_all_collections_are_served(ask) -> None:
    """Each model is listed once, found by name, and embeds, also one that came later."""
    client = ask()
    assert [one.id for one in client.models.list()] == [MODEL]
    root = str(client.base_url).removesuffix("v1/")
    for name, model in (("a", "hashing-8"), ("b", "hashing-8")):
        client.with_options(base_url=root).put(
            f"/collections/{name}", body={"model": model}, cast_to=object
        )
    assert client.models.retrieve("hashing-8").object == "model"
    assert len(client.embeddings.create(model="hashing-8", input="x").data[0].embedding) == 8
    assert {one.id for one in client.models.list()} == {MODEL, "hashing-8"}


def test_a_wrong_key_is_an_authentication_error(ask) -> None:
    """The key goes where OpenAI's client puts it; a wrong one is told in OpenAI's shape."""
    client = ask("right", api_keys="right")
    assert client.models.list().data
    with pytest.raises(openai.AuthenticationError) as refusal:
        client.with_options(api_key="wrong").models.list()
    assert refusal.value.code == "invalid_api_key"


def test_an_overloaded_service_says_when_to_come_back(url: str) -> None:
    """Too much at once is a 503 with Retry-After, in OpenAI's shape."""

    async def flood() -> list[object]:
        async with openai.AsyncOpenAI(base_url=url, api_key="unused", max_retries=0) as many:
            calls = (many.embeddings.create(model=MODEL, input="x") for _ in range(200))
            return await asyncio.gather(*calls, return_exceptions=True)

    refusals = [one for one in asyncio.run(flood()) if isinstance(one, Exception)]
    assert refusals
    for refusal in refusals:
        assert isinstance(refusal, openai.InternalServerError)
        assert refusal.status_code == 503
        assert refusal.code == "overloaded"
        assert refusal.response.headers["retry-after"] == "1"


def langchain_embeddings(url: str, **given: object) -> OpenAIEmbeddings:
    """LangChain's embeddings over OpenAI's client, which send texts and not token ids."""
    return OpenAIEmbeddings(
        model=MODEL, base_url=url, api_key="unused", check_embedding_ctx_length=False, **given
    )


def test_langchain_embeds_texts(connect) -> None:
    """langchain-openai gets the model's vectors of documents and queries, in several requests."""
    texts = [f"text {n}" for n in range(25)] + [""]
    http = connect()
    embeddings = langchain_embeddings("http://localhost/v1", http_client=http, chunk_size=10)
    given = embeddings.embed_documents(texts)
    np.testing.assert_array_equal(np.float32(given), embed(*texts))
    np.testing.assert_array_equal(np.float32(embeddings.embed_query("x")), embed("x")[0])


def test_langchain_embeds_texts_asynchronously(url: str) -> None:
    """And the same in its asynchronous methods."""

    async def embed_texts() -> list[list[float]]:
        async with httpx2.AsyncClient() as http:
            embeddings = langchain_embeddings(url, http_async_client=http, chunk_size=1)
            return await embeddings.aembed_documents(TEXTS)

    np.testing.assert_array_equal(np.float32(asyncio.run(embed_texts())), embed(*TEXTS))


def test_errors_below_v1_are_told_in_openais_shape(client: TestClient) -> None:
    """Also what no route answers, and what is no JSON."""
    for response in (
        client.get("/v1/nowhere"),
        client.get("/v1/embeddings"),
        client.post("/v1/embeddings", content=b"{", headers={"content-type": "application/json"}),
        client.post("/v1/embeddings", content=b"x=1", headers={"content-type": "text/plain"}),
    ):
        assert response.headers["content-type"] == "application/json"
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_the_document_of_the_api_shows_the_routes_under_their_names(client: TestClient) -> None:
    """OpenAPI groups these routes by whose they are, with their own errors."""
    paths = client.get("/openapi.json").json()["paths"]
    operation = paths["/v1/embeddings"]["post"]
    assert operation["tags"] == ["OpenAI"]
    assert "RefusalView" in str(operation["responses"]["default"])


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings", "//v1/embeddings"])
def test_the_model_may_be_left_out_where_there_is_one(connect, path: str) -> None:
    """As tools ask that know one model a server; where there is a choice it must be named."""
    client = connect()
    client.put("/documents", json={"documents": []})
    answer = client.post(path, json={"input": "a cat"})
    np.testing.assert_allclose(answer.json()["data"][0]["embedding"], embed("a cat")[0], atol=1e-6)
    client.put("/collections/other", json={"model": "hashing-64"})
    refused = client.post(path, json={"input": "a cat"})
    assert refused.status_code == 400
    assert "hashing-64" in refused.json()["error"]["message"]


def test_the_words_of_voyage_and_jina_are_known(connect) -> None:
    """Their names of fields mean what OpenAI's do; what makes no difference is named."""
    client = connect(matryoshka_dimensions="64")
    client.put("/documents", json={"documents": []})
    asked = {"input": ["a cat"], "output_dimension": 64, "output_dtype": "float"}
    answer = client.post(
        "/v1/embeddings", json=asked | {"truncation": True, "late_chunking": False}
    )
    assert len(answer.json()["data"][0]["embedding"]) == 64
    assert answer.headers["x-ignored-fields"] == "late_chunking"
    jina = {"input": ["a cat"], "task": "retrieval.query", "embedding_type": "base64"}
    given = client.post("/v1/embeddings", json=jina).json()["data"][0]["embedding"]
    assert isinstance(given, str)
    for word in ("truncation", "truncate"):
        asked = {"input": ["x " * 999], "return_multivector": False}
        assert client.post("/v1/embeddings", json=asked | {word: True}).status_code == 200
        long = client.post("/v1/embeddings", json=asked | {word: False})
        assert long.status_code == 400
        assert "input[0]" in long.json()["error"]["message"]
    for other in (True, 0, 1):
        many = {"input": ["a cat"], "return_multivector": other}
        assert client.post("/v1/embeddings", json=many).status_code == 400
    refused = client.post("/v1/embeddings", json=asked | {"output_dtype": "int8"})
    assert refused.status_code == 400
