"""Negatives from a collection's own index."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import Document
from indexer.embedding import Embedder
from indexer.errors import InvalidInput
from indexer.ingestion.preparation import embed_documents
from indexer.learning.examples import Example, Examples
from indexer.learning.mining import mine
from indexer.learning.training import Training
from indexer.library import Library

from .conftest import pairs, run


@pytest.fixture
def library() -> Iterator[Library]:
    """A library in memory, by a model that needs no files."""
    with Library(Config(data="memory:", model="hashing-64")) as opened:
        yield opened


def filled(library: Library) -> tuple[Collection, Embedder]:
    """A collection of four documents."""
    texts = {
        "answer": "how to sort a list",
        "other": "how to sort a list of words",
        "hard": "how to sort wine and a glass",
        "far": "nothing in common",
    }
    made = library.create("docs")
    embedder = library.embedder(made)
    documents = [Document(id, text) for id, text in texts.items()]
    made.put(embed_documents(embedder, documents))
    return made, embedder


def mined(library: Library, *given: Example, below: float = 0.95, count: int = 2) -> list[Example]:
    """The examples with negatives."""
    with Examples() as examples:
        for one in given:
            examples.add(one)
        return list(mine(examples, *filled(library), count=count, below=below))


SORT = Example("sort a list", "q", "how to sort a list", "answer")


def test_the_nearest_that_are_no_answers(library: Library) -> None:
    """Negatives are the best hits, without what answers the query in any example."""
    also = Example("sort a list", "q", "how to sort a list of words", "other", ("given",))
    first, second = mined(library, SORT, also)
    assert first.negatives == ("how to sort wine and a glass", "nothing in common")
    assert second.negatives[:2] == ("given", "how to sort wine and a glass")


def test_hits_as_good_as_the_answer_are_passed_over(library: Library) -> None:
    """A hit that scores nearly as much as the answer may be one: it is no negative."""
    _, embedder = filled(library)
    texts = ["sort a list", "how to sort a list", "how to sort wine and a glass"]
    query, answer, hard = embedder.embed(texts).vectors
    between = float(np.vecdot(query, hard) / np.vecdot(query, answer))
    library.delete("docs")
    one = Example("sort a list", "q", "how to sort a list", "answer")
    assert texts[2] in mined(library, one, below=between + 0.01)[0].negatives
    library.delete("docs")
    assert texts[2] not in mined(library, one, below=between - 0.01)[0].negatives


def test_mining_needs_a_collection(
    training: Callable[..., Training], library: Library, embedder: Embedder
) -> None:
    """Without a collection it is refused; with one the negatives are trained by."""
    with pytest.raises(InvalidInput, match="--collection"):
        run(training("contrastive", "mined=2"), pairs(40))
    collection = library.adopt("bert", embedder.identity)
    documents = [Document(one.document, one.positive) for one in pairs(40)]
    collection.put(embed_documents(embedder, documents))
    words = ("mined=2", "loss=triplet", "mined_below=1")
    assert run(training("contrastive", *words, collection=collection), pairs(40)).notes
