"""A start of a command, which imports no more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from indexer.cli.app import commands

PROGRAM = "indexer.cli.app"
LIBRARIES = {"faiss", "rich.console", "scipy", "sklearn", "pyarrow", "torch", "tokenizers"}
ROOMS = {
    "indexer.analysis.map_layout",
    "indexer.cli.output",
    "indexer.export.files",
    "indexer.learning.gate",
    "indexer.lexical.pieces",
    "indexer.readers.archives",
    "indexer.readers.delimited",
    "indexer.readers.mail",
    "indexer.readers.markdown",
    "indexer.readers.standard_library",
    "indexer.sources.sql",
    "indexer.sources.website",
}

ALL = typer.main.get_command(commands()).commands


def loaded(
    words: list[str], modules: set[str], program: str, data: Path | None = None
) -> tuple[int, list[str]]:
    """How a command ended, and which of these modules it has imported."""
    settings = {} if data is None else {"BEARING_DATA": str(data)}
    code = (
        f"import sys; sys.argv = ['bearing', *{words!r}]; import {program}\n"
        f"try: {program}.main()\n"
        "except SystemExit as ended: code = ended.code\n"
        f"print('\\n', code, *sorted({modules!r} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "BEARING_MODEL": "hashing", **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    ended, *found = done.stdout.splitlines()[-1].split()
    return int(ended), found


def test_a_start_imports_no_commands_of_the_library() -> None:
    """The service's own commands do without what indexes, trains, measures and prints tables."""
    costly = {"indexer.cli.output", "indexer.learning", "tantivy", "rich.table", "limits"}
    assert loaded(["key", "--json"], costly, "app.cli") == (0, [])


@pytest.mark.parametrize("program", ["app.cli", "indexer.cli.app"])
def test_a_command_imports_no_other(program: str) -> None:
    """Whether the service's commands are beside it or not."""
    costly = {"indexer.cli.index_command", "indexer.learning", "indexer.evaluation"}
    assert loaded(["alias", "--help"], costly, program) == (0, [])


def test_a_word_that_is_no_command_is_told_with_the_nearest() -> None:
    """For that all commands are known."""
    app = typer.main.get_command(commands("serch"))
    assert app.commands.keys() == ALL.keys()


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_command_can_be_asked_for_by_itself(name: str) -> None:
    """It takes the options that it takes among all."""
    (one,) = typer.main.get_command(commands(name)).commands.items()
    among = ALL[name]
    assert one[0] == name
    assert [each.name for each in one[1].params] == [each.name for each in among.params]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, ``docs``, and the data of a collection that is in step with it."""
    place = tmp_path_factory.mktemp("kept")
    (place / "docs").mkdir()
    (place / "docs" / "one.txt").write_text("A file of few words.")
    assert loaded(["index", str(place / "docs"), "--sync"], set(), PROGRAM, place / "data")[0] == 0
    return place


def test_a_folder_that_is_in_step_is_found_so_without_what_reads_and_searches(kept: Path) -> None:
    """No format, model, index, map or table is imported, and no source but folders."""
    costly = LIBRARIES | ROOMS | {"indexer.cli.foresight", "indexer.embedding.engine"}
    words = ["index", str(kept / "docs"), "--sync"]
    assert loaded(words, costly, PROGRAM, kept / "data") == (0, [])


@pytest.mark.parametrize("words", [["stats"], ["documents", "list"], ["documents", "get", "x"]])
def test_what_tells_of_documents_does_without_what_searches(words: list[str], kept: Path) -> None:
    """Nor does it import what trains, exports or reads them."""
    costly = LIBRARIES - {"rich.console"} | ROOMS | {"indexer.retrieval.search"}
    ended, found = loaded([*words, "--json"], costly, PROGRAM, kept / "data")
    assert (ended, found) == (int("x" in words), [])


def test_a_search_does_without_what_trains_exports_and_reads(kept: Path) -> None:
    """It needs the model and the index, and no table where JSON is asked for."""
    costly = LIBRARIES - {"faiss"} | ROOMS
    assert loaded(["search", "words", "--json"], costly, PROGRAM, kept / "data") == (0, [])


def test_a_collection_that_is_prepared_has_loaded_what_searches_need(tmp_path: Path) -> None:
    """So that no reader waits for it at the first search of a service."""
    program = (
        "import sys, indexer\n"
        f"with indexer.open({str(tmp_path)!r}, model='hashing') as workspace:\n"
        "    workspace.collection('things').index([{'id': 'a', 'text': 'tide'}])\n"
        "    collection = workspace.library.obtain('things')\n"
        "    before = 'faiss' in sys.modules\n"
        "    collection.prepare()\n"
        "    print(before, 'faiss' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "True"], done.stderr
