"""The comparison of texts, vectors and documents, held against SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import softmax
from starlette.testclient import TestClient

from indexer.embedding import open_embedder

RANDOM = np.random.default_rng(7)
A = RANDOM.normal(size=(4, 6)) * 3
B = RANDOM.normal(size=(5, 6))


def compare(client: TestClient, **body: object) -> dict[str, NDArray[np.float64]]:
    """The matrices of an answer."""
    response = client.post("/admin/similarity", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    matrices = {name: np.array(answer[name]) for name in ("similarity", "distance")}
    matrices |= {name: np.array(matrix) for name, matrix in answer["metrics"].items()}
    if "probabilities" in answer:
        matrices["probabilities"] = np.array(answer["probabilities"])
    return matrices


def embed(*texts: str, model: str = "hashing") -> NDArray[np.float32]:
    """The vectors of texts, by a model opened here."""
    with open_embedder(model, cache=Path()) as embedder:
        return embedder.embed(texts).vectors


def test_similarity_and_distance_are_always_there(client: TestClient) -> None:
    """Cosines and 1 - cosine of every a with every b come without being asked for."""
    answer = compare(client, a=A.tolist(), b=B.tolist(), metrics=[])
    np.testing.assert_allclose(answer["distance"], cdist(A, B, "cosine"), atol=1e-12)
    np.testing.assert_allclose(answer["similarity"], 1 - answer["distance"], atol=1e-12)
    assert set(answer) == {"similarity", "distance"}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("cosine", 1 - cdist(A, B, "cosine")),
        ("cosine_distance", cdist(A, B, "cosine")),
        ("dot", A @ B.T),
        ("euclidean", cdist(A, B)),
        ("manhattan", cdist(A, B, "cityblock")),
        ("negative_squared_euclidean", -cdist(A, B, "sqeuclidean")),
    ],
)
def test_a_metric_is_of_what_was_given(
    client: TestClient, metric: str, expected: NDArray[np.float64]
) -> None:
    """Each metric sees the vectors with their magnitude, before they are normalised."""
    answer = compare(client, a=A.tolist(), b=B.tolist(), metrics=[metric])
    np.testing.assert_allclose(answer[metric], expected, atol=1e-12)


def test_without_b_a_is_compared_with_itself(client: TestClient) -> None:
    """`b` absent or null is `a` again."""
    for body in ({"a": A.tolist()}, {"a": A.tolist(), "b": None}):
        np.testing.assert_allclose(
            compare(client, **body)["similarity"], 1 - cdist(A, A, "cosine"), atol=1e-12
        )


def test_a_temperature_adds_row_wise_probabilities(client: TestClient) -> None:
    """Probabilities are softmax(similarity / temperature) of each row, for tiny ones too."""
    for temperature in (1e-9, 0.05, 3.0):
        answer = compare(client, a=A.tolist(), b=B.tolist(), temperature=temperature)
        expected = softmax(answer["similarity"] / temperature, axis=1)
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-9)


def test_texts_vectors_and_ids_mix_on_either_side(client: TestClient) -> None:
    """Each entry may be of any kind; a text is embedded as a document on both sides."""
    documents = [{"id": "one", "text": "a stored text"}, {"id": "two", "text": "another"}]
    client.put("/documents", json={"documents": documents})
    vector = RANDOM.normal(size=256)
    answer = compare(
        client,
        a=["hello there", {"id": "two"}, vector.tolist(), {"id": "one"}, "good bye"],
        b=[{"id": "one"}, "hello there"],
    )
    hello, bye, one, two = embed("hello there", "good bye", "a stored text", "another")
    expected = 1 - cdist([hello, two, vector, one, bye], [one, hello], "cosine")
    np.testing.assert_allclose(answer["similarity"], expected, atol=1e-6)


def test_a_document_of_many_chunks_stands_for_its_mean_direction(client: TestClient) -> None:
    """The mean of a document's chunk vectors is compared: same text in all, same direction."""
    long = {"id": "long", "text": "the same sentence again. " * 2_000}
    client.put("/documents", json={"documents": [long]})
    assert client.get("/collections/default").json()["chunks"] > 1
    answer = compare(client, a=[{"id": "long"}], b=["the same sentence again."])
    assert answer["similarity"][0, 0] > 0.95


