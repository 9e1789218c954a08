"""Examples on a collection that has an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from local import create_local
from samples import make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument, normalise
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Query, Strategy


def test_by_the_best_example_an_index_finds_what_comparing_all_does(tmp_path: Path) -> None:
    """Candidates come from the index, their scores are exact, and no near one is missed."""
    centres = random_units(40, seed=1)
    noise = np.random.default_rng(2).normal(0, 0.2, (4000, centres.shape[1]))
    vectors = normalise(np.repeat(centres, 100, axis=0) + noise)
    documents = [
        EmbeddedDocument(Document(f"d{i}", "text"), (Chunk(0, 0, 4),), vectors[i : i + 1])
        for i in range(len(vectors))
    ]
    with create_local(tmp_path / "things", make_identity()) as collection:
        collection.put(documents)
        collection.rebuild(IndexChoice(IndexKind.PARTITIONED))
        query = {"like": ("d0", "d500", "d900"), "unlike": ("d901",), "strategy": Strategy.BEST}
        found = collection.search([Query(**query, k=60)])[0]
        exact = collection.search([Query(**query, k=60, exact=True)])[0]
    assert (found.exact, exact.exact) == (False, True)
    scores = {hit.document.id: hit.score for hit in exact.hits}
    shared = [hit for hit in found.hits if hit.document.id in scores]
    assert len(found.hits) == 60 and len(shared) >= 57
    assert all(abs(hit.score - scores[hit.document.id]) < 1e-6 for hit in shared)
