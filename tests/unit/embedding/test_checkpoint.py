"""Which models are found, and which are refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from indexer.embedding.checkpoint import (
    DEFAULT_MODEL,
    DEFAULT_WEIGHTS,
    digest_file,
    find_checkpoint,
    write_atomically,
)
from indexer.errors import ModelError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder laid out like a model; nothing loads it."""
    folder = tmp_path / "model"
    (folder / "1_Dense").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("about")
    return folder


def test_the_default_model_has_the_known_weights(tmp_path: Path) -> None:
    """Both of its names find the installed package, whose weights are the published ones."""
    for name in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}"):
        checkpoint = find_checkpoint(name, tmp_path)
        assert (checkpoint.name, checkpoint.weights) == (DEFAULT_MODEL, DEFAULT_WEIGHTS)
    weights = (checkpoint.folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == DEFAULT_WEIGHTS


def test_one_weight_file_is_known_by_its_own_digest(model: Path, tmp_path: Path) -> None:
    """So that the digest can be held against what a hub publishes."""
    expected = hashlib.sha256(b"weights").hexdigest()
    assert find_checkpoint(str(model), tmp_path / "cache").weights == expected


def test_what_decides_vectors_decides_the_identity(model: Path, tmp_path: Path) -> None:
    """Weights and configurations change the digests; a README does not."""
    before = find_checkpoint(str(model), tmp_path / "cache")
    (model / "README.md").write_text("about it")
    assert find_checkpoint(str(model), tmp_path / "cache") == before
    (model / "config.json").write_text('{"a": 1}')
    assert find_checkpoint(str(model), tmp_path / "cache").setup != before.setup
    (model / "1_Dense" / "model.safetensors").write_bytes(b"more")
    assert find_checkpoint(str(model), tmp_path / "cache").weights != before.weights


def test_pickled_weights_are_refused(model: Path, tmp_path: Path) -> None:
    """A module whose only weights are pickled is named."""
    (model / "1_Dense" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match=r"1_Dense.pytorch_model\.bin holds pickled weights"):
        find_checkpoint(str(model), tmp_path / "cache")
    (model / "1_Dense" / "model.safetensors").write_bytes(b"safe")
    find_checkpoint(str(model), tmp_path / "cache")


def test_what_is_no_model(model: Path, tmp_path: Path) -> None:
    """A file, a missing folder, and a folder without weights each get their own answer."""
    with pytest.raises(ModelError, match="is a file"):
        find_checkpoint(str(model / "config.json"), tmp_path)
    with pytest.raises(ModelError, match="there is no folder"):
        find_checkpoint(str(tmp_path / "missing"), tmp_path)
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no \.safetensors"):
        find_checkpoint(str(model), tmp_path)


def test_a_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="could not be downloaded"):
        find_checkpoint("nobody-has/such-a-model", tmp_path)


def test_digests_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    """A file of another size or time is read again; a damaged memory is too."""
    file, cache = tmp_path / "file", tmp_path / "cache"
    file.write_bytes(b"one")
    assert digest_file(file, cache) == hashlib.sha256(b"one").hexdigest()
    memory = next(cache.rglob("*.json"))
    written = memory.read_text()
    memory.write_text(written.replace(hashlib.sha256(b"one").hexdigest(), "remembered"))
    assert digest_file(file, cache) == "remembered"
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert digest_file(file, cache) == hashlib.sha256(b"two").hexdigest()
    memory.write_text("{")
    assert digest_file(file, cache) == hashlib.sha256(b"two").hexdigest()


def test_an_atomic_write_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """The folder holds the file alone, with the last content."""
    write_atomically(tmp_path / "deep" / "file", b"one")
    write_atomically(tmp_path / "deep" / "file", b"two")
    assert [path.read_bytes() for path in (tmp_path / "deep").iterdir()] == [b"two"]
    shutil.rmtree(tmp_path / "deep")
