"""The commands of the library, and how they are called. What they do is elsewhere.

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage, 3 done but some inputs were rejected.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from indexer import installation
from indexer.cli import output
from indexer.cli.analysis import calibrate, diagnose, draw_map
from indexer.cli.collections import create_collection, delete_collection, list_collections, stats
from indexer.cli.distil import distil
from indexer.cli.evaluate import evaluate
from indexer.cli.feedback import clear_feedback, export_feedback
from indexer.cli.index import index
from indexer.cli.maintenance import backup, compact, rebuild, reindex, restore, upgrade, verify
from indexer.cli.models import list_models, promote
from indexer.cli.options import (
    ExitCode,
)
from indexer.cli.rejects import rejects
from indexer.cli.runtime import tune_interpreter
from indexer.cli.search import search
from indexer.cli.similarity import similarity
from indexer.cli.train import train
from indexer.errors import BearingError, InvalidInput


class Commands(TyperGroup):
    """Commands whose errors become one clear line and an exit code.

    With --json they are also printed as ``{"error", "exit_code"}``, so that standard output always
    holds one object.
    """

    def main(self, args: Sequence[str] | None = None, *given: Any, **extra: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Run the command that the arguments name."""
        _open_standard_files()
        words = sys.argv[1:] if args is None else list(args)
        return super().main(words, *given, obj="--json" in words, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer names no public type for either
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            if ctx.parent is None:  # the outermost; typer itself then tells people
                _tell_program(ctx, error.format_message(), ExitCode.USAGE)
            raise
        except InvalidInput as error:
            _fail(ctx, str(error), ExitCode.USAGE)
        except BearingError as error:
            _fail(ctx, str(error), ExitCode.FAILED)
        except KeyboardInterrupt as error:
            _fail(ctx, str(error) or "interrupted", ExitCode.FAILED)


def _fail(ctx: Any, message: str, code: ExitCode) -> NoReturn:  # noqa: ANN401 - as above
    output.note(f"bearing: {message}")
    _tell_program(ctx, message, code)
    raise typer.Exit(code)


def _tell_program(ctx: Any, message: str, code: ExitCode) -> None:  # noqa: ANN401 - as above
    if ctx.obj:
        output.say_json({"error": message, "exit_code": int(code)})


def _open_standard_files() -> None:
    """Open /dev/null in place of a closed standard file.

    Else the next file opened would take its number, and output of libraries would be written into a
    collection.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _say_version(wanted: bool) -> None:
    if wanted:
        output.say(f"bearing {installation.version()}")
        raise typer.Exit(ExitCode.DONE)


def commands() -> typer.Typer:
    """The commands, ready to be called or added to."""
    app = typer.Typer(
        name="bearing",
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        callback=common,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Documents in, ranked answers out: embedding retrieval with exact cosine scores. "
        "Settings not given here are taken from BEARING_* variables.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs were rejected.",
    )
    for command in (index, search, evaluate, similarity, stats, reindex, rebuild, compact):
        app.command()(command)
    for assessment in (calibrate, diagnose):
        app.command()(assessment)
    app.command("map")(draw_map)
    for learning in (train, distil):
        app.command()(learning)
    app.command("models")(list_models)
    app.command()(promote)
    for upkeep in (verify, backup, restore, upgrade, rejects):
        app.command()(upkeep)
    collections = typer.Typer(
        cls=Commands,
        invoke_without_command=True,
        callback=list_collections,
        help="List, create and delete collections.",
    )
    collections.command("list")(list_collections)
    collections.command("create")(create_collection)
    collections.command("delete")(delete_collection)
    app.add_typer(collections, name="collections")
    feedback = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        help="Export or delete the judgements of a service's users on its hits.",
    )
    feedback.command("export")(export_feedback)
    feedback.command("clear")(clear_feedback)
    app.add_typer(feedback, name="feedback")
    return app


def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, help="Say which version this is.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


def main() -> None:
    """Run the command that the process was called with."""
    tune_interpreter()
    commands()()


# index


# search


# similarity


# collections
