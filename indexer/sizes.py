"""The display of sizes: in one kind of unit, as settings take them."""

from __future__ import annotations

from typing import Final

UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def readable_bytes(count: float) -> str:
    """A number of bytes in a suitable unit, each a thousand times the one before.

    The page follows the same rule (``size`` in ``app/web/dom.js``).
    """
    size, power = float(count), 0
    while size >= (999.5 if power == 0 else 999.95) and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.{1 if power else 0}f} {UNITS[power]}"
