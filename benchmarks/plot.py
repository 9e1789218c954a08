"""How cost grows with the number of rows: a picture of several results of benchmarks.search.

``python -m benchmarks.plot OUT.svg RESULT.json ...``, where each result is of another ``--rows``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

Result = Mapping[str, Any]

WIDTH: Final = 340
HEIGHT: Final = 220
LEFT, RIGHT, TOP, BOTTOM = 58, 24, 40, 40
COLUMNS: Final = 2


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure over the number of rows; ``figure`` gives None where it was not measured."""

    title: str
    figure: Callable[[Result], float | None]
    logarithmic: bool = True


PANELS: Final = (
    Panel("one query, p50 (ms)", lambda result: result.get("query_ms_p50")),
    Panel("building the index (s)", lambda result: result.get("build_seconds")),
    Panel("memory that stays, a vector (bytes)", lambda result: result.get("bytes_per_vector")),
    Panel("recall@10", lambda result: result.get("recall"), logarithmic=False),
)


def draw(results: Sequence[Result]) -> str:
    """An SVG of all panels."""
    ordered = sorted(results, key=lambda result: int(result["rows"]))
    rows = math.ceil(len(PANELS) / COLUMNS)
    panels = [
        f'<g transform="translate({i % COLUMNS * WIDTH},{i // COLUMNS * HEIGHT})">'
        f"{_panel(panel, ordered)}</g>"
        for i, panel in enumerate(PANELS)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * COLUMNS}" '
        f'height="{HEIGHT * rows}" font-family="sans-serif" font-size="11" fill="#333">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(panel: Panel, results: Sequence[Result]) -> str:
    points = [(int(r["rows"]), figure) for r in results if (figure := panel.figure(r)) is not None]
    across = Scale([rows for rows, _ in points], LEFT, WIDTH - RIGHT, logarithmic=True)
    up = Scale([y for _, y in points], HEIGHT - BOTTOM, TOP, logarithmic=panel.logarithmic)
    places = [(across.place(rows), up.place(figure)) for rows, figure in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1a5fb4"/>'
        f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{_short(figure)}</text>'
        for (x, y), (_, figure) in zip(places, points, strict=True)
    )
    marks = "".join(
        f'<text x="{across.place(rows):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
        f"{_count(rows)}</text>"
        for rows, _ in points
    )
    return (
        f'<text x="{LEFT}" y="18" font-size="12" font-weight="bold">{escape(panel.title)}</text>'
        f'<path d="M{LEFT - 20},{TOP - 10}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT + 14}" fill="none" '
        f'stroke="#999"/><polyline points="{line}" fill="none" stroke="#1a5fb4" '
        f'stroke-width="1.5"/>{dots}{marks}'
        f'<text x="{WIDTH - RIGHT + 14}" y="{HEIGHT - 8}" text-anchor="end" fill="#777">rows</text>'
    )


class Scale:
    """From figures to places between two ends."""

    def __init__(
        self, figures: Sequence[float], start: float, end: float, *, logarithmic: bool
    ) -> None:
        self._bend: Callable[[float], float] = math.log10 if logarithmic else float
        bent = [self._bend(figure) for figure in figures]
        self._least, self._most = (min(bent), max(bent)) if logarithmic else (0.9, 1.0)
        self._start, self._end = start, end

    def place(self, figure: float) -> float:
        """Where a figure is."""
        share = (self._bend(figure) - self._least) / ((self._most - self._least) or 1.0)
        return self._start + share * (self._end - self._start)


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 1_000 else f"{figure:.3g}"


def _count(rows: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if rows >= size * 0.95:
            return f"{rows / size:.0f}{unit}"
    return str(rows)


def main() -> None:
    """Read results, write the picture."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    results = [json.loads(Path(path).read_text()) for path in sys.argv[2:]]
    Path(sys.argv[1]).write_text(draw(results))


if __name__ == "__main__":
    main()
