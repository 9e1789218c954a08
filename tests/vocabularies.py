"""A collection that is asked in other words than its documents use, and judgements of it.

The model ``hashing`` knows no synonyms, so that plain search finds hardly anything; a map of
queries can learn which word stands for which.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from indexer.config import Config
from indexer.documents import Document
from indexer.ingestion.changes import store
from indexer.learning.examples import Example
from indexer.learning.methods import METHODS
from indexer.learning.models import Models
from indexer.learning.split import Splitting
from indexer.learning.trained import Trained
from indexer.learning.training import Training, train
from indexer.library import Library

MODEL: Final = "hashing-64"
TOPICS: Final = 12
DOCUMENTS: Final = 60
QUERIES: Final = 36


def open_vocabularies(folder: Path) -> Library:
    """A library with the collection ``docs``: five documents of each topic."""
    library = Library(Config(data=folder, model=MODEL))
    collection = library.create("docs")
    documents = [
        Document(f"d{n}", f"deep{n % TOPICS} below{n % TOPICS} filler{n}", None, {"n": n % 2})
        for n in range(DOCUMENTS)
    ]
    store(collection, library.embedder(collection), documents)
    return library


def examples(count: int = QUERIES, *, shuffled: bool = False, seed: int = 0) -> Iterator[Example]:
    """Queries of two words of their topic, with three of its documents each."""
    chance = random.Random(seed)
    for n in range(count):
        topic = n % TOPICS
        query = f"high{topic} above{topic} question{n}x{seed}"
        for step in range(3):
            wanted = chance.randrange(TOPICS) if shuffled else topic
            yield Example(query, f"q{n}", "", f"d{wanted + TOPICS * step}")


def train_adapter(library: Library, name: str, found: Iterator[Example], **options: int) -> Trained:
    """An adapter fitted to these examples, in two folds unless more are asked for."""
    method = METHODS["adapter"]
    collection = library.open("docs")
    training = Training(
        name,
        method,
        method.options(**{"folds": 2, **options}),
        "made up",
        Models.of(library.config),
        library.embedder(collection),
        collection,
        library.config.cache,
        Splitting(),
    )

    def refuse(rejection: object) -> None:
        raise AssertionError(rejection)

    return train(training, found, refuse, lambda _: None).trained
