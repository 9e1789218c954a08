"""Commands called in this process, taken apart once: each call saves a tenth of a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import pytest
import typer.main
from typer import testing
from typer.core import TyperCommand, TyperGroup

from indexer.cli.app import commands


def run_bearing(
    words: Sequence[str],
    *,
    env: Mapping[str, str | None] | None = None,
    input: str | None = None,
) -> testing.Result:
    """The result of ``bearing`` with these words, by typer's runner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "_get_command", _taken_apart)
        return testing.CliRunner().invoke(commands(), words, input, env)


@cache
def bearing() -> TyperGroup:
    """The outermost command."""
    made = typer.main.get_command(commands())
    assert isinstance(made, TyperGroup)
    return made


def _taken_apart(_: typer.Typer) -> TyperGroup | TyperCommand:
    return bearing()
