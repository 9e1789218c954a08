"""The watch on recall: honest, restful, and heard when recall falls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from samples import make_identity, random_units

from indexer.collection import IndexChoice, IndexKind
from indexer.documents import Chunk, Document, EmbeddedDocument, Query
from indexer.storage import sealed
from indexer.storage.collection import LocalCollection
from indexer.storage.rows import Rows
from indexer.storage.tuning import Recall
from indexer.storage.watching import LEAST_QUERIES, Observation, RecallWatch

VECTORS = random_units(6_000)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """Rows under a sealed index."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        collection.put(
            [
                EmbeddedDocument(Document(f"d{i}", "t"), (Chunk(0, 0, 1),), VECTORS[i : i + 1])
                for i in range(len(VECTORS))
            ]
        )
        collection.rebuild(IndexChoice(IndexKind.SCAN, target_recall=0.8))
        yield collection._rows


def wait_until(true: object, seconds: float = 20) -> None:
    """Until a callable is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def count_of(watch: RecallWatch) -> int:
    """How many comparisons the estimate is made of."""
    recall = watch.estimate()
    return recall.queries if recall else 0


def show(watch: RecallWatch, rows: Rows, shift: float, count: int) -> None:
    """Offer answers whose scores are the true ones, or below them by a shift."""
    for query in random_units(count, seed=3):
        exact = np.sort(VECTORS @ query)[::-1][:10]
        seen = count_of(watch)
        watch.offer(Observation(rows, query, None, (exact - shift).astype(np.float32)))
        wait_until(lambda seen=seen: count_of(watch) != seen)


def test_exact_answers_count_as_full_recall(rows: Rows) -> None:
    """Scores that equal the exact ones give recall 1, with an interval below it."""
    watch = RecallWatch(lambda *_: None, rest=0)
    assert watch.estimate() is None
    show(watch, rows, 0.0, 30)
    recall = watch.estimate()
    watch.close()
    assert recall is not None
    assert recall.mean == 1.0
    assert 0.95 < recall.low < 1.0
    assert recall.queries == 30


def test_a_fall_below_the_target_is_heard_once(rows: Rows) -> None:
    """When too little is found with confidence, the watch calls, and begins anew."""
    heard: list[Recall] = []
    watch = RecallWatch(lambda _, recall: heard.append(recall), rest=0)
    show(watch, rows, 0.2, LEAST_QUERIES)
    wait_until(lambda: heard)
    watch.close()
    assert len(heard) == 1
    assert heard[0].high < 0.8
    assert watch.estimate() is None


def test_a_busy_watch_takes_no_offers_and_costs_no_time(rows: Rows) -> None:
    """While it rests, queries are passed over, and closing does not wait for the rest's end."""
    watch = RecallWatch(lambda *_: None, rest=1e6)
    query = random_units(1)[0]
    for _ in range(50):
        watch.offer(Observation(rows, query, None, np.ones(10, dtype=np.float32)))
        time.sleep(0.002)
    wait_until(watch.estimate)
    closer = threading.Thread(target=watch.close)
    closer.start()
    closer.join(20)
    assert not closer.is_alive()
    recall = watch.estimate()
    assert recall is not None
    assert recall.queries <= 2


def test_effort_rises_until_there_is_none_left(rows: Rows) -> None:
    """Each step is the next of the index's kind; after the last there is none."""
    assert rows.index is not None
    efforts = []
    step = rows.index
    while (better := sealed.with_more_effort(step)) is not None:
        assert better.measured.effort.depth > step.measured.effort.depth
        efforts.append(better.measured.effort)
        step = better
    assert efforts
    assert step.index is rows.index.index


def test_a_collection_tells_what_was_watched(tmp_path: Path, rows: Rows) -> None:
    """Real searches feed the estimate that the description shows."""
    with LocalCollection(tmp_path / "c") as collection:
        assert collection.describe().index["watched_queries"] == 0
        for query in random_units(3, seed=9):
            assert len(collection.search([Query(vector=query, k=10)])[0].hits) == 10
        wait_until(lambda: collection.describe().index["watched_queries"])
        index = collection.describe().index
        assert 0 <= index["watched_recall"] <= 1
        assert index["kind"] == "scan"
