"""The OpenVINO engine: a converted model on CPUs. Imports neither torch nor transformers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.batching import Batch
from indexer.embedding.embedder import Precision, Role, Runtime
from indexer.embedding.telemetry import forbid_telemetry
from indexer.embedding.tokenizing import ModelTokenizer, Setup

if TYPE_CHECKING:
    import openvino

BUDGET: Final = 2048
"""Tokens of a batch: more do not fit the caches between layers, fewer leave threads idle."""

IN_FLIGHT: Final = 2
"""One batch is computed while the next one waits, so that no thread does."""


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
    forbid_telemetry()
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
