"""The commands of the library, and how they are called. What they do is elsewhere.

A command's module is imported when that command is asked for, or all are, to be listed: importing
all takes twice as long as a short command itself.

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage, 3 done but some inputs were rejected.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

import typer

from indexer.cli.group import Commands, no_commands
from indexer.cli.runtime import tune_interpreter

_FUNCTIONS: Final[Mapping[str, str]] = {
    "index": "index_command:index",
    "search": "search:search",
    "evaluate": "evaluate:evaluate",
    "similarity": "similarity:similarity",
    "stats": "collections:stats",
    "reindex": "maintenance:reindex",
    "rebuild": "maintenance:rebuild",
    "compact": "maintenance:compact",
    "calibrate": "analysis:calibrate",
    "diagnose": "analysis:diagnose",
    "map": "analysis:draw_map",
    "import": "move_in:move_in",
    "train": "train:train",
    "distil": "distil:distil",
    "models": "models:list_models",
    "promote": "models:promote",
    "export": "export:export_collection",
    "verify": "maintenance:verify",
    "backup": "maintenance:backup",
    "restore": "maintenance:restore",
    "upgrade": "maintenance:upgrade",
    "rejects": "rejects:rejects",
}
"""The place of each command's function: a module of this room, and a name there."""


def _collections() -> typer.Typer:
    from indexer.cli.collections import create_collection, delete_collection, list_collections

    group = typer.Typer(
        cls=Commands,
        invoke_without_command=True,
        callback=list_collections,
        help="List, create and delete collections.",
    )
    group.command("list")(list_collections)
    group.command("create")(create_collection)
    group.command("delete")(delete_collection)
    return group


def _documents() -> typer.Typer:
    from indexer.cli.documents import documents_commands

    return documents_commands()


def _aliases() -> typer.Typer:
    from indexer.cli.aliases import alias_commands

    return alias_commands()


def _feedback() -> typer.Typer:
    from indexer.cli.feedback import clear_feedback, export_feedback

    group = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        help="Export or delete the judgements of a service's users on its hits.",
    )
    group.command("export")(export_feedback)
    group.command("clear")(clear_feedback)
    return group


_GROUPS: Final[Mapping[str, Callable[[], typer.Typer]]] = {
    "collections": _collections,
    "documents": _documents,
    "alias": _aliases,
    "feedback": _feedback,
}


def commands(asked: str | None = None) -> typer.Typer:
    """The commands, ready to be called or added to: only the one asked for, if there is such."""
    app = no_commands()
    one = asked in _FUNCTIONS or asked in _GROUPS
    for name, place in _FUNCTIONS.items():
        if name == asked or not one:
            app.command(name)(_function(place))
    for name, group in _GROUPS.items():
        if name == asked or not one:
            app.add_typer(group(), name=name)
    return app


def _function(place: str) -> Callable[..., Any]:
    module, name = place.split(":")
    function: Callable[..., Any] = getattr(import_module(f"indexer.cli.{module}"), name)
    return function


def asked_command() -> str:
    """The first word that the process was called with; empty if there is none."""
    return next(iter(sys.argv[1:]), "")


def main() -> None:
    """Run the command that the process was called with."""
    tune_interpreter()
    commands(asked_command())()
