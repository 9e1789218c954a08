"""What the gate lets serve, and what it refuses, on a collection asked in other words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vocabularies import QUERIES, examples, open_vocabularies, train_adapter

from indexer.collection import Collection
from indexer.errors import InvalidInput, NotFound
from indexer.learning.evidence import SEEN, JudgedQueries, Seen
from indexer.learning.gate.attempts import note_attempt
from indexer.learning.gate.promotion import promote, roll_back, serving
from indexer.learning.methods.adapter import MAP, read_map, write_map
from indexer.learning.models import Models
from indexer.library import Library
from indexer.queries import Query
from indexer.retrieval.search import search


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The collection, with an adapter of its judgements and one of shuffled ones."""
    with open_vocabularies(tmp_path_factory.mktemp("data")) as library:
        train_adapter(library, "good", examples())
        train_adapter(library, "shuffled", examples(shuffled=True, seed=1))
        yield library


@pytest.fixture
def models(library: Library) -> Models:
    """Its models."""
    return Models.of(library.config)


@pytest.fixture
def docs(library: Library) -> Iterator[Collection]:
    """The collection, without an adapter at the beginning and at the end."""
    collection = library.open("docs")
    yield collection
    if collection.adapter is not None:
        collection.adapt(None)


def found(library: Library, text: str) -> list[str]:
    """The ids of the hits of a text."""
    collection = library.open("docs")
    (answer,) = search(collection, library.embedder(collection), [Query(text=text, k=5)])
    return [hit.document.id for hit in answer.hits]


def test_a_map_that_gains_serves_at_once(
    library: Library, models: Models, docs: Collection
) -> None:
    """Texts that are asked find what their words stand for, and the record says why."""
    topic_3 = {f"d{3 + 12 * step}" for step in range(5)}
    before = found(library, "high3 above3 something")
    done = promote(library, models, "good", "docs")
    assert done.serves and not done.forced and done.verdict.passed
    after = found(library, "high3 above3 something")
    assert len(topic_3 & set(after)) > len(topic_3 & set(before))
    record = models.read("good")
    assert record.verdict == done.verdict and record.figures == done.figures
    by_query = {one.mode: one for one in record.figures if one.split == "queries"}
    assert set(by_query) == {"dense", "hybrid"}
    for one in by_query.values():
        assert one.after > one.before + 0.3 and one.queries == QUERIES
    assert {"unrelated queries", "costs"} <= {one.split for one in record.figures}
    assert serving(library, models) == {"good": ["docs"]}
    assert docs.describe().index["adapter"]["forced"] is False


def test_a_rollback_is_instant(library: Library, models: Models, docs: Collection) -> None:
    """What was found before is found again; then there is nothing more to take back to."""
    before = found(library, "high3 above3 something")
    promote(library, models, "good", "docs")
    assert roll_back(library, "docs").adapter is None
    assert found(library, "high3 above3 something") == before
    with pytest.raises(NotFound, match="nothing was promoted"):
        roll_back(library, "docs")


def test_what_was_never_promoted_is_not_rolled_back(tmp_path: Path) -> None:
    """It is an error that says so."""
    with open_vocabularies(tmp_path) as library, pytest.raises(NotFound, match="nothing"):
        roll_back(library, "docs")


def test_shuffled_labels_are_refused(library: Library, models: Models, docs: Collection) -> None:
    """With the reason, and nothing changes."""
    done = promote(library, models, "shuffled", "docs")
    assert not done.serves and not done.verdict.passed
    assert "no gain is shown" in done.verdict.reasons[0] and done.verdict.advice
    assert docs.adapter is None


def test_what_may_get_worse_is_a_setting(library: Library, docs: Collection) -> None:
    """What is let pass is told, and no reason to refuse."""
    config = replace(library.config, calibration_tolerance=0.1, auc_tolerance=0.0)
    with Library(config) as tolerant:
        verdict = promote(tolerant, Models.of(config), "shuffled", "docs").verdict
    assert "calibration error rises" in verdict.notes[0] and "0.1 that is let" in verdict.notes[0]
    assert not any("calibration" in reason for reason in verdict.reasons)
    assert "no gain is shown" in verdict.reasons[0]


def test_force_is_logged_and_marks_the_collection(
    library: Library, models: Models, docs: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as what was refused serves."""
    with caplog.at_level(logging.WARNING):
        done = promote(library, models, "shuffled", "docs", force=True)
    assert done.serves and done.forced
    assert "by force" in caplog.text and "no gain is shown" in caplog.text
    assert docs.describe().index["adapter"]["forced"] is True
    roll_back(library, "docs")
    assert "adapter" not in docs.describe().index


def test_ten_queries_are_refused(library: Library, models: Models, docs: Collection) -> None:
    """However much they gain."""
    train_adapter(library, "ten", examples(10, seed=2))
    done = promote(library, models, "ten", "docs")
    assert not done.serves and "10 judged queries are too few" in done.verdict.reasons[0]


def test_one_trained_on_the_held_out_queries_is_refused(
    library: Library, models: Models, docs: Collection
) -> None:
    """Whether they are named by who promotes, or those of its own folds."""
    judged = JudgedQueries.of(examples())
    named = promote(library, models, "good", "docs", judged=judged)
    assert not named.serves and "36 of 36 queries" in named.verdict.reasons[0]
    fresh = promote(library, models, "good", "docs", judged=JudgedQueries.of(examples(seed=9)))
    assert fresh.serves
    train_adapter(library, "leaking", examples(seed=3))
    folder = models.path("leaking")
    whole = Seen.read(folder / SEEN)
    for fold in folder.glob("fold-*.npz"):
        whole.write(fold)
        write_map(fold.with_suffix(".bin"), read_map(folder / MAP))
    leaking = promote(library, models, "leaking", "docs")
    assert not leaking.serves and "were trained on" in leaking.verdict.reasons[0]


def test_every_candidate_of_the_same_judgements_counts(
    library: Library, models: Models, docs: Collection
) -> None:
    """The correction is for all that were tried, the same one once."""
    first = promote(library, models, "good", "docs").verdict
    note_attempt(models.folder, first.judged, "another candidate")
    train_adapter(library, "same", examples())
    train_adapter(library, "other", examples(), rank=3)
    assert promote(library, models, "same", "docs").verdict.tried == first.tried + 2


def test_a_map_of_other_vectors_is_refused(
    library: Library, models: Models, docs: Collection
) -> None:
    """It is an error, not a verdict."""
    record = models.read("good")
    other = replace(record, base=replace(record.base, mark="other.model.64."))
    models.amend(other)
    try:
        with pytest.raises(InvalidInput, match="train one"):
            promote(library, models, "good", "docs")
    finally:
        models.amend(record)


def test_a_rank_that_is_asked_for_is_kept(library: Library, models: Models) -> None:
    """The strength is among the settings, and a rank that is asked for is kept."""
    assert {"ridge", "blend", "rank", "folds"} <= set(models.read("good").settings)
    train_adapter(library, "narrow", examples(seed=4), rank=6)
    narrow = read_map(models.path("narrow") / MAP)
    assert narrow.left.shape == (64, 6)
    assert np.linalg.matrix_rank(narrow.left @ narrow.right) == 6
