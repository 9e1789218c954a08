"""Threads share one heap where a program asks for it, and files that are mapped leave memory."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.allocator import unload

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these are calls of glibc's")

HEAPS = """
import ctypes, sys, threading
from indexer.allocator import share_one_heap, trim

if sys.argv[1] == "shared":
    share_one_heap()
libc, together = ctypes.CDLL(None), threading.Barrier(4)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p

def take():
    together.wait()
    libc.malloc(ctypes.c_size_t(100))
    together.wait()

threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
trim()
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def test_threads_share_one_heap(tmp_path: Path) -> None:
    """By default each of a few threads takes memory from a heap of its own."""
    counts = {}
    for heaps in ("shared", "own"):
        told = tmp_path / heaps
        subprocess.run([sys.executable, "-c", HEAPS, heaps, str(told)], check=True)
        counts[heaps] = told.read_text().count("<heap ")
    assert counts["shared"] == 1
    assert counts["own"] > 1


def resident_bytes(file: Path) -> int:
    """The bytes of a mapped file that are in this process's memory."""
    told = Path("/proc/self/smaps").read_text()
    found = re.search(rf"{re.escape(str(file))}\n(?:.*\n)*?Rss: +(\d+) kB", told)
    assert found is not None
    return int(found[1]) * 1024


def test_an_unloaded_file_is_read_again(tmp_path: Path) -> None:
    """Its pages leave memory, and come back with their content when they are looked at."""
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        whole = mapped[:]
        assert resident_bytes(path) == len(whole)
        unload(path)
        assert resident_bytes(path) == 0
        assert mapped[:] == whole
