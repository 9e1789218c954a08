"""A warm engine has graphs of fixed shapes for short texts, and runs the rest as before."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from small_models import MODELS

from indexer.allocator import held
from indexer.documents import Vector, Vectors
from indexer.embedding import Precision, TextRole, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.openvino.engine import ALONE_TILES, MANY_TILES, CompiledEngine
from indexer.embedding.openvino.model_cache import Entry, entry_folder, read_entry
from indexer.embedding.openvino.requests import Requests
from indexer.embedding.tokenizer import Ids, Setup


@dataclass(frozen=True)
class Model:
    """A small model: its folder, the cache of its graph, and the graph."""

    folder: str
    cache: Path
    entry: Entry


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """Small models: two that can be packed, and MPNet, which cannot."""
    cache = tmp_path_factory.mktemp("cache")
    found = {}
    for name in ("bert", "xlm-roberta", "mpnet"):
        folder = str(MODELS[name](tmp_path_factory.mktemp("models") / name))
        open_embedder(folder, cache=cache)
        entry = read_entry(entry_folder(find_checkpoint(folder, cache), cache), cache)
        assert entry is not None
        found[name] = Model(folder, cache, entry)
    return found


@dataclass(frozen=True)
class Warming:
    """An engine that was warmed, and the shapes that it had for texts at each stage."""

    engine: CompiledEngine
    cold: list[list[tuple[int, ...]]]
    alone: dict[int, list[tuple[int, ...]]]
    first_few: list[tuple[int, ...]]


@pytest.fixture(scope="module")
def mpnet(models: dict[str, Model]) -> Iterator[Warming]:
    """MPNet on two threads, cold and then warm, with room for all that saves time."""
    for engine in running(models["mpnet"].entry, memory=1 << 40):
        cold = [shapes(engine, 9), shapes(engine, 9, 9)]
        engine.warm()
        alone = {length: shapes(engine, length) for length in range(1, 34)}
        first_few = shapes(engine, 9, 9)
        await_graphs()
        yield Warming(engine, cold, alone, first_few)


@pytest.fixture(
    scope="module", params=["bert", pytest.param("xlm-roberta", marks=pytest.mark.long)]
)
def packed(models: dict[str, Model], request: pytest.FixtureRequest) -> Iterator[CompiledEngine]:
    """A model that can be packed, warm on two threads."""
    for engine in running(models[request.param].entry):
        warm(engine)
        yield engine


def running(entry: Entry, setup: Setup | None = None, memory: int = 0) -> Iterator[CompiledEngine]:
    """An engine of two threads; closed at the end."""
    setup = setup or entry.setup
    engine = CompiledEngine(entry.graph, setup, Precision.F32, threads=2, memory=memory)
    yield engine
    engine.close()


def warm(engine: CompiledEngine) -> None:
    """Have the graphs made for single texts, and for a few."""
    engine.warm()
    shapes(engine, 9, 9)
    await_graphs()


def await_graphs() -> None:
    """Return once the graphs for a few texts are made, if they are in the making."""
    for thread in threading.enumerate():
        if thread.name == "tiles":
            thread.join()


def shapes(engine: CompiledEngine, *lengths: int) -> list[tuple[int, ...]]:
    """Those of the batches that sequences of these lengths are planned into."""
    sequences = [np.full(length, 7, np.int32) for length in lengths]
    return [batch.ids.shape for batch in engine.plan(sequences, range(len(sequences)))]


def unit_vectors(engine: CompiledEngine, sequences: list[Ids], role: TextRole) -> Vectors:
    """Those of the sequences, in their order."""
    found: dict[int, Vector] = {}
    for batch, vectors in engine.run(engine.plan(sequences, range(len(sequences))), role):
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found |= zip(batch.places.tolist(), units, strict=True)
    return np.stack([found[place] for place in range(len(sequences))])


def test_a_cold_engine_takes_texts_as_they_are(mpnet: Warming) -> None:
    """What answers once and ends spends nothing on shapes."""
    assert mpnet.cold == [[(1, 9)], [(2, 9)]]


def test_a_warm_engine_has_a_shape_for_each_short_text(mpnet: Warming) -> None:
    """The next longer one; a longer text gets none of its own, but its length is rounded."""
    assert mpnet.alone[9] == [(1, 12)]
    assert {mpnet.alone[length][0] for length in range(1, 33)} == set(ALONE_TILES)
    assert mpnet.alone[33] == [(1, 36)]


def test_shapes_for_a_few_come_while_others_answer(mpnet: Warming) -> None:
    """The first few texts run as before and have the shapes made, once, in the background."""
    assert mpnet.first_few == [(2, 9)]
    assert shapes(mpnet.engine, 9, 9) == [(1, 16), (1, 16)]
    assert set(shapes(mpnet.engine, *[12] * 8)) <= set(MANY_TILES)
    assert [thread for thread in threading.enumerate() if thread.name == "tiles"] == []


def test_graphs_that_only_save_time_stay_within_the_memory_allowed(
    mpnet: Warming, models: dict[str, Model], caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is no room for them, texts are embedded as by a cold engine, few and many."""
    assert held() > 20_000_000
    for narrow in running(models["mpnet"].entry, memory=held() + 1):
        warm(narrow)
        assert (shapes(narrow, 9), shapes(mpnet.engine, 9)) == ([(1, 9)], [(1, 12)])
        assert shapes(narrow, 9, 9) == [(2, 9)]
        assert "short texts take longer" in caplog.text
        many = [np.full(length, 7, np.int32) for length in range(3, 60)] * 20
        vectors = [
            unit_vectors(engine, many, TextRole.DOCUMENT) for engine in (narrow, mpnet.engine)
        ]
        np.testing.assert_allclose(*vectors, atol=2e-5)


