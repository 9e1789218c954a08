"""A warm engine has graphs of fixed shapes for short texts, and runs the rest as before."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

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


@pytest.fixture
def mpnet(models: dict[str, Model]) -> Iterator[CompiledEngine]:
    """MPNet on two threads."""
    yield from running(models["mpnet"].entry)


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def packed(models: dict[str, Model], request: pytest.FixtureRequest) -> Iterator[CompiledEngine]:
    """A model that can be packed, warm on two threads."""
    for engine in running(models[request.param].entry):
        warm(engine)
        yield engine


def running(entry: Entry, setup: Setup | None = None) -> Iterator[CompiledEngine]:
    """An engine of two threads; closed at the end."""
    engine = CompiledEngine(entry.graph, setup or entry.setup, Precision.F32, threads=2)
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


def test_a_cold_engine_takes_texts_as_they_are(mpnet: CompiledEngine) -> None:
    """What answers once and ends spends nothing on shapes."""
    assert shapes(mpnet, 9) == [(1, 9)]
    assert shapes(mpnet, 9, 9) == [(2, 9)]


def test_a_warm_engine_has_a_shape_for_each_short_text(mpnet: CompiledEngine) -> None:
    """The next longer one; a longer text gets none of its own, but its length is rounded."""
    mpnet.warm()
    assert shapes(mpnet, 9) == [(1, 12)]
    assert {shapes(mpnet, length)[0] for length in range(1, 33)} == set(ALONE_TILES)
    assert shapes(mpnet, 33) == [(1, 36)]


def test_shapes_for_a_few_come_while_others_answer(mpnet: CompiledEngine) -> None:
    """The first few texts run as before and have the shapes made, once, in the background."""
    mpnet.warm()
    assert shapes(mpnet, 9, 9) == [(2, 9)]
    warm(mpnet)
    assert shapes(mpnet, 9, 9) == [(1, 16), (1, 16)]
    assert set(shapes(mpnet, *[12] * 8)) <= set(MANY_TILES)
    assert [thread for thread in threading.enumerate() if thread.name == "tiles"] == []


def test_graphs_that_only_save_time_stay_within_the_memory_allowed(
    models: dict[str, Model], caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is no room for them, texts are embedded as by a cold engine, few and many."""
    entry = models["mpnet"].entry
    assert held() > 20_000_000
    bound = partial(CompiledEngine, entry.graph, entry.setup, Precision.F32, threads=2)
    with closing(bound(memory=held() + 1)) as narrow, closing(bound(memory=1 << 40)) as wide:
        for engine in (narrow, wide):
            warm(engine)
        assert (shapes(narrow, 9), shapes(wide, 9)) == ([(1, 9)], [(1, 12)])
        assert shapes(narrow, 9, 9) == [(2, 9)]
        assert "short texts take longer" in caplog.text
        many = [np.full(length, 7, np.int32) for length in range(3, 60)] * 20
        vectors = [unit_vectors(engine, many, TextRole.DOCUMENT) for engine in (narrow, wide)]
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
    mpnet: CompiledEngine, models: dict[str, Model]
) -> None:
    """The graphs for a few texts take the short ones only; the others go to that of any shape."""
    warm(mpnet)
    random = np.random.default_rng(0)
    for cold in running(models["mpnet"].entry):
        sequences = [random.integers(5, 60, length, np.int32) for length in (9, 44, 12, 50, 9, 28)]
        together = unit_vectors(mpnet, sequences, TextRole.DOCUMENT)
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


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
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
