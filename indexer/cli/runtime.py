"""How Python is set for programs that hold millions of objects and answer in milliseconds."""

from __future__ import annotations

import gc
import sys
from typing import Final

COLLECT_EVERY: Final = 50_000
"""Objects made between two looks for cycles: a program makes millions, and hardly any in cycles."""

SWITCH_SECONDS: Final = 0.0005
"""How long a thread may hold the interpreter when another waits for it; Python's own is ten times
that, which a search can meet several times while documents are written."""


def tune_interpreter() -> None:
    """Let the collector pass over what was imported and come seldom, and threads wait less.

    Called by programs, at their start; a library leaves its caller's interpreter alone.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    sys.setswitchinterval(SWITCH_SECONDS)
