"""Which way to run a graph is faster on this machine: tried once, when a model is converted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import numpy as np

from indexer.embedding.batching import Batch
from indexer.embedding.embedder import Precision, TextRole
from indexer.embedding.openvino.engine import CompiledEngine
from indexer.embedding.tokenizer import Setup

WINDOW: Final = 512
"""Longer texts are not tried: without fusion, memory grows with the square of their length."""

LENGTHS: Final = (14, 27, 107)
"""Tokens of the texts that are tried: no multiples of a vector register, as most texts are."""

RUNS: Final = 3
MARGIN: Final = 0.98
"""What takes less of the other's time than this is faster, not merely lucky."""


def fusing_pays(graph: Path, setup: Setup, precision: Precision) -> bool:
    """Whether the graph runs at least as fast with OpenVINO's generated code as without.

    That code saves memory traffic, but where products are quick and short it costs more than it
    saves. Measured is processor time, on one thread, so that other programs disturb little.
    """
    if setup.window > WINDOW:
        return True
    try:
        engines = [
            CompiledEngine(graph, setup, precision, threads=1, fused=one) for one in (True, False)
        ]
    except RuntimeError:  # an OpenVINO that has another name for it
        return True
    batches = [_batch(length, setup) for length in LENGTHS]
    best = np.full((len(engines), len(batches)), np.inf)
    for _ in range(RUNS):
        for row, engine in enumerate(engines):
            for column, batch in enumerate(batches):
                best[row, column] = min(best[row, column], _time(engine, batch))
    fused, unfused = best
    return bool((unfused / fused).mean() >= MARGIN)


def _batch(length: int, setup: Setup) -> Batch:
    """A full batch of one token over and over: what it says does not matter to time."""
    length = min(length, setup.window)
    count = max(CompiledEngine.budget // length, 1)
    ids = np.full((count, length), setup.pad_id, np.int32)
    return Batch(np.arange(count), ids, np.full(count, length, np.int32))


def _time(engine: CompiledEngine, batch: Batch) -> float:
    """Seconds of processor time."""
    before = time.process_time()
    for _ in engine.run([batch], TextRole.DOCUMENT):
        pass
    return time.process_time() - before
