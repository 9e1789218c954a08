"""Processes that begin with torch loaded, so that they are at work when they are killed."""

from __future__ import annotations

import multiprocessing
from typing import Final

FORKED: Final = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["forked_modules"])
