"""Inference requests of a compiled graph, and what each is given: which shape, which tensors."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.embedding.batching import LEAST, Batch, Shape
from indexer.embedding.openvino.packed_texts import PACK, pack
from indexer.embedding.openvino.shape_buckets import CHOICE

if TYPE_CHECKING:
    import openvino

Tensors: TypeAlias = "Mapping[str, openvino.Tensor]"
"""A graph's inputs, by name."""

NOTHING: Final = np.zeros((1, 1), np.int32)
"""The value of an input that the chosen graph does not have."""


@dataclass(slots=True)
class Flight:
    """A batch, the request that runs it, and the tensors it reads, which it does not keep alive."""

    batch: Batch
    request: openvino.InferRequest
    tensors: Tensors | None = None


class Requests:
    """Inference requests of a compiled graph, lent to the threads that embed.

    ``tiles`` are the shapes with graphs of their own, with their places; ``packs`` the numbers of
    tokens, rising, with graphs for packed texts. There is at most one of both. Not each has the
    graph of any shape, so it is given those batches that it takes, or has that graph.
    """

    def __init__(
        self,
        compiled: openvino.CompiledModel,
        count: int,
        tiles: Sequence[Shape],
        packs: Sequence[int],
    ) -> None:
        self.packs = packs
        self.tiles = {tile: place for place, tile in enumerate(tiles)}
        self._nothing = _tensor(NOTHING)
        graphs = len(tiles or packs) + 1
        self._choices = [_tensor(np.array(place, np.int32)) for place in range(graphs)]
        self._inputs = frozenset(name for node in compiled.inputs for name in node.names)
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(count):
            self._idle.put(compiled.create_infer_request())

    def borrow(self, *, wait: bool) -> openvino.InferRequest | None:
        """An idle request, or None if there is none and ``wait`` is false."""
        try:
            return self._idle.get(block=wait)
        except Empty:
            return None

    def give_back(self, request: openvino.InferRequest) -> None:
        """Take back a borrowed request."""
        self._idle.put(request)

    @property
    def is_laid(self) -> bool:
        """Return whether there are graphs for texts of some shapes."""
        return bool(self.tiles or self.packs)

    def takes(self, batch: Batch) -> bool:
        """Return whether a graph of its own takes this batch."""
        return batch.ids.shape in self.tiles or self._pack_for(batch) < len(self.packs)

    def _pack_for(self, batch: Batch) -> int:
        """The place of the smallest pack with room for this batch; their number if none has."""
        needed = max(int(batch.lengths.sum()), LEAST * len(batch.lengths))
        return bisect_left(self.packs, needed)

    def start(
        self, flight: Flight, inputs: Mapping[str, NDArray[np.int32]], *, packed: bool
    ) -> None:
        """Start a flight on its batch, given as the inputs of the graph of any shape.

        Tensors are set one by one: OpenVINO's own way from arrays to tensors takes 0.2 ms.
        """
        flight.tensors = self._choose(flight.batch, inputs, packed=packed)
        for name in self._inputs & flight.tensors.keys():
            flight.request.set_tensor(name, flight.tensors[name])
        flight.request.start_async()

    def _choose(
        self, batch: Batch, inputs: Mapping[str, NDArray[np.int32]], *, packed: bool
    ) -> Tensors:
        """The inputs, with the choice of the tile or pack that takes them if there is one."""
        if self.packs and packed and (place := self._pack_for(batch)) < len(self.packs):
            ids, mask = inputs["ids"], inputs["mask"]
            tokens = pack(ids, mask, inputs.get("pooled", mask), self.packs[place])
            others = dict.fromkeys(inputs, self._nothing)
            return {**others, PACK: _tensor(tokens), CHOICE: self._choices[place]}
        given = {name: _tensor(array) for name, array in inputs.items()}
        if self.packs:
            return {**given, PACK: self._nothing, CHOICE: self._choices[-1]}
        if not self.tiles:
            return given
        rows, length = batch.ids.shape
        place = self.tiles.get((rows, length), len(self.tiles))
        return {**given, CHOICE: self._choices[place]}


def land(flying: deque[Flight], requests: Requests) -> tuple[Batch, Vectors]:
    """The oldest batch, once its vectors are computed."""
    flight = flying[0]
    flight.request.wait()
    # A copy, since the request is used again and overwrites its output.
    found = flight.request.get_output_tensor().data
    vectors: Vectors = found[: len(flight.batch.places)].copy()
    flying.popleft()
    requests.give_back(flight.request)
    return flight.batch, vectors


def _tensor(array: NDArray[np.int32]) -> openvino.Tensor:
    """The array as a tensor that shares its memory."""
    import openvino

    return openvino.Tensor(np.require(array, requirements=("C", "W")), shared_memory=True)
