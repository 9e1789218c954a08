"""Calibrations are those of what serves: renewed by a promotion, back after a rollback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from samples import LEARNED
from vocabularies import examples, open_vocabularies, train_adapter

from indexer.evaluation.calibration_run import calibrate_collection
from indexer.evaluation.dataset import Dataset
from indexer.learning.evidence import JudgedQueries
from indexer.learning.gate.promotion import promote, roll_back
from indexer.learning.models import Models
from indexer.library import Library
from indexer.queries import Mode, Query
from indexer.retrieval.search import search


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The collection ``docs``, calibrated for two kinds of ranking, and an adapter for it."""
    with open_vocabularies(tmp_path_factory.mktemp("data")) as library:
        docs, judged = library.open("docs"), JudgedQueries.of(examples())
        dataset = Dataset("made up", Path(), judged.queries, judged.qrels)
        calibrate_collection(docs, library.embedder(docs), dataset, mode=Mode.HYBRID)
        read = "dense, reranked by nobody"
        docs.keep_calibration(replace(LEARNED, ranking=read, model=docs.mark))
        train_adapter(library, "good", examples())
        yield library


def relevance(library: Library) -> float:
    """The relevance of the first hit of a question in other words, by words and meaning."""
    docs = library.open("docs")
    asked = [Query(text="high3 above3 something", k=1, mode=Mode.HYBRID)]
    (answer,) = search(docs, library.embedder(docs), asked)
    found = answer.hits[0].relevance
    assert found is not None
    return found


def test_a_promotion_renews_calibrations_or_drops_them(library: Library) -> None:
    """What is learned anew is of the map that serves; a rollback has the old ones again.

    Nothing is learned by queries that were trained on, as where one is forced.
    """
    docs, models = library.open("docs"), Models.of(library.config)
    before, doubted = docs.calibrations(), relevance(library)
    judged = JudgedQueries.of(examples())
    forced = promote(library, models, "good", "docs", judged=judged, force=True)
    assert forced.forced and not forced.calibrations.calibrated and docs.calibrations() == {}
    assert len(forced.calibrations.dropped) == 2
    roll_back(library, "docs")
    done = promote(library, models, "good", "docs")
    (ranking,) = done.calibrations.calibrated
    assert ranking.startswith("hybrid")
    (dropped,) = done.calibrations.dropped.items()
    assert dropped[0] == "dense, reranked by nobody" and "BEARING_RERANKER" in dropped[1]
    renewed = docs.calibrations()
    assert set(renewed) == {ranking} and renewed[ranking].curve != before[ranking].curve
    assert renewed[ranking].model == docs.mark and renewed[ranking].queries == 36
    assert relevance(library) > doubted + 0.3
    back = roll_back(library, "docs")
    assert back.calibrated == tuple(sorted(before)) and docs.calibrations() == before
    assert relevance(library) == doubted
