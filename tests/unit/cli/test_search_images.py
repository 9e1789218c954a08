"""``bearing search --image``, and the library's search by an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_models import save_router
from typer.testing import CliRunner

import indexer
from indexer.cli.app import commands
from indexer.errors import InvalidInput, Unreadable

TEXTS = ("a quick fox", "a lazy dog", "the angle of a vector")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an image, and a collection of the texts of a Router, filled without it."""
    folder = tmp_path_factory.mktemp("images")
    router = save_router(folder / "router")
    pixels = np.random.default_rng(5).integers(0, 256, (60, 44, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "cat.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEARING_BACKEND", "torch")
        patch.setenv("BEARING_CACHE", str(folder / "cache"))
        texts = str(router.with_name("router-texts"))
        with indexer.open(folder / "data", model=texts) as workspace:
            workspace.collection().index([{"id": text, "text": text} for text in TEXTS])
        yield folder


def test_texts_are_found_by_an_image(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of images and the same texts finds texts that were indexed without it."""
    monkeypatch.setenv("BEARING_MODEL", str(place / "router"))
    with indexer.open(place / "data") as workspace:
        found = workspace.collection().search(image=place / "cat.png")
        vectors = workspace.embed(TEXTS)
        cosines = vectors @ workspace.embed_images([place / "cat.png"])[0]
        with pytest.raises(Unreadable, match="cannot be read"):
            workspace.collection().search(image=place / "no.png")
    order = [TEXTS[row] for row in np.argsort(-cosines)]
    assert [hit.document.id for hit in found.hits] == order
    arguments = ["search", "--data", str(place / "data"), "--image", str(place / "cat.png")]
    done = CliRunner().invoke(commands(), [*arguments, "--json"])
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == order


def test_a_model_of_texts_says_what_to_set(place: Path) -> None:
    """Without a model of images the error names the setting."""
    texts = str(place / "router-texts")
    with (
        indexer.open(place / "data", model=texts) as workspace,
        pytest.raises(InvalidInput, match="BEARING_MODEL is a model of images"),
    ):
        workspace.collection().search(image=place / "cat.png")