def test_mahalanobis_whitens_by_the_collections_vectors(client: TestClient) -> None:
    """It differs from the Euclidean, ranks a wide axis nearer, and is 0 for equal vectors."""
    client.put("/collections/small", json={"model": "hashing-8"})
    words = [f"word{number} text{number % 7}" for number in range(60)]
    documents = [{"id": word, "text": word} for word in words]
    client.put("/collections/small/documents", json={"documents": documents})
    points = RANDOM.normal(size=(3, 8))
    answer = compare(
        client,
        a=points.tolist(),
        metrics=["mahalanobis", "euclidean"],
        collection="small",
    )
    spread = np.cov(embed(*words, model="hashing-8").T, bias=True)
    # Shrinking moves the covariance towards a multiple of the identity: the truth lies between.
    scale = np.trace(spread) / 8
    inner = cdist(points, points, "mahalanobis", VI=np.linalg.inv(spread + 1e-9 * np.eye(8)))
    outer = cdist(points, points) / np.sqrt(scale)
    low, high = np.minimum(inner, outer), np.maximum(inner, outer)
    assert np.all(answer["mahalanobis"] >= low * 0.5)
    assert np.all(answer["mahalanobis"] <= high * 2)
    np.testing.assert_allclose(np.diag(answer["mahalanobis"]), 0, atol=1e-9)


def test_mahalanobis_of_an_empty_collection_is_refused(client: TestClient) -> None:
    """Without stored vectors there is no covariance."""
    response = client.post("/admin/similarity", json={"a": ["x"], "metrics": ["mahalanobis"]})
    assert response.status_code == 422
    assert "sample" in response.json()["detail"]


def test_vectors_alone_need_no_collection(client: TestClient) -> None:
    """Vectors are compared in any dimension, whatever is stored."""
    client.delete("/collections/default")
    assert compare(client, a=[[1, 0]], b=[[1, 1]])["similarity"][0, 0] == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"a": [[1, 0], [0, 0]]}, "a[1]"),
        ({"a": [[1, 0]], "b": [[1, 1], [1, 2], [0.0, -0.0]]}, "b[2]"),
        ({"a": [[1, 0], [1, 2, 3]]}, "a[1]"),
        ({"a": [[1, 0]], "b": [[1, 2, 3]]}, "dimension"),
        ({"a": ["text", [1, 0]]}, "a[1]"),
        ({"a": []}, "a"),
        ({"a": [[]]}, "a"),
        ({"a": [["1"]]}, "a"),
        ({"a": [1]}, "a"),
        ({"a": [{"id": 1}]}, "id"),
        ({"a": [{"id": "x", "text": "y"}]}, "text"),
        ({"a": ["x"], "metrics": ["jaccard"]}, "metrics"),
        ({"a": ["x"], "temperature": 0}, "temperature"),
        ({"a": ["x"], "temperature": -1}, "temperature"),
        ({"b": ["x"]}, "a"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_its_place(
    client: TestClient, body: object, place: str
) -> None:
    """A zero vector, other dimension, or wrong kind is a 422 that names where it stands."""
    response = client.post("/admin/similarity", json=body)
    assert response.status_code == 422
    assert place in response.json()["detail"]


def test_an_unknown_id_is_not_found_with_its_place(client: TestClient) -> None:
    """An id that is not stored is a 404 that names side, index and id."""
    response = client.post("/admin/similarity", json={"a": ["x", {"id": "nowhere"}]})
    assert response.status_code == 404
    assert "a[1]" in response.json()["detail"]
    assert "nowhere" in response.json()["detail"]


def test_a_request_over_the_limit_of_cells_names_it(connect) -> None:
    """Rows times columns times matrices is bounded, and the refusal says by which setting."""
    client = connect(max_cells=100)
    fine = {"a": [[1, 2]] * 5, "b": [[1, 2]] * 10, "metrics": []}
    assert client.post("/admin/similarity", json=fine).status_code == 200
    response = client.post("/admin/similarity", json=fine | {"metrics": ["dot"]})
    assert response.status_code == 413
    assert "150" in response.json()["detail"]
    assert "BEARING_MAX_CELLS" in response.json()["detail"]


def test_texts_over_the_window_are_named(client: TestClient) -> None:
    """The places of texts of which a part was not read are told."""
    answer = client.post("/admin/similarity", json={"a": ["x", "word " * 9_000], "b": ["y"]})
    assert answer.json()["truncated"] == {"a": [1], "b": []}


@pytest.mark.parametrize(
    ("entry", "place", "allowed"),
    [
        (5, "body.a[0]", 'a text, a list of numbers, or {"id": "..."}'),
        (None, "body.a[0]", 'a text, a list of numbers, or {"id": "..."}'),
        ({"id": "x", "size": 1}, "body.a[0]", "unknown field 'size'"),
        ({"id": 7}, "body.a[0].id", "valid string"),
        ([1.0, "x"], "body.a[0][1]", "valid number"),
    ],
)
def test_an_entry_of_no_known_kind_is_refused_with_what_is_allowed(
    client: TestClient, entry: object, place: str, allowed: str
) -> None:
    """The place is the one in the request, and the complaint names all that may stand there."""
    response = client.post("/admin/similarity", json={"a": [entry]})
    assert response.status_code == 422
    (complaint,) = response.json()["errors"]
    assert complaint["location"] == place
    assert allowed in complaint["allowed"]
