"""Images beside texts at /v1/embeddings."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_models import save_clip
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import load_settings
from indexer.embedding import Backend, Embedder, open_embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP."""
    return save_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[Embedder]:
    """The same as a library opens it."""
    with open_embedder(str(folder), cache=folder.parent, backend=Backend.TORCH) as embedder:
        yield embedder


@pytest.fixture(scope="module")
def seeing(folder: Path) -> Iterator[TestClient]:
    """A client of a service whose model embeds images, of at most one megapixel."""
    given = {"data": folder.parent / "data", "cache": folder.parent, "model": str(folder)}
    settings = load_settings(**given, backend="torch", max_megapixels=1)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


def pixels() -> np.ndarray:
    """An image."""
    return np.random.default_rng(5).integers(0, 256, (60, 44, 3)).astype(np.uint8)


def file_of(pixels: np.ndarray) -> str:
    """The image as a file, in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def embed(client: TestClient, given: object, **more: object) -> list[np.ndarray]:
    """The vectors of an input."""
    response = client.post("/v1/embeddings", json={"input": given, **more})
    assert response.status_code == 200, response.text
    rows = response.json()["data"]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    return [np.array(row["embedding"], np.float32) for row in rows]


def test_texts_and_images_are_embedded_in_their_order(seeing: TestClient, model: Embedder) -> None:
    """Items may be texts, objects with a text, and images, as data: URLs or in plain base64."""
    image = file_of(pixels())
    found = embed(
        seeing,
        [
            {"image": f"data:image/png;base64,{image}"},
            "a fox",
            {"text": "a dog"},
            {"image": image},
        ],
    )
    expected = [
        model.embed_images([pixels()])[0],
        *model.embed(["a fox", "a dog"]).vectors,
        model.embed_images([pixels()])[0],
    ]
    assert np.vecdot(np.stack(found), np.stack(expected)).min() > 0.99999


def test_one_item_needs_no_list(seeing: TestClient, model: Embedder) -> None:
    """An image by itself is an input, and has no tokens."""
    answer = seeing.post("/v1/embeddings", json={"input": {"image": file_of(pixels())}}).json()
    assert len(answer["data"]) == 1
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    (text,) = embed(seeing, {"text": "a fox"})
    assert np.vecdot(text, model.embed(["a fox"]).vectors[0]) > 0.99999


def test_places_of_truncated_texts_are_those_of_the_input(seeing: TestClient) -> None:
    """Texts that are cut are named by their place among all items."""
    items = [{"image": file_of(pixels())}, {"text": "short"}, {"text": "long " * 99}]
    answer = seeing.post("/v1/embeddings", json={"input": items}).json()
    assert answer["truncated"] == [2]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"image": "https://example.org/cat.jpg"}, "nothing is fetched here"),
        ({"image": "file:///etc/passwd"}, "nothing is fetched here"),
        ({"image": "/etc/passwd"}, "is no base64"),
        ({"image": "data:image/png;base64,=="}, "is no base64"),
        ({"image": base64.b64encode(b"a text").decode()}, "no image, or damaged"),
        ({"image": ""}, "the file is empty"),
        ({"text": "a", "image": "b"}, "either text or image"),
        ({}, "either text or image"),
        ({"picture": "b"}, "unknown field 'picture'"),
    ],
    ids=["url", "file", "path", "padding", "text", "empty", "both", "neither", "unknown"],
)
def test_what_is_no_image_is_refused(
    seeing: TestClient, item: dict[str, str], problem: str
) -> None:
    """The answer is a client's error that names the place and the reason."""
    response = seeing.post("/v1/embeddings", json={"input": ["a fox", item]})
    assert response.status_code in (400, 422)
    detail = response.json()["detail"]
    assert problem in detail
    assert "input[1]" in detail or "input.1" in detail


def test_size_is_bounded(seeing: TestClient) -> None:
    """An image of more pixels than the service decodes is refused, with the bound."""
    large = file_of(np.zeros((1001, 1000, 3), np.uint8))
    response = seeing.post("/v1/embeddings", json={"input": [{"image": large}]})
    assert response.status_code in (400, 413, 422)
    assert "more than the 1 megapixels" in response.json()["detail"]


def test_a_model_of_texts_refuses_images_only(client: TestClient) -> None:
    """Objects with a text are taken by any model; an image names what is missing."""
    assert len(embed(client, [{"text": "a fox"}, "a dog"])) == 2
    response = client.post("/v1/embeddings", json={"input": [{"image": file_of(pixels())}]})
    assert response.status_code in (400, 422)
    assert "embeds texts only" in response.json()["detail"]


def test_texts_are_found_by_an_image(seeing: TestClient, model: Embedder) -> None:
    """An image takes the place of a query; hits are those nearest to its vector, by themselves."""
    texts = ["a quick fox", "a lazy dog", "the angle of a vector"]
    documents = [{"id": text, "text": text} for text in texts]
    assert seeing.put("/documents", json={"documents": documents}).is_success
    cosines = model.embed(texts).vectors @ model.embed_images([pixels()])[0]
    order = [texts[place] for place in np.argsort(-cosines)]
    image = {"image": f"data:image/png;base64,{file_of(pixels())}"}
    answer = seeing.post("/search", json=image).json()
    assert [hit["id"] for hit in answer["hits"]] == order
    assert answer["hits"][0]["score"] == pytest.approx(cosines.max(), abs=1e-4)
    assert answer["mode"] == "dense"
    both = seeing.post("/search/batch", json={"searches": [{"query": "a dog"}, image]}).json()
    assert [hit["id"] for hit in both["results"][1]["hits"]] == order


def test_a_search_by_what_is_no_image_is_refused(seeing: TestClient, client: TestClient) -> None:
    """An address, a second subject, and a collection of texts only are a client's errors."""
    image = file_of(pixels())
    address = seeing.post("/search", json={"image": "https://example.org/cat.jpg"})
    assert "nothing is fetched" in address.json()["detail"]
    two = seeing.post("/search", json={"image": image, "query": "a cat"})
    assert "exactly one of" in two.json()["detail"]
    texts = client.post("/search", json={"image": image})
    assert {one.status_code for one in (address, two, texts)} <= {400, 422}
    assert "embeds texts only" in texts.json()["detail"]
