"""The objective of MoCo: queries find their texts among those of the last batches, in a queue.

The texts are embedded by a second model that follows the first slowly, without gradients, so that
the vectors in the queue are alike whenever they were made. So the number of negatives does not hang
on the batch, and only the queries, which are short, cost what training costs. Pictures need no
queries: one view of a picture finds another. He et al., "Momentum Contrast for Unsupervised Visual
Representation Learning", 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import Parameter

from indexer.embedding.embedder import TextRole
from indexer.learning import losses
from indexer.learning.contrast import Temperature
from indexer.learning.examples import Example, text_id
from indexer.learning.items import Item, View
from indexer.learning.learner import Followed, encode
from indexer.learning.training_loop import Side

_QUEUE: Final = "queue"
_DOCUMENTS: Final = "documents"
_WEIGHTS: Final = "weights."


class MomentumObjective:
    """Queries against the texts of their batch and of those before."""

    def __init__(
        self,
        trainee: Followed,
        temperature: Temperature,
        *,
        queue: int,
        momentum: float,
        near_duplicate: float,
        seed: int = 0,
    ) -> None:
        self._trainee = trainee
        self._seed, self._step = seed, 0
        self._follower = trainee.copy()
        self._temperature = temperature
        self._most, self._momentum = queue, momentum
        self._near_duplicate = near_duplicate
        self._queue = torch.empty(0, trainee.dimension, device=trainee.device)
        self._documents = torch.empty(0, dtype=torch.int64, device=trainee.device)
        self._last: tuple[Tensor, Tensor] | None = None
        self.parameters: Mapping[str, Parameter] = temperature.parameters

    def sides(self, batch: Sequence[Example], step: int) -> list[Side]:
        """The queries alone, or the first views of pictures."""
        self._step = step
        if not any(one.picture for one in batch):
            return [Side([one.query for one in batch], TextRole.QUERY)]
        return [
            Side([self._view(one, place, 0) for place, one in enumerate(batch)], TextRole.DOCUMENT)
        ]

    def _view(self, one: Example, place: int, number: int) -> Item:
        """A view of a picture, or the text that answers."""
        if not one.picture:
            return one.positive
        return View(one.picture, (self._seed, self._step, place, number))

    def loss(self, batch: Sequence[Example], vectors: Sequence[Tensor]) -> Tensor:
        """InfoNCE among the texts of the batch and of the queue, by the model that follows."""
        with torch.no_grad():
            items = [self._view(one, place, 1) for place, one in enumerate(batch)]
            keys = encode(self._follower, items, TextRole.DOCUMENT)
            documents = torch.tensor(
                [_number(one.document) for one in batch], device=self._trainee.device
            )
            ignored = self._ignored(keys, documents)
        self._last = keys, documents
        scale = self._temperature.scale
        return losses.info_nce(vectors[0], keys, scale, negatives=self._queue, ignored=ignored)

    def _ignored(self, keys: Tensor, documents: Tensor) -> Tensor:
        """(n, n + m) the texts that are the query's own document, or nearly its text."""
        near = keys @ torch.cat([keys, self._queue]).T >= self._near_duplicate
        return near | (documents[:, None] == torch.cat([documents, self._documents])[None, :])

    def stepped(self) -> None:
        """Let the second model follow, and the last batch join the queue."""
        self._temperature.bound()
        own = self._follower.parameters
        with torch.no_grad():
            for name, parameter in self._trainee.parameters.items():
                own[name].lerp_(parameter, 1.0 - self._momentum)
        if self._last is not None:
            keys, documents = self._last
            self._queue = torch.cat([self._queue, keys])[-self._most :]
            self._documents = torch.cat([self._documents, documents])[-self._most :]

    def tensors(self) -> Mapping[str, Tensor]:
        """The queue, and the weights of the model that follows."""
        weights = {f"{_WEIGHTS}{name}": one for name, one in self._follower.parameters.items()}
        return {_QUEUE: self._queue, _DOCUMENTS: self._documents, **weights}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with a queue and with weights."""
        device = self._trainee.device
        self._queue, self._documents = tensors[_QUEUE].to(device), tensors[_DOCUMENTS].to(device)
        with torch.no_grad():
            for name, parameter in self._follower.parameters.items():
                parameter.copy_(tensors[f"{_WEIGHTS}{name}"])


def _number(document: str) -> int:
    """A number of 63 bits for a document."""
    return int(text_id(document)[:15], 16)
