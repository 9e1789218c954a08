"""A small model to train, and pairs that it can learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import save_bert

from indexer.embedding import Backend, Embedder, open_embedder
from indexer.learning.examples import Example, text_id
from indexer.learning.methods import METHODS
from indexer.learning.models import Models
from indexer.learning.options import read_options
from indexer.learning.progress import Progress
from indexer.learning.split import Splitting
from indexer.learning.training import Done, Training, train
from indexer.readers import Rejection

WORDS = (
    *("quick", "brown", "lazy", "direction", "meaning", "magnitude"),
    *("cosine", "vector", "angle", "model", "text", "word"),
)


def pairs(count: int, seed: int = 0) -> list[Example]:
    """Queries of three words, each with a longer text that has the words in another order."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        words = random.choice(WORDS, 3, replace=False).tolist()
        text = f"the {words[2]} {words[0]} is over a {words[1]} dog {number}"
        query = f"{' '.join(words)} {number}"
        made.append(Example(query, text_id(query), text, f"d{number}", place=f"pairs:{number}"))
    return made


@pytest.fixture(scope="package")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small BERT with random weights."""
    return save_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="package")
def embedder(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """The small BERT, open."""
    cache = tmp_path_factory.mktemp("cache")
    return open_embedder(str(bert), cache=cache, backend=Backend.TORCH, threads=1)


@pytest.fixture
def training(embedder: Embedder, tmp_path: Path) -> Callable[..., Training]:
    """A training of the small BERT by a method, with settings given as words."""

    def make(method: str, *words: str, name: str = "trained", **changed: Any) -> Training:
        quick = ("epochs=1", "batch=8", "learning_rate=0.002", "evaluations=2")
        made = Training(
            name=name,
            method=METHODS[method],
            options=read_options(METHODS[method].options, (*quick, *words)),
            source="test",
            models=Models(tmp_path / "models"),
            embedder=embedder,
            collection=None,
            cache=tmp_path / "cache",
            splitting=Splitting(held_out=0.1, validation=0.1),
            threads=1,
        )
        return replace(made, **changed)

    return make


def run(
    training: Training,
    found: list[Example | Rejection],
    tell: Callable[[Progress], None] = lambda _: None,
) -> Done:
    """Train; nothing may be refused."""
    refused: list[Rejection] = []
    done = train(training, found, refused.append, tell)
    assert not refused
    return done
