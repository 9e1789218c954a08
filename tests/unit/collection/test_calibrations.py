"""What was learned is kept with the collection, for its model, and never in the way."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local import create_local, engine_of, open_local
from samples import LEARNED, make_identity, random_units

from indexer.collection.calibrations import Calibrations
from indexer.collection.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import ModelChanged
from indexer.queries import Query
from indexer.storage.maintenance.backup import back_up, restore


def fill(collection: Collection) -> None:
    """Some documents of one chunk each."""
    vectors = random_units(20)
    collection.put(
        [
            EmbeddedDocument(Document(f"d{i}", "t"), (Chunk(0, 0, 1),), vectors[i : i + 1])
            for i in range(20)
        ]
    )


def relevance(collection: Collection) -> list[float | None]:
    """Of the hits of one query."""
    (answer,) = collection.search([Query(vector=random_units(1, seed=7)[0], k=3)])
    return [hit.relevance for hit in answer.hits]


def test_it_is_used_at_once_and_by_whoever_has_the_collection_open(tmp_path: Path) -> None:
    """Also after another process has kept one, and after it is opened again."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection)
        assert relevance(collection) == [None] * 3
        with open_local(tmp_path / "c") as other:
            other.keep_calibration(LEARNED)
        found = relevance(collection)
        (answer,) = collection.search([Query(vector=random_units(1, seed=7)[0], k=3)])
        np.testing.assert_allclose(found, [(1 + hit.score) / 2 for hit in answer.hits])
        assert collection.calibrations() == {"dense": LEARNED}


def test_a_calibration_of_each_kind_of_ranking_is_kept(tmp_path: Path) -> None:
    """A new one takes the place of the last of its kind."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        for ranking in ("dense", "lexical", "dense"):
            collection.keep_calibration(replace(LEARNED, ranking=ranking))
        assert set(collection.calibrations()) == {"dense", "lexical"}


def test_another_model_leaves_it_out_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scores of another model mean something else; and one for it is refused."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection)
        collection.keep_calibration(LEARNED)
        with pytest.raises(ModelChanged):
            collection.keep_calibration(replace(LEARNED, model="another"))
        Calibrations(engine_of(collection)).keep(
            replace(LEARNED, model="another"), collection.identity
        )
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert relevance(collection) == [None] * 3
            assert relevance(collection) == [None] * 3
    assert caplog.text.count("is of another model") == 1


def test_compacting_keeps_it(tmp_path: Path) -> None:
    """The model is the same."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection)
        collection.keep_calibration(LEARNED)
        before = relevance(collection)
        collection.compact()
        assert relevance(collection) == before


def test_a_backup_holds_it(tmp_path: Path) -> None:
    """It cannot be made again without the judged queries."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection)
        collection.keep_calibration(LEARNED)
    back_up(tmp_path / "c", tmp_path / "c.tar", lambda step: None)
    restore(tmp_path / "c.tar", tmp_path / "d", lambda step: None)
    with open_local(tmp_path / "d") as restored:
        assert restored.calibrations() == {"dense": LEARNED}


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"format": 1, "calibrations": 3}', None])
def test_a_damaged_file_is_reported_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str | None
) -> None:
    """Searches go on without relevance."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection)
        collection.keep_calibration(LEARNED)
        file = tmp_path / "c" / "calibration.json"
        if damage is None:
            record = json.loads(file.read_text())
            record["calibrations"] = record["calibrations"].replace("0.05", "0.06")
            damage = json.dumps(record)
        file.write_text(damage)
        with caplog.at_level(logging.WARNING):
            assert relevance(collection) == [None] * 3
    assert "calibrate again" in caplog.text
