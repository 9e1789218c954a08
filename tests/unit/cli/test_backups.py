"""Backups of all collections: written and restored together, with their aliases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from called import run_bearing
from typer.testing import Result

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls a command on two collections, of which one has an alias."""
    monkeypatch.setenv("BEARING_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BEARING_MODEL", "hashing")

    def run(*words: str) -> Result:
        return run_bearing(list(words))

    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "a cat"}\n')
    for name in ("one", "two"):
        assert run("index", str(tmp_path / "a.jsonl"), "-c", name).exit_code == 0
    assert run("alias", "set", "now", "two").exit_code == 0
    return run


def test_all_collections_come_back_with_their_aliases(call: Call, tmp_path: Path) -> None:
    """Into an empty data directory, each with its documents."""
    folder, elsewhere = str(tmp_path / "backups"), ("--data", str(tmp_path / "elsewhere"))
    made = json.loads(call("backup", "--all", folder, "--json").stdout)
    assert [Path(one["path"]).exists() for one in made["backups"]] == [True, True]
    assert (made["aliases"], made["failed"]) == ({"now": "two"}, {})
    back = call("restore", "--all", folder, *elsewhere)
    assert back.stdout.count("1 document of hashing") == 2
    for name in ("one", "two", "now"):
        assert json.loads(call("stats", "-c", name, "--json", *elsewhere).stdout)["documents"] == 1


def test_nothing_is_restored_over_what_is_there(call: Call, tmp_path: Path) -> None:
    """Neither over a collection nor over an alias; nor is a backup written over another."""
    folder = str(tmp_path / "backups")
    assert call("backup", "--all", folder).exit_code == 0
    again = call("backup", "--all", folder)
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)
    refused = call("restore", "--all", folder)
    assert (refused.exit_code, "'now', 'one', 'two' already" in refused.stderr) == (1, True)
    assert call("restore", "--all", folder, "-c", "x").exit_code == 2
    assert call("restore", "--all", str(tmp_path / "nowhere")).exit_code == 1


def test_one_damaged_backup_restores_none(call: Call, tmp_path: Path) -> None:
    """What was restored before it is taken back."""
    folder = tmp_path / "backups"
    call("backup", "--all", str(folder))
    (folder / "two.tar").write_bytes(b"damaged")
    elsewhere = ("--data", str(tmp_path / "elsewhere"))
    assert call("restore", "--all", str(folder), *elsewhere).exit_code == 1
    assert json.loads(call("collections", "--json", *elsewhere).stdout) == {"collections": []}


def test_a_collection_that_cannot_be_backed_up_is_told(call: Call, tmp_path: Path) -> None:
    """The others are backed up; the exit code says that one is missing."""
    (tmp_path / "data" / "one" / "store.sqlite").write_bytes(b"damaged" * 1_000)
    done = call("backup", "--all", str(tmp_path / "backups"), "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, list(told["failed"])) == (3, ["one"])
    assert [one["collection"] for one in told["backups"]] == ["two"]
