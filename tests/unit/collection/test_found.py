"""Documents by their best chunks, held against a look at each chunk."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.collection.found import each_by_its_best
from indexer.engine import ChunkCosines


@given(
    st.lists(st.tuples(st.integers(1, 4), st.lists(st.integers(-3, 3), min_size=4, max_size=4))),
    st.booleans(),
)
def test_a_document_is_found_by_its_best_chunk(
    given: list[tuple[int, list[int]]], single: bool
) -> None:
    """The first of several that score the same; documents stay in their order."""
    chunks = [
        (100 - document, 10 * document + i, float(scores[i]))
        for document, (count, scores) in enumerate(given)
        for i in range(1 if single else count)
    ]
    lines = np.array(chunks).reshape(-1, 3)
    keys, places, scores = lines[:, 0].astype(np.int64), lines[:, 1].astype(np.int64), lines[:, 2]
    best: dict[int, tuple[float, int]] = {}
    for key, place, score in chunks:
        if key not in best or score > best[key][0]:
            best[key] = score, place
    found = each_by_its_best(ChunkCosines(keys, places, np.empty((0, 0), np.float32)), scores)
    assert [(one.key, (one.score, one.chunk)) for one in found] == list(best.items())
