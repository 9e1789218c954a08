"""The OpenVINO engine: a converted model on CPUs. Imports neither torch nor transformers."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.batching import Batch
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.conversion import (
    Entry,
    Unconvertible,
    condemn,
    convert,
    entry_folder,
    read_entry,
)
from indexer.embedding.embedder import CANARY_COSINE, Precision, Role, Runtime
from indexer.embedding.engine import EngineEmbedder, assemble
from indexer.embedding.probes import FAITHFUL_COSINE, worst_cosine
from indexer.embedding.tokenizing import ModelTokenizer, Setup
from indexer.errors import ModelError

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

BUDGET: Final = 2048
"""Tokens of a batch: more do not fit the caches between layers, fewer leave threads idle."""

IN_FLIGHT: Final = 2
"""One batch is computed while the next one waits, so that no thread does."""


def open_compiled(
    checkpoint: Checkpoint, cache: Path, precision: Precision, threads: int
) -> EngineEmbedder:
    """The model as an OpenVINO graph; converted first if the cache has none of it.

    Raises Unconvertible if it has no faithful graph, ModelError if it cannot be loaded at all or
    the precision is not to be had.
    """
    folder = entry_folder(checkpoint, cache)
    entry = read_entry(folder, cache)
    if entry is None:
        log.info("converting model %s for OpenVINO, once", checkpoint.name)
        convert(checkpoint, folder)
        entry = read_entry(folder, cache)
    if entry is None:
        raise ModelError(f"the model cache at {folder} was damaged while it was written")
    for kind in _precisions(precision):
        engine = CompiledEngine(entry.graph, entry.setup, kind, threads)
        embedder = assemble(checkpoint, entry.setup, engine)
        worst = worst_cosine(embedder, entry.references)
        floor = CANARY_COSINE if precision is Precision.BF16 else FAITHFUL_COSINE
        if worst >= floor:
            return embedder
    reason = f"its graph gives other vectors (cosine {worst:.5f} on known texts)"
    if precision is not Precision.BF16:
        condemn(folder, reason)
    raise Unconvertible(reason)


def _precisions(wanted: Precision) -> list[Precision]:
    """What to try, fastest first."""
    import openvino

    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted is Precision.BF16 and not able:
        raise ModelError("this CPU has neither AMX nor AVX512-BF16: use precision auto or f32")
    if wanted is Precision.AUTO:
        return [Precision.BF16, Precision.F32] if able else [Precision.F32]
    return [wanted]


class CompiledEngine:
    """A graph compiled for the CPU; requests are lent to the threads that embed."""

    budget = BUDGET

    def __init__(self, graph: Path, setup: Setup, precision: Precision, threads: int) -> None:
        self.pad_id = setup.pad_id
        self._precision = precision
        self._threads = threads or _cores()
        self._prompt_lengths = _count_prompts(setup)
        self._compiled = _compile(graph, precision, self._threads)
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(IN_FLIGHT):
            self._idle.put(self._compiled.create_infer_request())

    @property
    def runtime(self) -> Runtime:
        """OpenVINO on the CPU."""
        return Runtime("openvino", "cpu", self._precision.value, self._threads)

    def run(self, batches: Iterable[Batch], role: Role) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors, in the order they came."""
        flying: deque[tuple[Batch, openvino.InferRequest]] = deque()
        try:
            for batch in batches:
                # Wait for a request of others only while holding none: else two could wait in turn.
                while (request := self._borrow(wait=not flying)) is None:
                    yield self._land(flying)
                flying.append((batch, request))
                request.start_async(self._inputs(batch, role), share_inputs=True)
            while flying:
                yield self._land(flying)
        finally:
            for _, request in flying:
                request.wait()
                self._idle.put(request)

    def _borrow(self, *, wait: bool) -> openvino.InferRequest | None:
        try:
            return self._idle.get(block=wait)
        except Empty:
            return None

    def _land(self, flying: deque[tuple[Batch, openvino.InferRequest]]) -> tuple[Batch, Vectors]:
        batch, request = flying[0]
        request.wait()
        vectors: Vectors = request.get_output_tensor().data.copy()
        flying.popleft()
        self._idle.put(request)
        return batch, vectors

    def _inputs(self, batch: Batch, role: Role) -> dict[str, np.ndarray]:
        places = np.arange(batch.ids.shape[1], dtype=np.int32)
        mask = (places < batch.lengths[:, None]).astype(np.int32)
        inputs = {"ids": batch.ids, "mask": mask}
        if self._prompt_lengths is not None:
            inputs["pooled"] = mask * (places >= self._prompt_lengths[role])
        return inputs

    def close(self) -> None:
        """Drop the compiled graph."""
        del self._compiled, self._idle


def _count_prompts(setup: Setup) -> dict[Role, int] | None:
    if setup.poolable_prompt:
        return None
    tokenizer = ModelTokenizer(setup)
    return {role: tokenizer.prompt_length(role) for role in Role}


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compile(graph: Path, precision: Precision, threads: int) -> openvino.CompiledModel:
    import openvino
    from openvino import properties
    from openvino.properties import hint

    core = openvino.Core()
    kind = openvino.Type.bf16 if precision is Precision.BF16 else openvino.Type.f32
    return core.compile_model(
        core.read_model(graph),
        "CPU",
        {
            hint.inference_precision: kind,
            properties.num_streams: 1,
            properties.inference_num_threads: threads,
            hint.dynamic_quantization_group_size: 0,
        },
    )


__all__ = ["CompiledEngine", "Entry", "open_compiled"]
