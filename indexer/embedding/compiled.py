"""The OpenVINO engine: a converted model on CPUs. Imports neither torch nor transformers."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.embedding.batching import Batch
from indexer.embedding.embedder import Precision, Role, Runtime
from indexer.embedding.tokenizing import ModelTokenizer, Setup

if TYPE_CHECKING:
    import openvino

BUDGET: Final = 1024
"""Tokens of a batch: more spill out of a core's own cache, fewer pay too often for a start."""

MANY: Final = 4
"""From so many batches a thread on, a graph of their own for them is worth its memory.

Once it is there, one batch a thread is enough to take it."""


UNFUSED: Final = {"SNIPPETS_MODE": "DISABLE"}
"""What keeps OpenVINO from generating code; it has no documented name for it."""


class CompiledEngine:
    """A graph compiled for the CPU, twice: for one batch with all threads, for many with one each.

    Threads that share a short text wait for one another more than they work; a batch to each
    wastes nothing. The second graph is compiled when many batches first come. ``fused`` lets
    OpenVINO generate code for whole attentions, else it runs their products and softmax singly.
    """

    budget = BUDGET

    def __init__(
        self,
        graph: Path,
        setup: Setup,
        precision: Precision,
        threads: int,
        *,
        fused: bool = True,
    ) -> None:
        self.pad_id = setup.pad_id
        self._graph = graph
        self._precision = precision
        self._fused = fused
        self._threads = threads or _cores()
        self.lanes = self._threads
        self._prompt_lengths = _count_prompts(setup)
        self._alone = _Requests(self._compile(streams=1), 1)
        self._lock = threading.Lock()
        self._many: _Requests | None = None

    @property
    def runtime(self) -> Runtime:
        """OpenVINO on the CPU."""
        return Runtime("openvino", "cpu", self._precision.value, self._threads)

    def run(self, batches: Iterable[Batch], role: Role) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors, in the order they came."""
        coming = iter(batches)
        many = self._threads * (MANY if self._many is None else 1)
        first = list(itertools.islice(coming, many))
        requests = self._for_many() if len(first) == many else self._alone
        return self._run(requests, itertools.chain(first, coming), role)

    def _for_many(self) -> _Requests:
        with self._lock:
            if self._many is None:
                streams = self._threads
                # Beyond one request a stream, one more waits, so that no stream does.
                self._many = _Requests(self._compile(streams), streams + 1)
            return self._many

    def _run(
        self, requests: _Requests, batches: Iterable[Batch], role: Role
    ) -> Iterator[tuple[Batch, Vectors]]:
        flying: deque[tuple[Batch, openvino.InferRequest]] = deque()
        try:
            for batch in batches:
                # Wait for a request of others only while holding none: else two could wait in turn.
                while (request := requests.borrow(wait=not flying)) is None:
                    yield _land(flying, requests)
                flying.append((batch, request))
                request.start_async(self.inputs(batch, role), share_inputs=True)
            while flying:
                yield _land(flying, requests)
        finally:
            for _, request in flying:
                request.wait()
                requests.give_back(request)

    def inputs(self, batch: Batch, role: Role) -> dict[str, NDArray[np.int32]]:
        """What the graph takes for a batch, by the names of its inputs."""
        places = np.arange(batch.ids.shape[1], dtype=np.int32)
        mask = (places < batch.lengths[:, None]).astype(np.int32)
        inputs = {"ids": batch.ids, "mask": mask}
        if self._prompt_lengths is not None:
            inputs["pooled"] = mask * (places >= self._prompt_lengths[role])
        return inputs

    def _compile(self, streams: int) -> openvino.CompiledModel:
        import openvino
        from openvino import properties
        from openvino.properties import hint

        core = openvino.Core()
        bf16 = self._precision is Precision.BF16
        return core.compile_model(
            core.read_model(self._graph),
            "CPU",
            {
                hint.inference_precision: openvino.Type.bf16 if bf16 else openvino.Type.f32,
                hint.dynamic_quantization_group_size: 0,
                properties.num_streams: streams,
                properties.inference_num_threads: self._threads,
                **({} if self._fused else UNFUSED),
            },
        )

    def close(self) -> None:
        """Drop the compiled graphs; calls under way keep what they use."""
        self._many = None
        del self._alone


class _Requests:
    """Inference requests of a compiled graph, lent to the threads that embed."""

    def __init__(self, compiled: openvino.CompiledModel, count: int) -> None:
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(count):
            self._idle.put(compiled.create_infer_request())

    def borrow(self, *, wait: bool) -> openvino.InferRequest | None:
        try:
            return self._idle.get(block=wait)
        except Empty:
            return None

    def give_back(self, request: openvino.InferRequest) -> None:
        self._idle.put(request)


def _land(
    flying: deque[tuple[Batch, openvino.InferRequest]], requests: _Requests
) -> tuple[Batch, Vectors]:
    """The oldest batch, once its vectors are there."""
    batch, request = flying[0]
    request.wait()
    vectors: Vectors = request.get_output_tensor().data.copy()
    flying.popleft()
    requests.give_back(request)
    return batch, vectors


def _count_prompts(setup: Setup) -> dict[Role, int] | None:
    if setup.poolable_prompt:
        return None
    tokenizer = ModelTokenizer(setup)
    return {role: tokenizer.prompt_length(role) for role in Role}


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
