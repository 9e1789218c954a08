"""The record of what was trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer.config import Config
from indexer.errors import AlreadyExists, Damaged, InvalidInput, NotFound, OtherFormat
from indexer.learning.models import BrokenModel, Models, write_record
from indexer.learning.split import Splitting
from indexer.learning.trained import (
    Base,
    Figure,
    Trained,
    TrainedKind,
    TrainingData,
    Verdict,
)

RECORD = Trained(
    name="tuned",
    kind=TrainedKind.ADAPTER,
    method="adapter",
    base=Base("minilm", "abc.def.384.", 384, "docs"),
    data=TrainingData("clicks.jsonl", "0" * 64, queries=120, pairs=300, rejected=2),
    settings={"ridge": 0.1, "rank": None, "centred": True},
    splitting=Splitting(0.25, 0.0, "salt"),
    figures=(Figure("queries", "ndcg@10", 0.4, 0.43, 120, 0.002),),
    verdict=Verdict(False, ("shorter queries lose",), ("judge 50 more",), tried=3),
    made="2026-01-02T03:04:05Z",
    seconds=0.5,
)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """A folder of models that does not exist yet."""
    return Models(tmp_path / "models")


def keep(models: Models, name: str = RECORD.name) -> None:
    """Write a record under a name."""
    with models.writing(name) as folder:
        write_record(folder, RECORD)


def test_a_record_is_read_as_it_was_written() -> None:
    """Every field of it, those of its parts too."""
    assert Trained.decode(RECORD.encode()) == RECORD


def test_a_verdict_without_notes_is_read() -> None:
    """Those of before were written without."""
    fields = json.loads(RECORD.encode())
    del fields["verdict"]["notes"]
    assert Trained.decode(json.dumps(fields)) == RECORD


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"format": 1}', "\0"])
def test_what_is_no_record_is_damaged(written: str) -> None:
    """Not an error of Python's."""
    with pytest.raises(Damaged):
        Trained.decode(written)


def test_a_record_of_another_version_says_so() -> None:
    """It is not called damaged."""
    with pytest.raises(OtherFormat):
        Trained.decode(RECORD.encode().replace('"format": 1', '"format": 2'))


def test_a_model_is_there_when_all_of_it_is(models: Models) -> None:
    """While it is being written it is not listed, and afterwards nothing else is left."""
    with models.writing("tuned") as folder:
        write_record(folder, RECORD)
        assert models.names() == []
    assert models.names() == ["tuned"] and models.read("tuned") == RECORD
    assert [one.name for one in models.folder.iterdir()] == ["tuned"]


def test_a_model_that_could_not_be_filled_leaves_nothing(models: Models) -> None:
    """Neither under its name nor under another."""
    with pytest.raises(RuntimeError), models.writing("tuned") as folder:
        write_record(folder, RECORD)
        raise RuntimeError
    assert list(models.folder.iterdir()) == []


def test_a_name_that_is_taken_is_refused(models: Models) -> None:
    """The model of that name may be serving."""
    keep(models)
    with pytest.raises(AlreadyExists), models.writing("tuned"):
        raise AssertionError
    assert models.read("tuned") == RECORD


def test_an_unknown_model_is_told_with_those_known(models: Models) -> None:
    """So that a misspelt name is seen."""
    keep(models)
    with pytest.raises(NotFound, match="tuned"):
        models.read("tunde")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "x" * 65])
def test_a_name_is_no_path(models: Models, name: str) -> None:
    """It cannot lead out of the folder."""
    with pytest.raises(InvalidInput):
        models.path(name)


def test_a_damaged_record_does_not_hide_the_others(models: Models) -> None:
    """It is listed with its error."""
    keep(models)
    keep(models, "broken")
    (models.path("broken") / "bearing.json").write_text("{")
    broken, tuned = models.all()
    assert isinstance(broken, BrokenModel) and "broken" in str(broken.error)
    assert tuned == RECORD


def test_a_deleted_model_is_gone(models: Models) -> None:
    """With its folder."""
    keep(models)
    models.delete("tuned")
    assert list(models.folder.iterdir()) == []
    with pytest.raises(NotFound):
        models.delete("tuned")


def test_models_are_beside_the_collections_or_where_the_settings_say(tmp_path: Path) -> None:
    """Collections without a folder need the setting."""
    assert Models.of(Config(data=tmp_path)).folder == tmp_path / "models"
    elsewhere = Config(data="memory:", models=tmp_path / "trained")
    assert Models.of(elsewhere).folder == tmp_path / "trained"
    with pytest.raises(InvalidInput, match="BEARING_MODELS"):
        Models.of(Config(data="memory:"))
