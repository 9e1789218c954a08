"""A learned distance: a map of queries and documents, as a model of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from small_models import save_bert

from indexer.config import Config
from indexer.documents import Document, Vectors, normalise
from indexer.embedding import Backend
from indexer.embedding.adapter import Adapter
from indexer.embedding.embedder import TextRole
from indexer.ingestion.changes import store
from indexer.ingestion.reindex import reindex
from indexer.learning.examples import Example
from indexer.learning.gate.promotion import promote, roll_back
from indexer.learning.methods import METHODS
from indexer.learning.methods.adapter import MAP, read_map
from indexer.learning.models import Models
from indexer.learning.query_map import (
    BLENDS,
    BOTH,
    QUERIES_ALONE,
    RIDGES,
    Judged,
    Sides,
    Solver,
    Strength,
    choose,
)
from indexer.learning.split import Splitting
from indexer.learning.training import Training, train
from indexer.library import Library

SIGNAL, NOISE = 6, 10
DOCUMENTS = [
    Document(f"d{n}", f"the quick brown fox {n} jumps over word {n % 7}") for n in range(60)
]


def noisy(rows: int, like: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Unit vectors of a signal, given or random, and noise."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(rows, SIGNAL)) if like is None else like[:, :SIGNAL]
    noise = random.normal(size=(rows, NOISE))
    return normalise(np.concatenate([normalise(signal), normalise(noise)], axis=1, dtype="f4"))


@pytest.fixture(scope="module")
def judged() -> Judged:
    """80 queries, each for a passage of its own that shares its signal."""
    passages = noisy(80)
    queries = noisy(80, like=passages, seed=1)
    others = queries @ passages.T
    np.fill_diagonal(others, -1)
    moves = passages - passages[np.argmax(others, axis=1)]
    return Judged(queries, moves, passages, np.arange(80), [{n: 1} for n in range(80)])


def fitted(judged: Judged, sides: Sides, strength: Strength, rank: int = 0) -> Adapter:
    """The map of the first half of the queries."""
    left, right = sides.factors(Solver(judged, np.arange(40)), strength, rank)
    return Adapter("fitted", left.astype(np.float32), right.astype(np.float32))


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("sides", [QUERIES_ALONE, BOTH], ids=["queries", "both"])
def test_strengths_are_chosen_by_the_scores_that_the_map_gives(
    judged: Judged, sides: Sides, rank: int
) -> None:
    """But for the lengths of queries, which order nothing."""
    rows, solver = np.arange(40, 80), Solver(judged, np.arange(40))
    for ridge, blend in zip(RIDGES, BLENDS, strict=True):
        tried = sides.trial(judged, solver, rows, ridge, rank)(blend)
        adapter = fitted(judged, sides, Strength(ridge, blend), rank)
        given = sides.scores(judged, rows, adapter)
        assert normalise(given) == pytest.approx(normalise(tried), abs=1e-4)


def test_both_sides_are_mapped_alike_and_symmetrically(judged: Judged) -> None:
    """Whether its rank is bounded or not."""
    for rank in (0, 3):
        adapter = fitted(judged, BOTH, Strength(0.3, 1.0), rank)
        whole = adapter.left @ adapter.right
        assert whole == pytest.approx(whole.T, abs=1e-6)
        assert np.linalg.matrix_rank(whole, tol=1e-4) <= (2 * rank or 16)
        rows = np.arange(5)
        expected = normalise(judged.queries[rows] + judged.queries[rows] @ whole) @ (
            normalise(judged.passages + judged.passages @ whole).T
        )
        assert BOTH.scores(judged, rows, adapter) == pytest.approx(expected, abs=1e-5)


def test_it_learns_what_is_noise(judged: Judged) -> None:
    """And so finds documents that no training query asked for."""
    rows = np.arange(40, 80)
    strength = choose(judged, np.arange(40), 4, 0, 0, BOTH)
    before = judged.ndcg(judged.scores(judged.queries[rows]), rows).mean()
    after = judged.ndcg(BOTH.scores(judged, rows, fitted(judged, BOTH, strength)), rows).mean()
    assert after > before + 0.1


def config(folder: Path) -> Config:
    """A library of the small BERT, computed here."""
    return Config(
        data=folder / "data",
        cache=folder / "cache",
        model=str(folder / "bert"),
        backend=Backend.TORCH,
        threads=1,
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A collection, and a distance of it that was learned from judgements of 40 queries."""
    folder = tmp_path_factory.mktemp("distance")
    save_bert(folder / "bert")
    with Library(config(folder)) as library:
        collection = library.create("docs")
        embedder = library.embedder(collection)
        store(collection, embedder, DOCUMENTS)
        method = METHODS["distance"]
        training = Training(
            "learned", method, method.options(folds=2), "made up", Models.of(library.config),
            embedder, collection, library.config.cache, Splitting(), threads=1,
        )  # fmt: skip
        found = [
            Example(f"a lazy dog {n} on word {n % 7}", f"q{n}", "", f"d{n}") for n in range(40)
        ]
        train(training, found, lambda _: None, lambda _: None)
        yield library


