"""Every embedder of texts and images is held to sentence-transformers' own encode, in float32."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_models import SEEING

from indexer.embedding import Backend, Embedder, Precision, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.embedder import Identity, Modality
from indexer.embedding.images.canaries import canary_images
from indexer.embedding.images.towers import image_tower, text_tower
from indexer.embedding.torch_engine import load_model
from indexer.errors import InvalidInput, ModelMismatch

TEXTS = ["a quick brown fox", "x", "", "the angle of a vector " * 30, "ein Hund, 一只狗 🐕"]

CASES = [
    *((name, Backend.OPENVINO, Precision.F32) for name in SEEING if name != "siglip"),
    pytest.param(("siglip", Backend.OPENVINO, Precision.F32), marks=pytest.mark.long),
    ("clip", Backend.TORCH, Precision.F32),
    ("siglip", Backend.TORCH, Precision.F32),
    ("clip", Backend.AUTO, Precision.AUTO),
]

ADDRESSES = (
    "http://127.0.0.1:9/cat.jpg",
    "https://127.0.0.1:9/cat.png",
    "data:image/png;base64,iVBORw0KGgo=",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each model is saved."""
    root = tmp_path_factory.mktemp("models")
    return {name: save(root / name) for name, save in SEEING.items()}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model cache for the module, so that each model is converted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def references(folders: dict[str, Path]) -> dict[str, Any]:
    """Each model as sentence-transformers loads it."""
    from sentence_transformers import SentenceTransformer

    return {
        name: SentenceTransformer(str(folder), device="cpu") for name, folder in folders.items()
    }


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def case(
    request: pytest.FixtureRequest, folders: dict[str, Path], cache: Path
) -> Iterator[tuple[str, Embedder]]:
    """A model's name, and its embedder."""
    name, backend, precision = request.param
    with open_embedder(
        str(folders[name]), cache=cache, backend=backend, precision=precision
    ) as embedder:
        yield name, embedder


def images() -> list[np.ndarray]:
    """The drawn images, and some of other shapes: small, tall, of the model's own size."""
    random = np.random.default_rng(3)
    shapes = [(9, 7), (301, 40), (32, 32), (36, 77)]
    drawn = [random.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes]
    return [*canary_images(), *drawn]


def encoded(model: Any, given: list[Any]) -> np.ndarray:
    """What sentence-transformers gives, one input at a time."""
    return model.encode(given, batch_size=1, normalize_embeddings=True, show_progress_bar=False)


def test_images_get_the_vectors_of_sentence_transformers(
    case: tuple[str, Embedder], references: dict[str, Any]
) -> None:
    """Vectors of images agree with encode to a cosine of 0.9999, and are of unit length."""
    name, embedder = case
    vectors = embedder.embed_images(images())
    theirs = encoded(references[name], [Image.fromarray(one) for one in images()])
    assert vectors.dtype == np.float32
    assert np.vecdot(vectors, theirs).min() >= 0.9999
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_texts_get_the_vectors_of_sentence_transformers(
    case: tuple[str, Embedder], references: dict[str, Any]
) -> None:
    """Vectors of texts agree too; SigLIP's with those of texts padded to the window."""
    name, embedder = case
    model = references[name]
    if name == "siglip":
        padded = {"padding": "max_length", "max_length": 48, "return_attention_mask": False}
        model[0].processing_kwargs = {"text": padded}
    vectors = embedder.embed(TEXTS).vectors
    assert np.vecdot(vectors, encoded(model, [{"text": text} for text in TEXTS])).min() >= 0.9999


def test_a_batch_changes_no_vector(case: tuple[str, Embedder]) -> None:
    """An input alone has the vector that it has among others, in their order, or given twice."""
    embedder = case[1]
    many = [*images(), images()[1]] * 4
    together = embedder.embed_images(many)
    alone = np.concatenate([embedder.embed_images([one]) for one in images()])
    assert np.vecdot(together[: len(alone)], alone).min() > 0.99999
    assert (together[1] == together[len(alone)]).all()
    texts = embedder.embed(TEXTS).vectors
    singly = np.concatenate([embedder.embed([text]).vectors for text in TEXTS])
    assert np.vecdot(texts, singly).min() > 0.9999


