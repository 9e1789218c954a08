"""The C library's memory, kept small in programs that run for long; glibc only, elsewhere nothing.

A thread takes memory from a heap of its own by default, and what it frees there serves no other.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Final

_MOST_HEAPS: Final = -8
"""glibc's name for the number of heaps: M_ARENA_MAX of mallopt(3)."""

_NOT_NEEDED: Final = 4
"""MADV_DONTNEED of madvise(2): pages of a file are mapped again when they are read again."""


def share_one_heap() -> None:
    """Let all threads take memory from one heap; those they have stay. Called by programs.

    Threads that embed and search allocate seldom, so that they hardly wait for one another.
    """
    if _is_glibc():
        ctypes.CDLL(None).mallopt(_MOST_HEAPS, 1)


def trim() -> None:
    """Give memory that is free back to the system."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def held() -> int:
    """Bytes of this process that the system may not drop, pages of files left out; 0 if unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines.get("RssAnon", "0 kB").split()[0]) * 1024


def unload(file: Path) -> None:
    """Drop the pages of a file that is mapped and only read; they come back when they are read."""
    if not _is_glibc():
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, permissions, *_, path = line.split(maxsplit=5)
        if path == str(file) and "w" not in permissions:
            start, end = (int(one, 16) for one in span.split("-"))
            advise(start, end - start, _NOT_NEEDED)


def _is_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
