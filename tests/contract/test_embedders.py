"""Every embedder is held to sentence-transformers' own encode, in float32."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import CONVERTIBLE, MODELS

from indexer.embedding import Backend, Embedder, Precision, TextRole, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.torch_engine import load_model

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    " ",
    ".",
    "\t\n ",
    "🧭🧭 👩‍👩‍👧‍👦 emoji",
    "هذا نص عربي من اليمين إلى اليسار",
    "这是一个中文句子。没有空格。日本語も。",
    "direction and magnitude " * 200,
    "x",
    "Ünïcödé ﬁ ligature, a\u0301 combining",
]

LAST_TOKEN = "qwen3"
"""The model that OpenVINO runs wrongly in fixed shapes."""

CASES = (
    *((name, Backend.TORCH, Precision.F32) for name in MODELS),
    *((name, Backend.OPENVINO, Precision.F32) for name in CONVERTIBLE),
    ("bert", Backend.AUTO, Precision.AUTO),
    ("static", Backend.AUTO, Precision.AUTO),
    ("hashing-64", Backend.AUTO, Precision.AUTO),
)
"""Models by the names of tests/small_models.py, or those that need no files by their own."""


def long_if(case: tuple[str, Backend, Precision], repeats: bool) -> Any:
    """A case, of the long tests alone if it repeats what others see."""
    return pytest.param(case, marks=[pytest.mark.long] if repeats else [])


OPENED = [
    long_if(case, case[1] is Backend.OPENVINO and case[0] in ("mpnet", "roberta", "xlm-roberta"))
    for case in CASES
]
"""Encoders as BERT is are converted in the tests of rerankers and of the engine, too."""

WARMED = [long_if(case, case[1] is Backend.OPENVINO and case[0] != LAST_TOKEN) for case in CASES]
"""Each takes a second or more to warm: MPNet's graphs are tried in the tests of the engine."""


def name_of(case: tuple[str, Backend, Precision]) -> str:
    """A case in the names of tests."""
    return "-".join(case)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each model is saved."""
    root = tmp_path_factory.mktemp("models")
    return {name: save(root / name) for name, save in MODELS.items()}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model cache for the module, so that each model is converted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def references(folders: dict[str, Path], cache: Path) -> dict[str, Any]:
    """Each model as sentence-transformers loads it."""
    return {
        name: load_model(find_checkpoint(str(folder), cache), "cpu")
        for name, folder in folders.items()
    }


@pytest.fixture(scope="module", params=OPENED, ids=name_of)
def case(
    request: pytest.FixtureRequest, folders: dict[str, Path], cache: Path
) -> Iterator[tuple[str, Embedder]]:
    """A model's name, and its embedder."""
    name, backend, precision = request.param
    with open_embedder(
        str(folders.get(name, name)), cache=cache, backend=backend, precision=precision
    ) as embedder:
        yield name, embedder


def encode(model: Any, texts: list[str], role: TextRole) -> np.ndarray:
    """What sentence-transformers gives, a text at a time."""
    encode = model.encode_query if role is TextRole.QUERY else model.encode_document
    return encode(texts, batch_size=1, normalize_embeddings=True, show_progress_bar=False)


def cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Row by row."""
    return np.einsum("ij,ij->i", ours.astype(np.float64), theirs.astype(np.float64))


@pytest.mark.parametrize("role", list(TextRole))
def test_vectors_are_those_of_sentence_transformers(
    case: tuple[str, Embedder], references: dict[str, Any], role: TextRole
) -> None:
    """Vectors agree with encode_query and encode_document to a cosine of 0.9999 or better."""
    name, embedder = case
    if name not in references:
        pytest.skip("sentence-transformers has no such model")
    texts = [text for text in TEXTS if name != "static" or text.strip()]
    theirs = encode(references[name], texts, role)
    assert cosines(embedder.embed(texts, role).vectors, theirs).min() >= 0.9999


def test_every_vector_has_unit_length(case: tuple[str, Embedder]) -> None:
    """Rows are float32 of length 1 to six digits."""
    vectors = case[1].embed(["a fox", "a dog", "the angle of a vector"]).vectors
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() < 1e-6


def test_order_and_duplicates_are_kept(case: tuple[str, Embedder]) -> None:
    """Row i belongs to input i however lengths lie, and equal inputs get equal rows."""
    embedder = case[1]
    texts = ["fox", "a much longer text about the lazy dog and the fox", "fox", "dog", "fox"]
    vectors = embedder.embed(texts).vectors
    alone = np.concatenate([embedder.embed([text]).vectors for text in texts])
    assert cosines(vectors, alone).min() > 0.9995
    assert (vectors[0] == vectors[2]).all()
    assert (vectors[0] == vectors[4]).all()


def test_equal_inputs_cost_one(case: tuple[str, Embedder]) -> None:
    """Tokens are spent once for a text that is given often."""
    embedder = case[1]
    assert embedder.embed(["the same"] * 50).tokens == embedder.embed(["the same"]).tokens


def test_tokens_embed_like_their_text(case: tuple[str, Embedder]) -> None:
    """What tokenize gives can be handed to embed beside strings."""
    embedder = case[1]
    for role in TextRole:
        text = "which vector is nearest?"
        vectors = embedder.embed([embedder.tokenize([text], role)[0], text], role).vectors
        assert (vectors[0] == vectors[1]).all()


def test_spans_are_characters_of_the_text(case: tuple[str, Embedder]) -> None:
    """Spans rise, lie within the text, and cover every letter of it, prompts notwithstanding."""
    text = "The angle, a 🧭 and the dog"
    spans = case[1].tokenize([text])[0].spans
    covered = {place for start, end in spans for place in range(start, end)}
    assert spans.min() >= 0
    assert spans.max() <= len(text)
    assert (np.diff(spans[:, 0]) >= 0).all()
    assert covered >= {place for place, letter in enumerate(text) if letter.isalpha()}


def test_truncation_is_reported(case: tuple[str, Embedder]) -> None:
    """A text of as many tokens as there is room is whole; one more token, and it is cut."""
    embedder = case[1]
    fits, over = "a" + " a" * (embedder.room - 1), "a" + " a" * embedder.room
    if len(embedder.tokenize([fits])[0].spans) != embedder.room:  # bytes: a space is a token
        fits, over = "a" * embedder.room, "a" * (embedder.room + 1)
    result = embedder.embed(["short", over, fits])
    assert result.truncated == (1,)
    assert [tokens.truncated for tokens in embedder.tokenize([fits, over])] == [False, True]


def test_threads_embed_at_once(case: tuple[str, Embedder]) -> None:
    """Eight threads get the vectors that one gets."""
    embedder = case[1]
    texts = [[f"text {n} of thread {t}" for n in range(20)] for t in range(8)]
    alone = [embedder.embed(part).vectors for part in texts]
    together: dict[int, np.ndarray] = {}

    def work(place: int) -> None:
        together[place] = embedder.embed(texts[place]).vectors

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, expected in enumerate(alone):
        assert cosines(together[place], expected).min() > 0.9995


def test_nothing_in_nothing_out(case: tuple[str, Embedder]) -> None:
    """No inputs give no rows of the right width."""
    embedder = case[1]
    result = embedder.embed([])
    assert result.vectors.shape == (0, embedder.identity.dimension)
    assert (result.truncated, result.tokens) == ((), 0)


@pytest.mark.parametrize("case", WARMED, indirect=True, ids=name_of)
@pytest.mark.parametrize("role", list(TextRole))
def test_warm_embedders_give_the_vectors_of_cold_ones(
    case: tuple[str, Embedder], role: TextRole, caplog: pytest.LogCaptureFixture
) -> None:
    """One by one, a few at a time or all at once: short texts keep their vectors.

    Where fixed shapes would change them, a warning says that there are none.
    """
    name, embedder = case
    words = ["the", "angle", "of", "a", "vector", "and", "the", "lazy", "dog"] * 3
    texts = [" ".join(words[:count]) for count in range(1, len(words))]
    expected = embedder.embed(texts, role).vectors
    embedder.warm()
    embedder.embed(texts[:2], role)  # the first few; what they take on is made in the background
    for thread in threading.enumerate():
        if thread.name == "tiles":
            thread.join()
    for size in (1, 2, 5, len(texts)):
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        vectors = np.concatenate([embedder.embed(part, role).vectors for part in parts])
        assert cosines(vectors, expected).min() >= 0.9999
    assert not caplog.records or name == LAST_TOKEN
