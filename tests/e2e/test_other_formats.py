"""Commands that meet a store which this version does not read: it is told once, with what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from formats import OTHERS, make_first
from typer.testing import CliRunner, Result

import indexer
from indexer.cli.app import commands
from indexer.errors import OtherFormat

Call = Callable[..., Result]

COMMANDS = {
    "search": ("search", "tea"),
    "index": ("index", "more.txt"),
    "stats": ("stats",),
    "verify": ("verify",),
    "backup": ("backup", "b.tar"),
    "compact": ("compact",),
    "rebuild": ("rebuild",),
    "reindex": ("reindex", "--model", "hashing-32"),
    "diagnose": ("diagnose",),
    "map": ("map",),
    "evaluate": ("evaluate", "set", "--collection", "default"),
    "calibrate": ("calibrate", "set", "--collection", "default"),
    "describe": ("collections", "list", "--collection", "default"),
    "delete": ("collections", "delete", "default", "--yes"),
}


def run(*words: str) -> Result:
    """A command, called in this process."""
    return CliRunner().invoke(commands(), words)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two collections, `default` and `sound`, a text, and a judged set."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "more.txt").write_text("Leaves in hot water.")
    (folder / "set" / "qrels").mkdir(parents=True)
    (folder / "set" / "corpus.jsonl").write_text('{"_id": "a", "text": "tea"}\n')
    (folder / "set" / "queries.jsonl").write_text('{"_id": "q", "text": "tea"}\n')
    (folder / "set" / "qrels" / "test.tsv").write_text("q\tid\tscore\nq\ta\t1\n")
    for name in ("default", "sound"):
        words = ("--data", str(folder / "data"), "--collection", name, "--model", "hashing-64")
        assert run("index", str(folder / "more.txt"), *words).exit_code == 0
    return folder


@pytest.fixture
def call(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A command called in a folder of its own with what is filled."""
    for name in [name for name in os.environ if name.startswith("BEARING_")]:
        monkeypatch.delenv(name)
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BEARING_MODEL", "hashing-64")
    return run


@pytest.fixture
def store(tmp_path: Path, call: Call) -> Path:
    """The store of `default`."""
    return tmp_path / "data" / "default" / "store.sqlite"


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_it_once(call: Call, store: Path, command: str, kind: str) -> None:
    """One line with what to do, exit code 1, and the file as it was."""
    change, said = OTHERS[kind]
    change(store)
    before = store.read_bytes()
    told = call(*COMMANDS[command])
    lines = [line for line in told.stderr.splitlines() if line.startswith("bearing: ")]
    assert (told.exit_code, len(lines)) == (1, 1), told.output
    assert re.search(said, lines[0])
    assert len(re.findall("'default' (was written|holds)", told.output)) == 1
    assert "Traceback" not in told.output
    assert store.read_bytes() == before


@pytest.mark.parametrize("kind", OTHERS)
def test_the_others_are_listed_and_go_on_working(call: Call, store: Path, kind: str) -> None:
    """The list names the one that cannot be opened, once, and ends with 3."""
    change, said = OTHERS[kind]
    change(store)
    told = call("collections")
    assert told.exit_code == 3
    assert "sound" in told.stdout
    assert len(re.findall(said, told.stderr)) == 1
    listed = json.loads(call("collections", "--json").stdout)["collections"]
    assert [one["name"] for one in listed] == ["default", "sound"]
    assert re.search(said, listed[0]["error"])
    assert "error" not in listed[1]
    assert call("search", "tea", "--collection", "sound").exit_code == 0


def test_a_program_gets_one_error(call: Call, store: Path) -> None:
    """`import indexer` raises it where the collection is asked."""
    change, said = OTHERS["newer"]
    change(store)
    with indexer.open("data") as place, pytest.raises(OtherFormat, match=said):
        place.collection().search("tea")


def test_an_earlier_store_goes_on_as_it_is(call: Call, store: Path) -> None:
    """Each command that reads brings it up to date and does its work."""
    make_first(store)
    assert call("search", "leaves", "--mode", "hybrid").exit_code == 0
    make_first(store)
    assert call("verify", "--no-model").exit_code == 0
    make_first(store)
    assert call("backup", "b.tar").exit_code == 0
    assert call("restore", "b.tar", "--collection", "again").exit_code == 0
