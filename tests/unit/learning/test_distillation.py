"""A static model of a collection's model: near to it, loadable, whole or not there."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding import Embedder, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import AlreadyExists, InvalidInput, ModelError
from indexer.index_choice import Language
from indexer.ingestion.preparation import embed_documents
from indexer.learning.distillation import Distilling, distil, free_name
from indexer.learning.models import Models
from indexer.learning.trained import Trained, TrainedKind
from indexer.memory.catalogue import MemoryCatalogue
from indexer.reports import Step

from .conftest import WORDS

LONG = "a lazy dog " * 30


def texts(count: int, seed: int) -> list[str]:
    """Sentences of a few words in random order."""
    random = np.random.default_rng(seed)
    end = ". the quick fox is over a foxdog."
    return [" ".join(random.choice(WORDS, 7)) + end for _ in range(count)]


@pytest.fixture(scope="module")
def collection(embedder: Embedder) -> Collection:
    """Two hundred documents, one of several passages, in memory."""
    catalogue = MemoryCatalogue()
    catalogue.create("docs", embedder.identity, Language.ENGLISH)
    filled = Collection(catalogue.open("docs"))
    documents = [
        Document(f"d{place}", text, title=f"dog {place}")
        for place, text in enumerate(texts(199, 1))
    ]
    filled.put(embed_documents(embedder, [*documents, Document("long", LONG)]))
    return filled


def make(
    collection: Collection,
    embedder: Embedder,
    folder: Path,
    name: str = "docs-static",
    steps: list[Step] | None = None,
) -> Trained:
    """Distil the small model."""
    checkpoint = find_checkpoint(embedder.identity.name, folder / "cache")
    told = [] if steps is None else steps
    how = Distilling(passages=1000, sentences=20)
    models = Models(folder / "models")
    return distil(collection, embedder, checkpoint, models, name, how, told.append)


def test_a_student_is_near_its_teacher_and_recorded(
    collection: Collection, embedder: Embedder, tmp_path: Path
) -> None:
    """Passages held out come nearer by the fit; the record says what was learnt from."""
    steps: list[Step] = []
    trained = make(collection, embedder, tmp_path, steps=steps)
    (figure,) = trained.figures
    assert figure.after > max(figure.before + 0.005, 0.8)
    assert trained.kind is TrainedKind.STATIC
    assert trained.base.collection == "docs"
    assert trained.data.queries == 20
    assert Models(tmp_path / "models").read("docs-static") == trained
    assert {step.name for step in steps} == {"passages", "sentences", "tokens", "words", "fit"}
    assert free_name(Models(tmp_path / "models"), "docs") == "docs-static-2"


def test_it_gives_the_vectors_of_sentence_transformers(
    collection: Collection, embedder: Embedder, tmp_path: Path
) -> None:
    """Of short texts, and of one that both cut where the teacher does."""
    make(collection, embedder, tmp_path)
    folder = str(tmp_path / "models" / "docs-static")
    asked = ["the quick brown foxdog", "a lazy dog", LONG]
    with open_embedder(folder, cache=tmp_path / "cache") as student:
        done = student.embed(asked)
        assert student.room == embedder.room
    assert done.truncated == (2,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = SentenceTransformer(folder, device="cpu").encode(asked)
    assert np.abs(done.vectors - theirs).max() < 1e-5


def test_equal_settings_give_equal_students(
    collection: Collection, embedder: Embedder, tmp_path: Path
) -> None:
    """To the byte; a name that is taken is refused before anything is embedded."""
    make(collection, embedder, tmp_path)
    make(collection, embedder, tmp_path, "again")
    tables = [
        (tmp_path / "models" / name / "model.safetensors").read_bytes()
        for name in ("docs-static", "again")
    ]
    assert tables[0] == tables[1]
    steps: list[Step] = []
    with pytest.raises(AlreadyExists):
        make(collection, embedder, tmp_path, steps=steps)
    assert not steps


def test_an_interruption_leaves_nothing(
    collection: Collection, embedder: Embedder, tmp_path: Path
) -> None:
    """Whenever it comes, there is no half of a model."""

    class Interrupting(list[Step]):
        def append(self, step: Step) -> None:
            if step.name == "fit":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(collection, embedder, tmp_path, steps=Interrupting())
    assert list((tmp_path / "models").iterdir()) == []


def test_nothing_is_learnt_from_nothing(embedder: Embedder, tmp_path: Path) -> None:
    """An empty collection is refused, and so is a model that has no vocabulary."""
    catalogue = MemoryCatalogue()
    catalogue.create("empty", embedder.identity, Language.ENGLISH)
    with pytest.raises(InvalidInput, match="'empty' has no text"):
        make(Collection(catalogue.open("empty")), embedder, tmp_path)
    bare = find_checkpoint(embedder.identity.name, tmp_path / "cache")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        distil(
            Collection(catalogue.open("empty")), open_hashing(),
            type(bare)("bare", tmp_path / "bare", "", "", ""), Models(tmp_path), "x",
            Distilling(), print,
        )  # fmt: skip