def test_fitted_images_are_taken_as_they_are(case: tuple[str, Embedder]) -> None:
    """An image brought into the model's form before has the same vector."""
    embedder = case[1]
    (image, *_) = images()
    assert embedder.modalities == frozenset(Modality)
    vectors = embedder.embed_images([image, embedder.fit.of(image)])
    assert (vectors[0] == vectors[1]).all()


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), "cat.jpg"])
def test_what_is_no_image_is_refused(folders: dict[str, Path], cache: Path, wrong: Any) -> None:
    """An array of another shape or kind is refused, and so is a name, which nobody opens."""
    with (
        open_embedder(str(folders["clip"]), cache=cache, backend=Backend.TORCH) as embedder,
        pytest.raises(InvalidInput, match=r"\(height, width, 3\) uint8"),
    ):
        embedder.embed_images([wrong])


def test_models_of_texts_say_so(cache: Path) -> None:
    """A model of texts names its kind, and what to use, when it is given an image."""
    with open_embedder("hashing", cache=cache) as embedder:
        assert embedder.modalities == {Modality.TEXT}
        with pytest.raises(InvalidInput, match=r"embeds texts only: .*CLIP"):
            embedder.embed_images([images()[0]])


@pytest.fixture(scope="module")
def touched() -> Iterator[list[str]]:
    """What this process opens and connects to, as Python's audit events tell it."""
    seen: list[str] = []
    listening = True

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and (event.startswith("socket.") or event == "open"):
            seen.append(f"{event} {arguments[:1]}")

    sys.addaudithook(listen)  # there is no way to take it away again
    yield seen
    listening = False


def test_a_text_like_an_address_opens_nothing(
    case: tuple[str, Embedder], touched: list[str], tmp_path: Path
) -> None:
    """A text that is a URL, or the path of an image that exists, is embedded as the text it is."""
    embedder = case[1]
    path = tmp_path / "cat.png"
    Image.fromarray(images()[0]).save(path)
    embedder.embed(["warm"])
    touched.clear()
    embedded = embedder.embed([str(path), *ADDRESSES, "a cat"])
    assert embedded.vectors.shape[0] == 5
    assert [each for each in touched if each.startswith("socket.") or "cat.png" in each] == []


def test_opening_a_model_asks_no_address(
    folders: dict[str, Path], cache: Path, touched: list[str]
) -> None:
    """Opening a model, and converting it, makes no socket."""
    touched.clear()
    open_embedder(str(folders["clip"]), cache=cache, backend=Backend.TORCH).close()
    assert [each for each in touched if each.startswith("socket.")] == []


def test_a_router_agrees_with_its_text_model(folders: dict[str, Path], cache: Path) -> None:
    """A collection of a Router's text model may be opened with the Router, not the other way."""
    router, texts = folders["router"], folders["router"].with_name("router-texts")
    with open_embedder(str(router), cache=cache, backend=Backend.TORCH) as both:
        identity = Identity.decode(both.identity.encode())
        mark = both.identity.mark
    with open_embedder(str(texts), cache=cache, backend=Backend.TORCH) as plain:
        plain.identity.require(identity)
        assert plain.identity.made(mark)
        with pytest.raises(ModelMismatch, match="embeds images"):
            identity.require(plain.identity)


def test_another_processor_is_another_model(
    folders: dict[str, Path], cache: Path, tmp_path: Path
) -> None:
    """Two models that differ only in how images are prepared do not agree."""
    other = tmp_path / "clip"
    shutil.copytree(folders["clip"], other)
    settings = json.loads((other / "processor_config.json").read_bytes())
    settings["image_processor"]["image_std"] = [0.5, 0.5, 0.5]
    (other / "processor_config.json").write_text(json.dumps(settings))
    with (
        open_embedder(str(folders["clip"]), cache=cache, backend=Backend.TORCH) as one,
        open_embedder(str(other), cache=cache, backend=Backend.TORCH) as another,
        pytest.raises(ModelMismatch),
    ):
        one.identity.require(another.identity)


def test_towers_are_found(folders: dict[str, Path], cache: Path) -> None:
    """Each half of a model is a model of one modality, and a model of texts is its own half."""
    for name, folder in folders.items():
        model = load_model(find_checkpoint(str(folder), cache), "cpu")
        if name == "router":  # its texts are a model of their own, found before it is loaded
            assert text_tower(model) is model
            continue
        assert len(list(text_tower(model))) == len(list(image_tower(model))) == 1
