"""The routes of text-embeddings-inference, also asked by Hugging Face's client."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from numpy.typing import NDArray
from starlette.testclient import TestClient

from indexer.embedding import TextRole, open_embedder

LONG = " ".join(f"word{n}" for n in range(300))


def embed(*texts: str, role: TextRole = TextRole.DOCUMENT) -> NDArray[np.float32]:
    """The vectors of texts, by a model opened here."""
    with open_embedder("hashing", cache=Path()) as embedder:
        return embedder.embed(texts, role).vectors


def ask(client: TestClient, path: str, **body: object):
    """The answer to a request, which is taken."""
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response


def refusal(client: TestClient, path: str, **body: object) -> tuple[int, str]:
    """The status and the type of an error, whose shape is checked."""
    response = client.post(path, json=body)
    assert set(response.json()) == {"error", "error_type"}
    assert response.json()["error"]
    return response.status_code, response.json()["error_type"]


@pytest.mark.parametrize("inputs", ["a cat", ["a cat"], ["a cat", "the moon", ""]])
def test_texts_become_a_list_of_vectors(client: TestClient, inputs) -> None:
    """/embed gives the model's unit vectors, a list of them for one text too."""
    given = ask(client, "/embed", inputs=inputs).json()
    texts = [inputs] if isinstance(inputs, str) else inputs
    np.testing.assert_array_equal(np.float32(given), embed(*texts))


def test_a_batch_of_any_size_is_split(connect) -> None:
    """More texts than one request elsewhere may have are embedded, in order."""
    client = connect(max_texts=50, batch_texts=8)
    texts = [f"text {n}" for n in range(333)]
    np.testing.assert_array_equal(
        np.float32(ask(client, "/embed", inputs=texts).json()), embed(*texts)
    )


@pytest.mark.parametrize(
    ("direction", "kept"),
    [("right", slice(256)), ("Right", slice(256)), ("left", slice(-256, None))],
)
def test_a_long_text_loses_the_end_that_was_asked_for(client, direction, kept) -> None:
    """The rest fits the window exactly; the header names the text."""
    response = ask(client, "/embed", inputs=["x", LONG], truncation_direction=direction)
    expected = embed("x", " ".join(LONG.split()[kept]))
    np.testing.assert_allclose(np.float32(response.json()), expected, atol=1e-6)
    assert response.headers["x-truncated"] == "1"


def test_truncation_can_be_refused(client: TestClient) -> None:
    """With `truncate` false a text that is too long is a 422 that says how long it is."""
    status = refusal(client, "/embed", inputs=["x", LONG], truncate=False)
    assert status == (422, "Validation")
    response = client.post("/embed", json={"inputs": LONG, "truncate": False})
    assert "300" in response.json()["error"]
    assert ask(client, "/embed", inputs="x", truncate=False).headers["x-truncated"] == ""


def test_the_headers_say_what_was_computed(client: TestClient) -> None:
    """Characters, tokens, time and device are told as text-embeddings-inference tells them."""
    headers = ask(client, "/embed", inputs=["a b", "c"]).headers
    assert (headers["x-compute-characters"], headers["x-compute-tokens"]) == ("4", "3")
    assert headers["x-compute-type"] == "cpu"
    assert int(headers["x-compute-time"]) >= 0


def test_similarity_is_the_cosine_with_the_source(client: TestClient) -> None:
    """/similarity gives one cosine for each sentence, in order."""
    sentences = ["a cat", "the moon", "a cat on the moon"]
    inputs = {"source_sentence": "the moon", "sentences": sentences}
    given = ask(client, "/similarity", inputs=inputs, parameters={"prompt_name": "query"}).json()
    np.testing.assert_allclose(given, embed(*sentences) @ embed("the moon")[0], atol=1e-6)


def test_texts_are_ranked_by_the_cosine_of_the_embedding_model(client: TestClient) -> None:
    """Without a cross-encoder /rerank ranks by cosine, in [0, 1] unless raw, and says so."""
    texts = ["the moon", "a dog", "a cat on the moon", "a cat"]
    response = ask(client, "/rerank", query="a cat", texts=texts, raw_scores=True)
    cosines = embed(*texts) @ embed("a cat")[0]
    order = np.argsort(-cosines)
    assert [one["index"] for one in response.json()] == order.tolist()
    np.testing.assert_allclose([one["score"] for one in response.json()], cosines[order], atol=1e-6)
    assert response.headers["x-ranked-by"] == "cosine; model=hashing-256"
    relevance = ask(client, "/rerank", query="a cat", texts=texts, return_text=True).json()
    np.testing.assert_allclose(
        [one["score"] for one in relevance], (1 + cosines[order]) / 2, atol=1e-6
    )
    assert [one["text"] for one in relevance] == [texts[place] for place in order]


def test_texts_that_are_cut_are_named_when_they_are_ranked(client: TestClient) -> None:
    """The header names the places of texts, and the query, that were cut."""
    response = ask(client, "/rerank", query=LONG, texts=["x", LONG])
    assert response.headers["x-truncated"] == "1,query"


