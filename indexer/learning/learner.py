"""The object of a training: items to unit vectors with gradients, and what is written of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole
from indexer.learning.items import Item

EMBED_BLOCK: Final = 1_024
"""Items embedded together where no gradients are needed, which bounds memory."""


class Planned(Protocol):
    """Items of one forward pass; ``places`` are those of their vectors."""

    @property
    def places(self) -> NDArray[np.intp]:
        """(rows,) the places of the items among all that were planned."""
        ...

    @property
    def size(self) -> int:
        """The tokens that it costs as much as, in memory."""
        ...


class Learner(Protocol):
    """A model that is trained: of texts, or of texts and pictures."""

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        ...

    @property
    def dimension(self) -> int:
        """The number of components of its vectors."""
        ...

    @property
    def precision(self) -> str:
        """The number format of its products, in a word."""
        ...

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters that are trained, by name."""
        ...

    def plan(self, items: Sequence[Item], role: TextRole) -> Sequence[Any]:
        """The items in forward passes, each a :class:`Planned` of its own kind."""
        ...

    def forward(self, batch: Any, role: TextRole) -> Tensor:  # noqa: ANN401 - of its own kind
        """(rows, d) float32 of unit length, with gradients."""
        ...

    def training(self) -> AbstractContextManager[None]:
        """Compute as training does: with dropout, if that was chosen."""
        ...

    def embed(self, items: Sequence[Item], role: TextRole) -> Vectors:
        """(n, d) unit vectors as the model stands, without gradients or dropout."""
        ...

    def save(self, folder: Path) -> None:
        """Write it as a folder that sentence-transformers loads."""
        ...


class Followed(Learner, Protocol):
    """One that can be copied, with weights of its own."""

    def copy(self) -> Self:
        """A copy that computes with all of its own weights."""
        ...


def encode(learner: Learner, items: Sequence[Item], role: TextRole) -> Tensor:
    """(n, d) float32 of unit length in the order of the items, with gradients."""
    batches = learner.plan(items, role)
    rows = torch.cat([learner.forward(batch, role) for batch in batches])
    places = np.concatenate([batch.places for batch in batches])
    return rows[torch.from_numpy(np.argsort(places)).to(rows.device)]


def embed(learner: Learner, items: Sequence[Item], role: TextRole) -> Vectors:
    """(n, d) unit vectors in the order of the items, without gradients."""
    vectors = np.empty((len(items), learner.dimension), np.float32)
    for start in range(0, len(items), EMBED_BLOCK):
        block = items[start : start + EMBED_BLOCK]
        with torch.no_grad():
            rows = encode(learner, block, role)
        vectors[start : start + len(block)] = rows.float().cpu().numpy()
    return vectors