def stored_vectors(library: Library) -> Vectors:
    """The vectors of all documents."""
    found = library.open("docs").vectors([one.id for one in DOCUMENTS])
    return np.concatenate([one.vectors for one in found if one is not None])


def test_it_is_a_model_that_others_load(library: Library) -> None:
    """Its vectors are those of the model before, mapped, of queries and of documents."""
    folder = Models.of(library.config).path("learned")
    texts = ["a quick fox", "the lazy dog jumps"]
    plain = library.embedder(library.open("docs")).embed(texts).vectors
    expected = read_map(folder / MAP).apply(plain)
    assert np.abs(expected - plain).max() > 0.01
    assert SentenceTransformer(str(folder)).encode(texts) == pytest.approx(expected, abs=1e-5)
    model = library.model(str(folder))
    for role in TextRole:
        assert model.embed(texts, role).vectors == pytest.approx(expected, abs=1e-5)


def test_it_takes_a_collection_over_and_back(library: Library) -> None:
    """The gate finds what training found, each query by the map that was fitted without it.

    Stored vectors are mapped, new documents embedded, and the way back embeds only those.
    """
    models, collection = Models.of(library.config), library.open("docs")
    before, adapter = stored_vectors(library), read_map(models.path("learned") / MAP)
    trained = {one.split: one for one in models.read("learned").figures}
    done = promote(library, models, "learned", "docs", force=True)
    dense = {one.split: one for one in done.figures if one.mode == "dense"}
    for split in ("queries", "documents"):
        assert dense[split].before == pytest.approx(trained[split].before, abs=1e-6)
        assert dense[split].after == pytest.approx(trained[split].after, abs=1e-6)
    assert done.documents == len(DOCUMENTS)
    assert collection.identity.name == str(models.path("learned"))
    each = [adapter.apply(row[None])[0] for row in before]
    assert np.array_equal(stored_vectors(library), np.stack(each))
    model = library.embedder(collection)
    embedded = model.embed([one.text for one in DOCUMENTS]).vectors
    assert stored_vectors(library) == pytest.approx(embedded, abs=1e-5)
    store(collection, model, [Document("late", "a lazy fox on a word")])
    (late,) = collection.vectors(["late"])
    assert late is not None
    assert late.vectors == pytest.approx(model.embed(["a lazy fox on a word"]).vectors, abs=1e-5)
    assert roll_back(library, "docs").documents == 1
    collection.delete(["late"])
    assert np.array_equal(stored_vectors(library), before)


def test_a_document_that_changes_meanwhile_is_not_mapped_from_what_it_was(library: Library) -> None:
    """It has the vectors of its newest text in the end."""
    models, collection = Models.of(library.config), library.open("docs")
    folder = models.path("learned")
    model, base = library.model(str(folder)), library.embedder(collection)
    changed = Document("d5", "meaning and direction of an angle")
    adapter, writes = read_map(folder / MAP), [changed]

    def mapped(vectors: Vectors) -> Vectors:
        while writes:
            store(collection, base, [writes.pop()])
        return adapter.apply(vectors)

    collection.compact()  # or the vectors of an earlier promotion would do
    reindex(collection, model, keep=True, mapped=mapped)
    assert not writes
    (found,) = collection.vectors(["d5"])
    assert found is not None
    expected = model.embed([changed.text]).vectors
    assert found.vectors == pytest.approx(expected, abs=1e-5)
    reindex(collection, base, keep=True)
    store(collection, base, [DOCUMENTS[5]])
