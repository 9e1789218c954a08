"""The commands ``models`` and ``promote``, on a collection asked in other words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from called import run_bearing
from typer.testing import Result
from vocabularies import examples, open_vocabularies, train_adapter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory with an adapter that gains, and one of ten queries."""
    folder = tmp_path_factory.mktemp("data")
    with open_vocabularies(folder) as library:
        train_adapter(library, "good", examples())
        train_adapter(library, "ten", examples(10, seed=2))
    yield folder


def run(folder: Path, *words: str) -> Result:
    """A command on that directory."""
    return run_bearing([*words, "--data", str(folder)])


def test_a_refusal_says_why_and_what_would_help(folder: Path) -> None:
    """With exit code 1, and nothing changes."""
    told = run(folder, "promote", "ten", "-c", "docs")
    assert told.exit_code == 1
    assert "10 judged queries are too few" in told.stdout
    assert "what would help: judge 20 more queries" in told.stdout
    assert "'ten' was refused" in told.stdout


def test_a_promotion_is_told_listed_and_taken_back(folder: Path) -> None:
    """By people's words and as JSON."""
    told = run(folder, "promote", "good", "-c", "docs", "--json")
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert figures["serves"] and figures["verdict"]["passed"] and not figures["forced"]
    listed = json.loads(run(folder, "models", "--json").stdout)["models"]
    assert {one["name"]: one["serves"] for one in listed} == {"good": ["docs"], "ten": []}
    one = json.loads(run(folder, "models", "good", "--json").stdout)
    assert one["data"]["pairs"] == 108 and one["verdict"]["passed"]
    assert "passed" in run(folder, "models", "good").stdout
    table = run(folder, "models").stdout
    assert "good" in table and "ndcg@10" in table
    back = run(folder, "promote", "--rollback", "-c", "docs")
    assert back.exit_code == 0 and "again" in back.stdout
    listed = json.loads(run(folder, "models", "--json").stdout)["models"]
    assert [one["serves"] for one in listed] == [[], []]


@pytest.mark.parametrize("words", [("promote",), ("promote", "good", "--rollback")])
def test_a_promotion_is_of_a_model_or_a_rollback(folder: Path, words: tuple[str, ...]) -> None:
    """Neither or both is wrong usage."""
    assert run(folder, *words).exit_code == 2


def test_an_unknown_model_is_told_with_those_known(folder: Path) -> None:
    """As an error of one line."""
    told = run(folder, "models", "goood")
    assert told.exit_code == 1 and "good, ten" in told.stderr


def test_nothing_trained_is_no_error(tmp_path: Path) -> None:
    """It says where it would be."""
    told = run(tmp_path, "models")
    assert told.exit_code == 0 and "nothing was trained yet" in told.stderr
