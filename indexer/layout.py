"""Layouts for terminals of every width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement

ANY_WIDTH: Final = 10_000
"""More columns than any table needs."""


@dataclass(frozen=True, slots=True)
class ByWidth:
    """One thing in two layouts: ``wide`` if there are ``least`` columns, else ``narrow``.

    Without ``least`` it is wide wherever no word would be cut.
    """

    wide: RenderableType
    narrow: RenderableType
    least: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The layout for this console, as rich asks for it."""
        least = self.least
        if least is None:
            unbounded = options.update(width=ANY_WIDTH)
            least = Measurement.get(console, unbounded, self.wide).minimum
        yield self.wide if options.max_width >= least else self.narrow
