"""The faster way to run a graph on this machine, measured once, when a model is converted."""

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
"""Longer texts are not timed: without fusion, memory grows with the square of their length."""

LENGTHS: Final = (14, 27, 107)
"""Lengths of the texts timed, in tokens: not multiples of a vector register, like most texts."""

RUNS: Final = 3
MARGIN: Final = 0.98
"""Below this share of the other's time the difference is speed, not noise."""


def fusing_pays(graph: Path, setup: Setup, precision: Precision) -> bool:
    """Return whether the graph runs at least as fast with OpenVINO's generated code as without.

    That code saves memory traffic, but where matrix products are quick and short it costs more than
    it saves. Processor time is measured, on one thread, so that other programs disturb little.
    """
    if setup.window > WINDOW:
        return True
    try:
        engines = [
            CompiledEngine(graph, setup, precision, threads=1, fused=one) for one in (True, False)
        ]
    except RuntimeError:  # the option has another name in this OpenVINO
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
    """A full batch that repeats one token: the content does not affect the time."""
    length = min(length, setup.window)
    count = max(CompiledEngine.budget // length, 1)
    ids = np.full((count, length), setup.pad_id, np.int32)
    return Batch(np.arange(count), ids, np.full(count, length, np.int32))


def _time(engine: CompiledEngine, batch: Batch) -> float:
    """Processor time of a batch, in seconds."""
    before = time.process_time()
    for _ in engine.run([batch], TextRole.DOCUMENT):
        pass
    return time.process_time() - before
