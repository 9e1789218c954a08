"""``bearing search --image``, and the library's search by an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from called import run_bearing
from judged import write_lines
from PIL import Image
from small_models import save_router

import indexer
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
    done = run_bearing([*arguments, "--json"])
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == order


def test_a_model_of_texts_says_what_to_set(place: Path) -> None:
    """Without a model of images the error names the setting."""
    texts = str(place / "router-texts")
    with (
        indexer.open(place / "data", model=texts) as workspace,
        pytest.raises(InvalidInput, match="BEARING_MODEL is a model of images"),
    ):
        workspace.collection().search(image=place / "cat.png")


def test_images_are_judged_by_captions(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judged set may have images for documents: recall is that of their vectors to the queries.

    One that cannot be read is a reject, and not found.
    """
    monkeypatch.setenv("BEARING_MODEL", str(place / "router"))
    judged = place / "judged"
    (judged / "images").mkdir(parents=True)
    random = np.random.default_rng(7)
    names = [f"{number}.png" for number in range(14)]
    for name in names:
        pixels = random.integers(0, 256, (30, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(judged / "images" / name)
    corpus = [{"_id": name, "image": f"images/{name}"} for name in names]
    (judged / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    broken = {"_id": "broken.png", "image": "images/broken.png"}
    write_lines(judged / "corpus.jsonl", *corpus, broken)
    queries = [{"_id": str(number), "text": text} for number, text in enumerate(TEXTS)]
    write_lines(judged / "queries.jsonl", *queries)
    pairs = [(query["_id"], name) for query in queries for name in names[:5]]
    lines = [f"{query}\t{name}\t1\n" for query, name in [*pairs, ("0", "broken.png")]]
    (judged / "qrels").mkdir()
    (judged / "qrels" / "test.tsv").write_text("".join(lines))

    with indexer.open(place / "data") as workspace:
        files = [judged / "images" / name for name in names]
        cosines = workspace.embed(TEXTS) @ workspace.embed_images(files).T
    best = np.argsort(-cosines)[:, :10]
    shares = (best < 5).sum(axis=1) / np.array([6, 5, 5])
    arguments = ["evaluate", str(judged), "--data", str(place / "data"), "--json"]
    done = run_bearing(arguments)
    found = json.loads(done.stdout)
    assert found["recall@10"] == pytest.approx(shares.mean())
    assert 0 < found["recall@10"] < 1
    told = (done.exit_code, found["documents"], found["rejected"], found["missing"])
    assert told == (3, 14, 1, 1)
