"""Static models' files: as sentence-transformers and model2vec write them, and damaged ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_models import bert_tokenizer

from indexer.embedding import TextRole, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.static.model import is_static
from indexer.embedding.static.tensors import read_tensors, write_tensors
from indexer.errors import ModelError

TOKENS = bert_tokenizer().backend_tokenizer.get_vocab_size()
TYPE = "sentence_transformers.models.StaticEmbedding"


def save(folder: Path, tensors: Mapping[str, np.ndarray], **settings: object) -> Path:
    """A folder of a static model with these tensors, as older versions name its module."""
    folder.mkdir()
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "path": "", "type": TYPE}]))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    bert_tokenizer().backend_tokenizer.save(str(folder / "tokenizer.json"))
    save_file(dict(tensors), folder / "model.safetensors")
    return folder


def vector(folder: Path, text: str, role: TextRole = TextRole.DOCUMENT) -> np.ndarray:
    """A text's vector by the model in a folder."""
    with open_embedder(str(folder), cache=folder.parent / "cache") as embedder:
        assert embedder.runtime.backend == "static"
        return embedder.embed([text], role).vectors[0]


def table(seed: int = 7, rows: int = TOKENS) -> np.ndarray:
    """Random vectors of tokens."""
    return np.random.default_rng(seed).standard_normal((rows, 6)).astype(np.float32)


def mean(rows: np.ndarray, text: str) -> np.ndarray:
    """The direction of the mean of a text's token vectors."""
    tokenizer = bert_tokenizer().backend_tokenizer
    summed = rows[tokenizer.encode(text, add_special_tokens=False).ids].sum(axis=0)
    return summed / np.linalg.norm(summed)


def test_a_text_has_the_mean_of_its_tokens(tmp_path: Path) -> None:
    """Special tokens around a text count for nothing."""
    rows = table()
    folder = save(tmp_path / "m", {"embedding.weight": rows})
    assert np.allclose(vector(folder, "the lazy fox"), mean(rows, "the lazy fox"), atol=1e-6)


def test_model2vecs_weights_and_mapping_are_folded(tmp_path: Path) -> None:
    """Tokens may share a vector, and have a weight each."""
    rows, generator = table(rows=20).astype(np.float16), np.random.default_rng(1)
    mapping, weights = generator.integers(0, 20, TOKENS), generator.uniform(0.1, 1, TOKENS)
    tensors = {"embeddings": rows, "mapping": mapping, "weights": weights}
    folder = save(tmp_path / "m", tensors)
    folded = rows[mapping].astype(np.float32) * weights[:, None]
    assert np.allclose(vector(folder, "quick dog"), mean(folded, "quick dog"), atol=1e-5)


def test_prompts_and_fewer_dimensions_are_as_the_settings_say(tmp_path: Path) -> None:
    """A prompt is part of the text; only the first dimensions count."""
    settings = {"prompts": {"query": "the ", "document": ""}, "truncate_dim": 4}
    rows = table()
    folder = save(tmp_path / "m", {"embedding.weight": rows}, **settings)
    assert np.allclose(
        vector(folder, "fox", TextRole.QUERY), mean(rows[:, :4], "the fox"), atol=1e-6
    )
    assert np.allclose(vector(folder, "fox"), mean(rows[:, :4], "fox"), atol=1e-6)


def test_a_tokenizer_that_cuts_sets_the_window(tmp_path: Path) -> None:
    """As in sentence-transformers, what lies behind its bound has no part in the vector."""
    rows = table()
    folder = save(tmp_path / "m", {"embedding.weight": rows})
    tokenizer = bert_tokenizer().backend_tokenizer
    tokenizer.enable_truncation(3)
    tokenizer.save(str(folder / "tokenizer.json"))
    with open_embedder(str(folder), cache=tmp_path / "cache") as embedder:
        done = embedder.embed(["the lazy fox jumps over", "the lazy fox"])
        assert done.truncated == (0,)
        assert np.allclose(done.vectors, mean(rows, "the lazy fox"), atol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"embedding.weight": table(rows=TOKENS - 1)}, "but its tokenizer has"),
        ({"embedding.weight": table().ravel()}, "1 dimensions, not 2"),
        ({"other": table()}, "cannot be read"),
    ],
    ids=["too few rows", "flat", "no table"],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray], problem: str
) -> None:
    """At once, and not when the first text has a token without a vector."""
    with pytest.raises(ModelError, match=problem):
        vector(save(tmp_path / "m", tensors), "fox")


def test_models_with_layers_are_not_static(tmp_path: Path) -> None:
    """Nor is a folder without modules, nor one with a layer behind the table."""
    assert not is_static(tmp_path)
    dense = [{"type": TYPE}, {"type": "sentence_transformers.models.Dense"}]
    (tmp_path / "modules.json").write_text(json.dumps(dense))
    assert not is_static(tmp_path)
    (tmp_path / "modules.json").write_text(json.dumps(dense[:1]))
    assert is_static(tmp_path)


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    """By us or by the library of the format, by us or by the library."""
    rows, path = table(), tmp_path / "one.safetensors"
    write_tensors(path, {"a": rows, "b": rows[:2]})
    assert (load_file(path)["a"] == rows).all()
    assert (load_file(path)["b"] == rows[:2]).all()
    save_file({"c": rows}, path)
    assert (read_tensors(path)["c"] == rows).all()


def test_halves_are_widened(tmp_path: Path) -> None:
    """Of bfloat16, which NumPy does not have."""
    import torch
    from safetensors.torch import save_file as save_torch

    rows = torch.from_numpy(table()).to(torch.bfloat16)
    save_torch({"a": rows}, tmp_path / "one.safetensors")
    assert (read_tensors(tmp_path / "one.safetensors")["a"] == rows.float().numpy()).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 8, (2).to_bytes(8, "little") + b"[]", (9).to_bytes(8, "little") + b"{}"],
    ids=["empty", "endless header", "no object", "cut"],
)
def test_a_file_that_is_not_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    """With the name of the file."""
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"odd\.safetensors"):
        read_tensors(path)


def test_a_tensor_outside_of_its_file_is_refused(tmp_path: Path) -> None:
    """Offsets are data from elsewhere."""
    path = tmp_path / "one.safetensors"
    write_tensors(path, {"a": table()})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="outside"):
        read_tensors(path)


def test_the_identity_is_of_its_files(tmp_path: Path) -> None:
    """Digests are of the files, as for any other model."""
    folder = save(tmp_path / "m", {"embedding.weight": table()})
    with open_embedder(str(folder), cache=tmp_path / "cache") as embedder:
        identity = embedder.identity
    assert identity.weights == find_checkpoint(str(folder), tmp_path / "cache").weights
    assert (
        identity.dimension == load_file(folder / "model.safetensors")["embedding.weight"].shape[1]
    )