def test_info_tells_what_may_be_asked(client: TestClient) -> None:
    """/info names the model, its window and its kind, and how /rerank ranks."""
    info = client.get("/info").json()
    assert info["model_id"] == "hashing-256"
    assert info["max_input_length"] == 256
    assert info["model_type"] == {"embedding": {"pooling": "sum"}}
    assert info["reranker"] == {"model_id": "hashing-256", "method": "cosine"}


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/embed", {"inputs": []}, 400, "Empty"),
        ("/rerank", {"query": "x", "texts": []}, 400, "Empty"),
        ("/similarity", {"inputs": {"source_sentence": "x", "sentences": []}}, 400, "Empty"),
        ("/embed", {"inputs": [1, 2]}, 422, "Validation"),
        ("/embed", {"inputs": [[1, 2]]}, 422, "Validation"),
        ("/embed", {"inputs": "x", "dimensions": 64}, 422, "Validation"),
        ("/embed", {"inputs": "x", "prompt_name": "x"}, 422, "Validation"),
        ("/embed", {"inputs": "x" * 1_000_001}, 422, "Validation"),
        ("/embed", {"texts": "x"}, 422, "Validation"),
        ("/rerank", {"query": "x", "texts": "x"}, 422, "Validation"),
    ],
)
def test_what_cannot_be_done_is_refused(client, path, body, status, kind) -> None:
    """An error has the status and the type that text-embeddings-inference gives it."""
    assert refusal(client, path, **body) == (status, kind)


def test_without_a_key_the_answer_is_empty(connect) -> None:
    """A 401 has no body, and a challenge; with the key the route answers."""
    client = connect(api_keys="right")
    response = client.post("/embed", json={"inputs": "x"})
    assert (response.status_code, response.content) == (401, b"")
    assert "www-authenticate" in response.headers
    key = {"authorization": "Bearer right"}
    assert client.post("/embed", json={"inputs": "x"}, headers=key).status_code == 200


def test_hugging_faces_client_is_answered(listen) -> None:
    """InferenceClient embeds a text and compares sentences."""
    root = f"http://127.0.0.1:{listen()}"
    vectors = InferenceClient(model=f"{root}/embed").feature_extraction("a cat", truncate=True)
    np.testing.assert_array_equal(vectors, embed("a cat"))
    client = InferenceClient(model=f"{root}/similarity")
    given = client.sentence_similarity("a cat", other_sentences=["a cat", "the moon"])
    np.testing.assert_allclose(given, embed("a cat", "the moon") @ embed("a cat")[0], atol=1e-6)


def test_a_cross_encoder_ranks_where_there_is_one(connect) -> None:
    """With a reranker its scores rank, and the answer and /info say so."""
    client = connect(reranker="overlap")
    texts = ["the moon", "a cat on the moon", "a cat"]
    response = ask(client, "/rerank", query="a cat here", texts=texts)
    assert [one["index"] for one in response.json()] == [1, 2, 0]
    given = [one["score"] for one in response.json()]
    np.testing.assert_allclose(given, [2 / 3, 2 / 3, 0], atol=1e-6)
    assert response.headers["x-ranked-by"] == "cross-encoder; model=overlap"
    assert client.get("/info").json()["reranker"] == {
        "model_id": "overlap", "method": "cross-encoder",
    }  # fmt: skip


def test_the_root_embeds_too(client: TestClient) -> None:
    """POST / is the model's own task, as clients ask that are given the address alone."""
    served = ask(client, "/", inputs=["a cat", "the moon"])
    np.testing.assert_array_equal(np.float32(served.json()), embed("a cat", "the moon"))
    assert refusal(client, "/", inputs=[]) == (400, "Empty")


def test_vectors_have_unit_length_whatever_is_asked(client: TestClient) -> None:
    """`normalize: false` is passed over, and the answer says so."""
    answer = ask(client, "/embed", inputs=["a cat"], normalize=False)
    assert answer.headers["x-ignored-fields"] == "normalize"
    np.testing.assert_allclose(np.linalg.norm(answer.json()[0]), 1.0, atol=1e-6)
    assert "x-ignored-fields" not in ask(client, "/embed", inputs="a", normalize=True).headers


def test_tokens_are_those_of_the_model(connect, tmp_path: Path) -> None:
    """Each with its id and place, the model's own among them, cut to its window."""
    from small_models import save_bert
    from transformers import AutoTokenizer

    folder = save_bert(tmp_path / "bert")
    client = connect(model=str(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ("the quick brown fox", "", "fox " * 500):
        (given,) = ask(client, "/tokenize", inputs=text).json()
        expected = tokenizer(text, truncation=True, max_length=len(given))["input_ids"]
        assert [one["id"] for one in given] == expected
        for one in given:
            if one["special"]:
                assert (one["start"], one["stop"]) == (None, None)
            else:
                assert text[one["start"] : one["stop"]] == one["text"] != ""
        (bare,) = ask(client, "/tokenize", inputs=text, add_special_tokens=False).json()
        assert bare == [one for one in given if not one["special"]]


def test_a_health_check_needs_no_key(connect) -> None:
    """As text-embeddings-inference has it."""
    assert connect(api_keys="secret-key").get("/health").status_code == 200
