"""An adapter that is being replaced when the process is killed: one or the other serves."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import numpy as np
from local import create_local, open_local
from samples import DIMENSION, make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.embedding.adapter import Adapter
from indexer.queries import Query

QUERY = random_units(1, seed=5)[0]
EYE = np.eye(DIMENSION, dtype=np.float32)
ADAPTERS = [Adapter(f"shift {by}", np.roll(EYE, by, axis=1) - EYE, EYE) for by in range(1, 4)]


def _promote_for_ever(folder: Path) -> None:
    with open_local(folder) as collection:
        while True:
            for adapter in ADAPTERS:
                collection.adapt(adapter)


def test_a_killed_promotion_leaves_one_adapter_or_the_other(tmp_path: Path) -> None:
    """Whole: what a text finds is what one of them finds."""
    folder, vectors = tmp_path / "c", random_units(30)
    with create_local(folder, make_identity()) as collection:
        chunks = (Chunk(0, 0, 4),)
        collection.put(
            [
                EmbeddedDocument(Document(f"d{n}", f"text {n}"), chunks, vector[None])
                for n, vector in enumerate(vectors)
            ]
        )
        collection.adapt(ADAPTERS[0])
    expected = {
        adapter.name: int(np.argmax(vectors @ adapter.apply(QUERY[None])[0]))
        for adapter in ADAPTERS
    }
    chance, context = random.Random(3), multiprocessing.get_context("fork")
    for _ in range(5):
        process = context.Process(target=_promote_for_ever, args=(folder,))
        process.start()
        time.sleep(chance.uniform(0.05, 0.4))
        process.kill()
        process.join()
        with open_local(folder) as collection:
            query = Query(text="text", vector=QUERY, model=collection.identity.mark, k=1)
            (answer,) = collection.search([query])
            assert collection.adapter is not None
            assert answer.hits[0].document.id == f"d{expected[collection.adapter.name]}"
