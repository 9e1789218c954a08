"""Moving a collection to another model, against embedding it from the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.config import Config
from indexer.documents import Document
from indexer.errors import ModelChanged
from indexer.ingestion.changes import store
from indexer.ingestion.preparation import embed_documents
from indexer.ingestion.reindex import Moved, reindex
from indexer.library import Library
from indexer.queries import Query
from indexer.retrieval.search import search

DOCUMENTS = [Document(f"d{i}", f"word{i} common text number {i} " * (1 + i % 9)) for i in range(60)]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty data directory."""
    with Library(Config(data=tmp_path / "data", cache=tmp_path / "cache")) as library:
        yield library


def test_a_move_gives_what_a_new_collection_would_hold(library: Library) -> None:
    """After the move every vector is the new model's, and searches embed with it."""
    moved, fresh = library.create("moved", "hashing-64"), library.create("fresh", "hashing-128")
    store(moved, library.embedder(moved), DOCUMENTS)
    store(fresh, library.embedder(fresh), DOCUMENTS)
    seen: list[Moved] = []
    result = reindex(moved, library.embedder(fresh), seen.append)
    assert (result.documents, result.total) == (60, 60)
    assert seen[-1].documents == 60
    assert moved.identity.name == "hashing-128"
    ids = [document.id for document in DOCUMENTS]
    for one, other in zip(moved.vectors(ids), fresh.vectors(ids), strict=True):
        assert one is not None
        assert other is not None
        assert one.chunks == other.chunks
        np.testing.assert_array_equal(one.vectors, other.vectors)
    answer = search(moved, library.embedder(moved), [Query(text="word7 common", k=3)])[0]
    assert answer.hits[0].document.id == "d7"


def test_what_the_old_model_computed_is_refused_after_the_move(library: Library) -> None:
    """Work that began before the swap is told to embed again, never stored or searched."""
    collection = library.create("c", "hashing-64")
    before = library.embedder(collection)
    store(collection, before, DOCUMENTS[:5])
    late = embed_documents(before, DOCUMENTS[5:6])
    reindex(collection, library.embedder(library.create("other", "hashing-128")))
    with pytest.raises(ModelChanged, match="'d5'"):
        collection.put(late)
    with pytest.raises(ModelChanged, match="embed it again"):
        search(collection, before, [Query(text="word")])
    assert search(collection, library.embedder(collection), [Query(text="word")])[0].hits


def test_an_empty_collection_moves_too(library: Library) -> None:
    """There is nothing to embed, yet the model changes."""
    collection = library.create("c", "hashing-64")
    reindex(collection, library.embedder(library.create("other", "hashing-128")))
    assert collection.identity.dimension == 128
