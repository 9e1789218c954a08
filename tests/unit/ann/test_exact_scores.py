"""A pair has one score, whichever queries are compared beside it and on however many threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from samples import random_units

from indexer.ann.faiss_index import cosines, exact_search, threads_to_use, use_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The number of threads that FAISS uses during a test."""
    before = threads_to_use()
    use_threads(request.param)
    yield request.param
    use_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [1, 7, 8, 64])
@pytest.mark.parametrize("dimension", [16, 20, 384])
def test_the_score_among_copies_is_that_of_the_pair(count: int, dimension: int) -> None:
    """Where all rows tie, each query is compared with each row: in groups, and one may be left."""
    rows = np.repeat(random_units(1, dimension, seed=1), 10_000, axis=0)
    for seed in range(5):
        queries = random_units(count, dimension, seed=100 + seed)
        scores, found = exact_search(queries, rows, 3)
        np.testing.assert_array_equal(scores, cosines(queries, rows, found))
