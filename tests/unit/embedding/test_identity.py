"""Which models agree: by what decides their vectors, whatever else their files say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local import create_local, open_local
from samples import make_identity
from small_models import MODELS, save_bert

from indexer.documents import Document
from indexer.embedding import Backend, Embedder, Precision, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.embedder import Identity
from indexer.errors import ModelChanged, ModelMismatch
from indexer.ingestion.changes import store
from indexer.ingestion.preparation import embed_documents
from indexer.queries import Query
from indexer.retrieval.search import search

IDENTITY_FIELDS = {
    "name", "weights", "setup", "dimension", "window", "pooling", "prompts", "canaries",
}  # fmt: skip
"""What an encoded identity held before there were essences; further ones were refused."""


def save_again(model: Path, folder: Path) -> Path:
    """A model that is loaded, used and saved, and then loaded, used and saved once more."""
    from sentence_transformers import SentenceTransformer

    for texts in (["a text", "another longer text"], "one " * 100):
        loaded = SentenceTransformer(str(model), device="cpu", local_files_only=True)
        loaded.encode(texts)
        model = folder / f"saved-{len(texts)}"
        loaded.save_pretrained(str(model))
    return model


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model as it was saved first."""
    return save_bert(tmp_path_factory.mktemp("first") / "bert")


@pytest.fixture(scope="module")
def used(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after use."""
    return save_again(bert, tmp_path_factory.mktemp("used"))


def opened(folder: Path, cache: Path) -> Embedder:
    """The model on torch."""
    return open_embedder(str(folder), cache=cache, backend=Backend.TORCH, precision=Precision.F32)


def edited(model: Path, folder: Path, name: str, fields: Mapping[str, Any]) -> Path:
    """A copy of a model with other fields in one of its files."""
    copy = Path(shutil.copytree(model, folder))
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, **fields}, indent=2))
    return copy


@pytest.mark.parametrize("kind", MODELS)
def test_use_changes_no_identity(kind: str, tmp_path: Path) -> None:
    """A model of any kind that is loaded, used and saved again is the same model."""
    model = MODELS[kind](tmp_path / kind)
    before = find_checkpoint(str(model), tmp_path)
    after = find_checkpoint(str(save_again(model, tmp_path)), tmp_path)
    assert (after.weights, after.essence) == (before.weights, before.essence)


def test_a_collection_takes_its_model_after_use(bert: Path, used: Path, tmp_path: Path) -> None:
    """It is opened, filled, searched and moved by either; a stored calibration's model stays."""
    with opened(bert, tmp_path) as first, opened(used, tmp_path) as second:
        assert first.identity.setup != second.identity.setup  # else this would test nothing
        with create_local(tmp_path / "things", first.identity) as collection:
            store(collection, first, [Document("1", "a quick brown fox")])
            fingerprint = collection.identity.fingerprint
        with open_local(tmp_path / "things") as collection:
            collection.identity.require(second.identity)
            second.identity.require(collection.identity)
            store(collection, second, [Document("2", "a lazy dog")])
            (answer,) = search(collection, second, [Query(text="a lazy dog", k=2)])
            assert [hit.document.id for hit in answer.hits] == ["2", "1"]
            assert collection.identity.fingerprint == fingerprint


def test_a_draft_goes_on_by_its_model_after_use(bert: Path, used: Path, tmp_path: Path) -> None:
    """What an interrupted move had embedded is kept when the model was used meanwhile."""
    with (
        opened(bert, tmp_path) as first,
        opened(used, tmp_path) as second,
        create_local(tmp_path / "things", make_identity()) as collection,
    ):
        vectors = np.eye(1, 16, dtype=np.float32)
        texts = [Document(str(place), "a quick fox") for place in range(3)]
        old = [replace(one, vectors=vectors, model=None) for one in embed_documents(first, texts)]
        collection.put(old)
        with collection.migrate(first.identity) as migration:
            migration.put(embed_documents(first, migration.pending(2)))
        with collection.migrate(second.identity) as migration:
            assert len(migration.pending(10)) == 1


def _other_weights(model: Path, folder: Path) -> Path:
    from safetensors.numpy import load_file, save_file

    copy = Path(shutil.copytree(model, folder))
    tensors = load_file(copy / "model.safetensors")
    name = min(tensors)
    tensors[name] = tensors[name] + np.float32(1)
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    return copy


def _other_word(model: Path, folder: Path) -> Path:
    copy = Path(shutil.copytree(model, folder))
    vocabulary = (copy / "tokenizer.json").read_text().replace('"quick"', '"quack"')
    (copy / "tokenizer.json").write_text(vocabulary)
    return copy


PROMPTS = {"prompts": {"query": "ask: ", "document": ""}}


@pytest.mark.parametrize(
    "change",
    [
        _other_weights,
        _other_word,
        lambda model, folder: edited(
            model, folder, "1_Pooling/config.json", {"pooling_mode": "cls"}
        ),
        lambda model, folder: edited(model, folder, "config_sentence_transformers.json", PROMPTS),
        lambda model, folder: edited(
            model, folder, "sentence_bert_config.json", {"max_seq_length": 20}
        ),
        lambda model, folder: edited(
            model, folder, "tokenizer_config.json", {"model_max_length": 20}
        ),
        lambda model, folder: edited(
            model, folder, "tokenizer_config.json", {"padding_side": "left"}
        ),
        lambda model, folder: edited(model, folder, "config.json", {"num_attention_heads": 2}),
    ],
    ids=["weights", "word", "pooling", "prompt", "window", "length", "side", "heads"],
)
def test_what_decides_vectors_is_told(
    change: Callable[[Path, Path], Path], bert: Path, used: Path, tmp_path: Path
) -> None:
    """Other weights, words, pooling, prompts, lengths, sides or layers are another model."""
    cache = tmp_path / "cache"
    seen = [
        (found.weights, found.essence)
        for place, model in enumerate((bert, used))
        for found in [find_checkpoint(str(change(model, tmp_path / str(place))), cache)]
    ]
    one = find_checkpoint(str(bert), cache)
    assert seen[0] == seen[1] != (one.weights, one.essence)


def test_names_and_versions_decide_nothing(bert: Path, tmp_path: Path) -> None:
    """Where a model came from and which version saved it say nothing of its vectors."""
    one = find_checkpoint(str(bert), tmp_path)
    for name, fields in (
        ("config.json", {"transformers_version": "9.9.9", "_name_or_path": "elsewhere"}),
        ("config_sentence_transformers.json", {"__version__": {"pytorch": "9"}}),
        ("tokenizer_config.json", {"name_or_path": "elsewhere"}),
    ):
        copy = edited(bert, tmp_path / name, name, fields)
        assert find_checkpoint(str(copy), tmp_path).essence == one.essence


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"version": "1.0", "truncation": nothing}', "\xff"]
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_what_is_not_understood_counts_as_it_is(
    name: str, content: str, bert: Path, tmp_path: Path
) -> None:
    """A file that is laid out otherwise is told from another by its bytes."""
    found = set()
    for place, more in enumerate(("", " ")):
        copy = Path(shutil.copytree(bert, tmp_path / str(place)))
        (copy / name).write_bytes((content + more).encode("latin-1"))
        found.add(find_checkpoint(str(copy), tmp_path).essence)
    assert len(found) == 2


