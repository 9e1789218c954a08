"""Vectors of recent queries: kept within a bound, found again, and told in the metrics."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import read_metrics
from starlette.testclient import TestClient

from app.serving.query_cache import ENTRY_BYTES, VectorCache

DIMENSION = 8
ENTRY = DIMENSION * 4 + ENTRY_BYTES


def vector(number: int) -> np.ndarray:
    """(DIMENSION,) float32, different for each number."""
    return np.full(DIMENSION, number, dtype=np.float32)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=60),
)
def test_it_holds_the_most_recent_within_its_bound(
    room: int, steps: list[tuple[bool, int]]
) -> None:
    """Whatever is kept and asked, it answers as an ordered dict of so many entries does."""
    cache = VectorCache(room * ENTRY + ENTRY // 2)
    oracle: OrderedDict[int, int] = OrderedDict()
    for writes, number in steps:
        if writes:
            odd = number % 2 == 1
            cache.keep(str(number), vector(number), truncated=odd, unknown=not odd)
            oracle[number] = number
            oracle.move_to_end(number)
            if len(oracle) > room:
                oracle.popitem(last=False)
            continue
        found = cache.get(str(number))
        assert (found is not None) == (number in oracle)
        if found is not None:
            oracle.move_to_end(number)
            np.testing.assert_array_equal(found.vector, vector(number))
            assert found.truncated is not found.unknown is (number % 2 == 0)
    assert len(cache) == len(oracle)
    assert cache.bytes == len(oracle) * ENTRY


def test_a_kept_vector_is_its_own() -> None:
    """A row of a batch is copied, so that the batch is let go and no one changes the copy."""
    batch = np.arange(4 * DIMENSION, dtype=np.float32).reshape(4, DIMENSION)
    cache = VectorCache(10 * ENTRY)
    cache.keep("a", batch[2], truncated=False, unknown=False)
    batch[:] = 0
    found = cache.get("a")
    assert found is not None
    assert found.vector.base is None
    assert found.vector[0] == 2 * DIMENSION
    with pytest.raises(ValueError, match="read-only"):
        found.vector[0] = 1


def test_threads_leave_it_whole() -> None:
    """Its bytes are those of its entries, however many threads keep and ask at once."""
    cache = VectorCache(5 * ENTRY)

    def work(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 20, 500).tolist():
            cache.keep(str(number), vector(number), truncated=False, unknown=False)
            found = cache.get(str(number))
            assert found is None or found.vector[0] == number

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) == 5
    assert cache.bytes == 5 * ENTRY


def test_a_query_asked_again_is_answered_from_the_cache(client: TestClient) -> None:
    """The same text gives the same hits, and the metrics count one miss, then hits."""
    texts = [{"id": str(i), "text": f"text number {i}"} for i in range(5)]
    client.put("/documents", json={"documents": texts})
    first = client.post("/search", json={"query": "number 3"}).json()
    again = client.post("/search", json={"query": "number 3"}).json()
    assert again["hits"] == first["hits"]
    batch = {"searches": [{"query": "number 3"}, {"query": "number 4"}, {"query": "number 3"}]}
    results = client.post("/search/batch", json=batch).json()["results"]
    assert results[0]["hits"] == results[2]["hits"] == first["hits"]
    assert results[1]["hits"] != first["hits"]
    found = read_metrics(client)
    assert found["bearing_query_cache_hits_total", ()] == 3
    assert found["bearing_query_cache_misses_total", ()] == 2
    assert found["bearing_query_cache_bytes", ()] == 2 * (256 * 4 + ENTRY_BYTES)


def test_no_cache_is_kept_where_it_is_turned_off(connect) -> None:
    """With query_cache_mb of 0 every query is embedded."""
    client = connect(query_cache_mb=0)
    client.put("/documents", json={"documents": [{"id": "a", "text": "one"}]})
    for _ in range(2):
        assert client.post("/search", json={"query": "one"}).json()["hits"]
    found = read_metrics(client)
    assert found["bearing_query_cache_hits_total", ()] == 0
    assert found["bearing_query_cache_bytes", ()] == 0
