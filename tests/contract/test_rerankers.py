"""Every reranker is held to CrossEncoder.predict of sentence-transformers, in float32."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import CROSS_ENCODERS, save_bert, save_cross_bert

from indexer.embedding import Backend, Precision
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.cross_encoders import open_reranker
from indexer.embedding.cross_encoders.engines import load_cross_encoder
from indexer.embedding.cross_encoders.reranker import OverlapReranker, Reranker
from indexer.errors import ModelError

CASES = [
    (name, backend) for name in CROSS_ENCODERS for backend in (Backend.OPENVINO, Backend.TORCH)
]

PAIRS = [
    ("a query", "the quick brown fox jumps over the lazy dog"),
    ("a query", ""),
    ("", ""),
    ("direction", "magnitude " * 300),
    ("a very long query " * 100, "and a very long passage " * 100),
    ("long query " * 60, "short"),
    ("\U0001f9ed", "هذا نص عربي"),
    ("cosine", "a vector has a direction, the cosine of an angle"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each model is saved."""
    root = tmp_path_factory.mktemp("rerankers")
    return {name: save(root / name) for name, save in CROSS_ENCODERS.items()}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model cache for the module, so that each model is converted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def opened(
    request: pytest.FixtureRequest, folders: dict[str, Path], cache: Path
) -> Iterator[tuple[Reranker, Any]]:
    """Each model on each backend, with its reference."""
    name, backend = request.param
    folder = folders[name]
    reference = load_cross_encoder(find_checkpoint(str(folder), cache), "cpu")
    with open_reranker(
        str(folder), cache=cache, backend=backend, precision=Precision.F32
    ) as reranker:
        assert reranker.runtime.backend == backend
        yield reranker, reference


def test_scores_are_those_of_predict(opened: tuple[Reranker, Any]) -> None:
    """Pairs of any length, alone or together, in any order, get predict's scores."""
    reranker, reference = opened
    expected = reference.predict(PAIRS, batch_size=1)
    assert np.ptp(expected) > 0.05  # else nothing would be told apart
    np.testing.assert_allclose(reranker.score(PAIRS), expected, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(reranker.score(PAIRS[::-1]), expected[::-1], atol=1e-4, rtol=1e-4)
    alone = [reranker.score([pair])[0] for pair in PAIRS]
    np.testing.assert_allclose(alone, expected, atol=1e-4, rtol=1e-4)


def test_many_pairs_are_scored_in_their_order(opened: tuple[Reranker, Any]) -> None:
    """More pairs than a batch holds come back each in its place; none gives none."""
    reranker, _ = opened
    pairs = [("a query", f"document {n} " * (n % 7)) for n in range(300)]
    scores = reranker.score(pairs)
    assert scores.dtype == np.float32 and scores.shape == (300,)
    np.testing.assert_allclose(scores[:14], reranker.score(pairs[:14]), atol=1e-4, rtol=1e-4)
    assert reranker.score([]).shape == (0,)


def test_the_activation_is_the_model_s_own(folders: dict[str, Path], cache: Path) -> None:
    """One label is put through the sigmoid; a model that names another activation gets that."""
    exact = {"cache": cache, "backend": Backend.OPENVINO, "precision": Precision.F32}
    sigmoid = open_reranker(str(folders["bert"]), **exact)
    logits = open_reranker(str(folders["roberta"]), **exact)
    with sigmoid, logits:
        assert ((sigmoid.score(PAIRS) > 0) & (sigmoid.score(PAIRS) < 1)).all()
        assert (np.abs(logits.score(PAIRS)) > 1).any()


def test_the_second_start_converts_nothing(folders: dict[str, Path], cache: Path) -> None:
    """What is in the cache is opened without torch's model, and a damaged entry is made anew."""
    open_reranker(str(folders["bert"]), cache=cache).close()
    entries = {path: path.stat().st_mtime_ns for path in (cache / "models").iterdir()}
    with open_reranker(str(folders["bert"]), cache=cache) as reranker:
        expected = reranker.score(PAIRS)
    assert {path: path.stat().st_mtime_ns for path in (cache / "models").iterdir()} == entries
    for entry in entries:
        (entry / "graph.bin").write_bytes(b"damaged")
    with open_reranker(str(folders["bert"]), cache=cache) as reranker:
        np.testing.assert_allclose(reranker.score(PAIRS), expected, atol=1e-6)


def test_a_model_of_several_labels_is_refused(tmp_path: Path) -> None:
    """It says how many scores a pair gets, and how many it should."""
    folder = save_cross_bert(tmp_path / "labels", labels=3)
    for backend in (Backend.AUTO, Backend.TORCH):
        with pytest.raises(ModelError, match="3 scores for a pair"):
            open_reranker(str(folder), cache=tmp_path, backend=backend)


def test_pickled_weights_are_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    """Only safetensors are read."""
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text((folders["bert"] / "config.json").read_text())
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="pickled"):
        open_reranker(str(folder), cache=tmp_path)


def test_what_cannot_be_converted_runs_on_torch(
    tmp_path: Path, folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, with the reason; asked for OpenVINO by name, it is an error."""
    folder = tmp_path / "prompted"
    folder.mkdir()
    for path in folders["bert"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    settings = folder / "config_sentence_transformers.json"
    prompted = {"prompts": {"ask": "Is it so? "}, "default_prompt_name": "ask"}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | prompted))
    with pytest.raises(ModelError, match="prompt"):
        open_reranker(str(folder), cache=tmp_path, backend=Backend.OPENVINO)
    with open_reranker(str(folder), cache=tmp_path) as reranker:
        assert reranker.runtime.backend == "torch"
        reference = load_cross_encoder(find_checkpoint(str(folder), tmp_path), "cpu")
        np.testing.assert_allclose(reranker.score(PAIRS), reference.predict(PAIRS), atol=1e-4)
    assert "runs on torch" in caplog.text


def test_an_embedder_s_folder_is_no_reranker(tmp_path: Path) -> None:
    """A model of vectors is refused, not scored by weights that were made up."""
    with pytest.raises(ModelError, match="no cross-encoder"):
        open_reranker(str(save_bert(tmp_path / "vectors")), cache=tmp_path)


def test_the_double_scores_by_words() -> None:
    """The share of the query's words that are in the passage."""
    pairs = [("a b", "b c"), ("a b", "A b"), ("", "x"), ("a", "")]
    assert OverlapReranker().score(pairs).tolist() == [0.5, 1.0, 0.0, 0.0]
