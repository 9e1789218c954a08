"""Settings of Python for programs that hold millions of objects and answer in milliseconds."""

from __future__ import annotations

import gc
import sys
from typing import Final

from indexer.allocator import share_one_heap

COLLECT_EVERY: Final = 50_000
"""Objects made between two garbage collections: programs make millions, hardly any in cycles."""

SWITCH_SECONDS: Final = 0.0005
"""The time a thread may hold the interpreter lock while another waits. Python's default is ten
times that, and a search can meet it several times while documents are written.
"""


def tune_interpreter() -> None:
    """Exempt imports from garbage collection, collect rarely, let threads wait less, share memory.

    Called by programs, at their start; a library leaves its caller's interpreter alone.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    sys.setswitchinterval(SWITCH_SECONDS)
    share_one_heap()
