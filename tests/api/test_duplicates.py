"""``GET /duplicates``: documents that are copies of others, beside these."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image


def picture(seed: int, *, small: bool = False) -> str:
    """A scene as a PNG in base64; no two seeds are alike."""
    rough = np.random.default_rng(seed).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    image = Image.fromarray(rough).resize((160, 120), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    (image.resize((80, 60)) if small else image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def shelf(client: TestClient, settings: Any) -> TestClient:
    """Texts, two of which are equal, and pictures, one of which is another's smaller copy."""
    documents = [
        {"id": "first", "text": "the same words", "metadata": {"year": 2020}},
        {"id": "other", "text": "something else"},
        {"id": "second", "text": "the same words", "metadata": {"year": 2021}},
        {"id": "third", "text": "the same words"},
    ]
    pictures = [
        {"id": "small", "image": picture(1, small=True)},
        {"id": "large", "image": picture(1), "text": "a scene"},
        {"id": "alone", "image": picture(2)},
    ]
    put(client, "texts", "hashing", documents)
    put(client, "both", "hashing-images", [*pictures, *documents])
    return client


def put(client: TestClient, name: str, model: str, documents: list[dict[str, Any]]) -> None:
    """Make a collection of these documents."""
    assert client.put(f"/collections/{name}", json={"model": model}).status_code == 201
    answer = client.put(f"/collections/{name}/documents", json={"documents": documents})
    assert answer.status_code == 200, answer.text


def test_copies_come_with_their_documents(shelf: TestClient) -> None:
    """Pictures below the largest, texts below the first, each as the document that it is."""
    found = shelf.get("/collections/both/duplicates").json()
    assert (found["documents"], found["looked"], found["groups"], found["copies"]) == (7, 7, 2, 3)
    scene, words = found["duplicates"]
    told = shelf.get("/collections/both/documents/large").json()
    assert {name: scene[name] for name in told} == told
    assert [(one["id"], one["kind"]) for one in scene["copies"]] == [("small", "copy")]
    assert scene["copies"][0]["picture"]["width"] == 80
    assert (words["id"], words["total"]) == ("first", 2)
    assert [one["id"] for one in words["copies"]] == ["second", "third"]
    assert words["copies"][0]["kind"] == "same text"
    assert words["copies"][0]["metadata"] == {"year": 2021}


def test_what_is_not_looked_at_or_listed_is_counted(shelf: TestClient) -> None:
    """The first documents are held against each other, and the first groups listed."""
    some = shelf.get("/collections/texts/duplicates?documents=3").json()
    assert (some["documents"], some["looked"], some["copies"]) == (4, 3, 1)
    few = shelf.get("/collections/both/duplicates?limit=1").json()
    assert (few["groups"], [one["id"] for one in few["duplicates"]]) == (2, ["large"])
    assert shelf.get("/collections/both/duplicates?limit=0").status_code == 422
    assert shelf.get("/collections/nowhere/duplicates").status_code == 404
