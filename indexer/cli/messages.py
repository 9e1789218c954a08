"""Lines, JSON and numbers as commands print them, without tables: a start waits for those."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.console import RenderableType

Figures: TypeAlias = Mapping[str, Any]
"""A JSON object."""


UNKNOWN_REMEDY: Final = (
    "Take a model that knows the language (bearing reindex --model), or search by words too "
    "(--mode hybrid, the default)."
)

_UNSEEN: Final = {ord(each): None for each in "\a\b\v\f\r"}
"""Control characters that are left out of lines, as rich leaves them out."""


def note(message: str) -> None:
    """Print a line on standard error."""
    _print(message, sys.stderr)


def say(message: str | RenderableType) -> None:
    """Print a line or table on standard output."""
    if isinstance(message, str):
        _print(message, sys.stdout)
        return
    from rich.console import Console

    Console(highlight=False, markup=False).print(message)


def _print(line: str, stream: TextIO) -> None:
    try:
        stream.write(f"{line.translate(_UNSEEN).expandtabs()}\n")
        stream.flush()
    except BrokenPipeError:  # nobody reads on; the interpreter would complain at its exit, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def say_json(figures: Figures) -> None:
    """Print one JSON object, on one line of standard output."""
    sys.stdout.write(json.dumps(figures, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def counted(number: int, noun: str) -> str:
    """A number with its noun, whose plural ends with s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """Text without control characters: a document must not control the reader's terminal."""
    return "".join(c if c.isprintable() or c in "\u200c\u200d" else " " for c in text)


def readable_duration(seconds: float) -> str:
    """A time in a suitable unit."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def readable_time(seconds: float | None) -> str:
    """A time in seconds since 1970 in UTC; "unknown" for None."""
    if seconds is None:
        return "unknown"
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(" ", "seconds")