def test_shapes_stay_within_the_window(models: dict[str, Model]) -> None:
    """A model of few positions has only the shapes that it can run."""
    entry = models["mpnet"].entry
    for engine in running(entry, replace(entry.setup, window=14)):
        engine.warm()
        assert shapes(engine, 9) == [(1, 12)]
        assert shapes(engine, 13) == [(1, 14)]
        ((_, vectors),) = engine.run(engine.plan([np.full(13, 7, np.int32)], [0]), TextRole.QUERY)
        assert vectors.shape == (1, entry.setup.dimension)


def test_a_few_texts_are_packed_for_each_thread(packed: CompiledEngine) -> None:
    """None is padded to the length of others, and longer ones go by themselves."""
    assert shapes(packed, *[12] * 8) == [(4, 12), (4, 12)]
    assert shapes(packed, 9, *[40] * 4) == [(3, 40), (2, 40)]
    assert shapes(packed, 40, 129) == [(1, 129), (1, 40)]
    assert shapes(packed, 33) == [(1, 36)]


def test_small_packs_run_at_once(packed: CompiledEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One a thread, by the graphs for a few; one by itself runs on all threads, by another."""
    used: list[Requests] = []
    start = Requests.start

    def watched(self: Requests, *given: Any, **more: Any) -> None:
        used.append(self)
        start(self, *given, **more)

    monkeypatch.setattr(Requests, "start", watched)
    for lengths in ([14, 14], [14], [4, 4], [40]):
        sequences: list[Ids] = [np.full(length, 7, np.int32) for length in lengths]
        unit_vectors(packed, sequences, TextRole.DOCUMENT)
    few, again, *others = used
    assert few is again
    assert len(others) == 3
    assert all(one is others[0] is not few for one in others)


def test_short_texts_are_packed_even_if_they_overflow_a_batch(packed: CompiledEngine) -> None:
    """Every pack has room for them; as many longer ones go in batches of any shape."""
    packs = shapes(packed, *[24] * 64)
    assert sum(rows for rows, _ in packs) == 64
    assert max(rows * length for rows, length in packs) <= 128
    assert max(rows * length for rows, length in shapes(packed, *[40] * 64)) > 128


def test_texts_of_a_model_that_packing_would_change_are_padded(
    models: dict[str, Model], tmp_path: Path
) -> None:
    """Known texts that are not near their float32 vectors refuse it, which is remembered."""
    entry = models["bert"].entry
    graph = Path(shutil.copytree(entry.graph.parent, tmp_path / "entry")) / entry.graph.name
    others = {role: np.roll(rows, 1, axis=0) for role, rows in entry.references.items()}
    for references in (others, entry.references):
        engine = CompiledEngine(graph, entry.setup, Precision.F32, threads=2, references=references)
        engine.warm()
        assert shapes(engine, 9) == [(1, 12)]
        engine.close()
    (refusal,) = graph.parent.glob("unpacked-f32*")
    assert "their vectors differ" in refusal.read_text()
    refusal.unlink()
    engine = CompiledEngine(
        graph, entry.setup, Precision.F32, threads=2, references=entry.references
    )
    engine.warm()
    assert shapes(engine, 9) == [(1, 9)]
    engine.close()


def test_a_few_texts_of_which_some_have_no_shape_have_the_vectors_of_each_alone(
    mpnet: Warming, models: dict[str, Model]
) -> None:
    """The graphs for a few texts take the short ones only; the others go to that of any shape."""
    random = np.random.default_rng(0)
    for cold in running(models["mpnet"].entry):
        sequences = [random.integers(5, 60, length, np.int32) for length in (9, 44, 12, 50, 9, 28)]
        together = unit_vectors(mpnet.engine, sequences, TextRole.DOCUMENT)
        alone = [unit_vectors(cold, [one], TextRole.DOCUMENT)[0] for one in sequences]
        np.testing.assert_allclose(together, alone, atol=2e-5)


@pytest.mark.parametrize("role", TextRole)
def test_packed_texts_have_the_vectors_of_each_alone(
    packed: CompiledEngine, models: dict[str, Model], role: TextRole
) -> None:
    """Whatever texts of whatever lengths they are packed with, in whatever order."""
    random = np.random.default_rng(0)
    name, least = ("bert", 2) if packed.pad_id == 0 else ("xlm-roberta", 30)  # its prompt is 25
    for cold in running(models[name].entry):
        for lengths in ([31], [least], [48, least, 37], random.integers(least, 49, 20)):
            sequences = [random.integers(5, 60, length, np.int32) for length in lengths]
            together = unit_vectors(packed, sequences, role)
            alone = [unit_vectors(cold, [sequence], role)[0] for sequence in sequences]
            np.testing.assert_allclose(together, alone, atol=2e-5)


@pytest.mark.parametrize("name", ["xlm-roberta", pytest.param("bert", marks=pytest.mark.long)])
def test_packed_texts_have_the_vectors_of_sentence_transformers(
    models: dict[str, Model], name: str
) -> None:
    """Empty ones and repeated ones, too."""
    folder = models[name].folder
    model = SentenceTransformer(folder)
    texts = ["", "a cat", "b", "the quick brown fox jumps over the lazy dog", "a cat", "7"]
    with open_embedder(folder, precision=Precision.F32, cache=models[name].cache) as embedder:
        embedder.warm()
        embedder.embed(texts)
        await_graphs()
        for given in (texts, texts[::-1], texts[1:2]):
            ours = embedder.embed(given, TextRole.DOCUMENT).vectors
            theirs = model.encode_document(given, normalize_embeddings=True)
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