def test_settings_of_no_sense_are_no_error(bert: Path, tmp_path: Path) -> None:
    """A side that is none is told from another by the file's bytes."""
    sides = ({"padding_side": 1}, {"padding_side": 2})
    found = {
        find_checkpoint(str(edited(bert, tmp_path / name, "tokenizer_config.json", side)), tmp_path)
        for name, side in zip("ab", sides, strict=True)
    }
    assert len({one.essence for one in found}) == 2


def test_the_token_of_padding_may_be_the_vocabulary_file_s(used: Path, tmp_path: Path) -> None:
    """It counts there where the settings name none, and does not where they do."""
    found = []
    for place, fields in enumerate(({}, {"pad_token": None})):
        for mark in ("[PAD]", "[MASK]"):
            name = f"{place}{mark}"
            copy = edited(used, tmp_path / name, "tokenizer_config.json", fields)
            settings = json.loads((copy / "tokenizer_config.json").read_text())
            if fields:
                del settings["pad_token"]
            (copy / "tokenizer_config.json").write_text(json.dumps(settings))
            vocabulary = (copy / "tokenizer.json").read_text()
            told = f'"pad_token": "{mark}"'
            (copy / "tokenizer.json").write_text(vocabulary.replace('"pad_token": "[PAD]"', told))
            found.append(find_checkpoint(str(copy), tmp_path / "cache").essence)
    assert found[0] == found[1] == found[2] != found[3]


class TestCompatibility:
    """Collections of before there were essences, and versions that know none."""

    def test_an_identity_is_written_as_before(self) -> None:
        """No field is added: versions before refuse a field that they do not know."""
        identity = replace(make_identity(), essence="e" * 64)
        assert set(json.loads(identity.encode())) == IDENTITY_FIELDS

    def test_a_collection_without_an_essence_takes_its_files_as_they_were(
        self, tmp_path: Path
    ) -> None:
        """The model with the same set-up is the same; with another it is refused as before."""
        before, now = make_identity(), replace(make_identity(), essence="e" * 64)
        with create_local(tmp_path / "old", before) as collection:
            assert collection.identity.essence == ""
            collection.identity.require(now)
            assert collection.identity.made(now.mark)
            with pytest.raises(ModelMismatch, match="setup"):
                collection.identity.require(replace(now, setup="t" * 64))

    def test_an_essence_is_kept_with_its_set_up(self, tmp_path: Path) -> None:
        """It is there after reopening, and after a move to another model and back."""
        here = replace(make_identity(), essence="e" * 64)
        there = replace(here, weights="x" * 64, setup="t" * 64, essence="f" * 64)
        with create_local(tmp_path / "new", here) as collection:
            for identity in (there, here):
                with collection.migrate(identity) as migration:
                    assert migration.finish()
                assert collection.identity.essence == identity.essence
        with open_local(tmp_path / "new") as collection:
            assert collection.identity.essence == here.essence


def test_marks_tell_models_apart() -> None:
    """Of a model is what has its fingerprint, or its weights, dimension and essence."""
    one = replace(make_identity(), essence="e" * 64)
    assert one.made(one.mark) and one.made(one.fingerprint)
    assert one.made(replace(one, setup="t" * 64).mark)
    others: list[Identity] = [
        replace(one, weights="x" * 64),
        replace(one, dimension=17),
        replace(one, setup="t" * 64, essence="f" * 64),
        replace(one, setup="t" * 64, essence=""),
    ]
    assert not any(one.made(other.mark) for other in others)
    assert not replace(one, essence="").made(others[3].mark)
    assert not one.made("other")


def test_vectors_of_another_model_are_refused(bert: Path, tmp_path: Path) -> None:
    """Their mark says so, also where only the essence is other."""
    with opened(bert, tmp_path) as embedder:
        other = replace(embedder.identity, setup="t" * 64, essence="f" * 64)
        with (
            create_local(tmp_path / "things", other) as collection,
            pytest.raises(ModelChanged),
        ):
            collection.put(embed_documents(embedder, [Document("1", "a fox")]))
