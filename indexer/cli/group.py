"""The group of all commands: its errors, and the options before a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from indexer import installation
from indexer.cli import messages
from indexer.cli.options import ExitCode
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
    messages.note(f"bearing: {message}")
    _tell_program(ctx, message, code)
    raise typer.Exit(code)


def _tell_program(ctx: Any, message: str, code: ExitCode) -> None:  # noqa: ANN401 - as above
    if ctx.obj:
        messages.say_json({"error": message, "exit_code": int(code)})


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
        messages.say(f"bearing {installation.version()}")
        raise typer.Exit(ExitCode.DONE)


def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, help="Say which version this is.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


def no_commands() -> typer.Typer:
    """A program without commands, ready for some to be added."""
    return typer.Typer(
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
