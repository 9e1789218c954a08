"""A start of a command, which imports no more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from indexer.cli.app import commands

ALL = typer.main.get_command(commands()).commands


def loaded(words: list[str], modules: set[str], program: str) -> tuple[int, list[str]]:
    """How a command ended, and which of these modules it has imported."""
    code = (
        f"import sys; sys.argv = ['bearing', *{words!r}]; import {program}\n"
        f"try: {program}.main()\n"
        "except SystemExit as ended: code = ended.code\n"
        f"print('\\n', code, *sorted({modules!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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
