"""The processor cores that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Their number, at least 1: of a process bound to some, as in a container, only those."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
