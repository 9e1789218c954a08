"""A warm engine has graphs of fixed shapes for short texts, and runs the rest as before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from small_models import save_bert

from indexer.embedding import Precision, TextRole, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.openvino.engine import ALONE_TILES, MANY_TILES, CompiledEngine
from indexer.embedding.openvino.model_cache import Entry, entry_folder, read_entry


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A small BERT's graph."""
    cache = tmp_path_factory.mktemp("cache")
    folder = str(save_bert(tmp_path_factory.mktemp("models") / "bert"))
    open_embedder(folder, cache=cache)
    found = read_entry(entry_folder(find_checkpoint(folder, cache), cache), cache)
    assert found is not None
    return found


@pytest.fixture
def engine(entry: Entry) -> Iterator[CompiledEngine]:
    """It, on two threads."""
    engine = CompiledEngine(entry.graph, entry.setup, Precision.F32, threads=2)
    yield engine
    engine.close()


def shapes(engine: CompiledEngine, *lengths: int) -> list[tuple[int, ...]]:
    """Those of the batches that sequences of these lengths are planned into."""
    sequences = [np.full(length, 7, np.int32) for length in lengths]
    return [batch.ids.shape for batch in engine.plan(sequences, range(len(sequences)))]


def test_a_cold_engine_takes_texts_as_they_are(engine: CompiledEngine) -> None:
    """What answers once and ends spends nothing on shapes."""
    assert shapes(engine, 9) == [(1, 9)]
    assert shapes(engine, 9, 9) == [(2, 9)]


def test_a_warm_engine_has_a_shape_for_each_short_text(engine: CompiledEngine) -> None:
    """The next longer one; a longer text gets none of its own, but its length is rounded."""
    engine.warm()
    assert shapes(engine, 9) == [(1, 12)]
    assert {shapes(engine, length)[0] for length in range(1, 33)} == set(ALONE_TILES)
    assert shapes(engine, 33) == [(1, 36)]


def test_shapes_for_a_few_come_while_others_answer(engine: CompiledEngine) -> None:
    """The first few texts run as before and have the shapes made, once, in the background."""
    engine.warm()
    assert shapes(engine, 9, 9) == [(2, 9)]
    for thread in threading.enumerate():
        if thread.name == "tiles":
            thread.join()
    assert shapes(engine, 9, 9) == [(1, 16), (1, 16)]
    assert set(shapes(engine, *[12] * 8)) <= set(MANY_TILES)
    assert [thread for thread in threading.enumerate() if thread.name == "tiles"] == []


def test_shapes_stay_within_the_window(entry: Entry) -> None:
    """A model of few positions has only the shapes that it can run."""
    setup = replace(entry.setup, window=14)
    engine = CompiledEngine(entry.graph, setup, Precision.F32, threads=1)
    engine.warm()
    assert shapes(engine, 9) == [(1, 12)]
    assert shapes(engine, 13) == [(1, 14)]
    ((_, vectors),) = engine.run(engine.plan([np.full(13, 7, np.int32)], [0]), TextRole.QUERY)
    assert vectors.shape == (1, setup.dimension)
