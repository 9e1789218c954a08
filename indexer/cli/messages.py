"""Lines and JSON as commands print them, without what their tables need: a start waits for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from rich.console import RenderableType

Figures: TypeAlias = Mapping[str, Any]
"""A JSON object."""


def note(message: str) -> None:
    """Print a line on standard error."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(message)


def say(message: str | RenderableType) -> None:
    """Print a line or table on standard output."""
    from rich.console import Console

    Console(soft_wrap=isinstance(message, str), highlight=False, markup=False).print(message)


def say_json(figures: Figures) -> None:
    """Print one JSON object, on one line of standard output."""
    sys.stdout.write(json.dumps(figures, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()
