"""Processes that begin with torch loaded, so that they are at work when they are killed.

A test of them uses the fixture ``forked``: where none is run, no process that is forked waits for
torch (see conftest.py).
"""

from __future__ import annotations

import multiprocessing
from typing import Final

FORKED: Final = multiprocessing.get_context("forkserver")
PRELOADED: Final = "forked_modules"
