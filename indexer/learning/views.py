"""The objective of SimCLR: two views of a text or picture find each other among those of a batch.

Views of a text differ by dropout (Gao et al., "SimCSE", 2021), or are two parts of it; those of a
picture are cropped, coloured and blurred (indexer.learning.picture_views). Chen et al., "A Simple
Framework for Contrastive Learning of Visual Representations", 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from torch import Tensor
from torch.nn import Parameter

from indexer.embedding.embedder import TextRole
from indexer.learning import losses
from indexer.learning.contrast import Temperature
from indexer.learning.examples import Example
from indexer.learning.items import Item, View
from indexer.learning.training_loop import Side

LEAST_WORDS: Final = 8
"""A text of fewer words is not cropped."""


class ViewsObjective:
    """Two views of each text or picture."""

    def __init__(
        self, temperature: Temperature, *, crops: bool, shares: tuple[float, float], seed: int
    ) -> None:
        self._temperature = temperature
        self._crops, self._shares, self._seed = crops, shares, seed
        self.parameters: Mapping[str, Parameter] = temperature.parameters

    def sides(self, batch: Sequence[Example], step: int) -> list[Side]:
        """Both views; where they differ by dropout alone, the texts twice."""
        random = np.random.default_rng([self._seed, step])
        return [
            Side(
                [self._view(one, (step, place, way), random) for place, one in enumerate(batch)],
                TextRole.DOCUMENT,
            )
            for way in range(2)
        ]

    def _view(self, one: Example, draw: tuple[int, ...], random: np.random.Generator) -> Item:
        if one.picture:
            return View(one.picture, (self._seed, *draw))
        return self._crop(one.positive, random) if self._crops else one.positive

    def _crop(self, text: str, random: np.random.Generator) -> str:
        """Neighbouring words of the text, a share of them between the two that were set."""
        words = text.split()
        if len(words) < LEAST_WORDS:
            return text
        count = max(1, round(len(words) * random.uniform(*self._shares)))
        start = int(random.integers(len(words) - count + 1))
        return " ".join(words[start : start + count])

    def loss(self, batch: Sequence[Example], vectors: Sequence[Tensor]) -> Tensor:  # noqa: ARG002 - nothing else is known
        """NT-Xent of the two views."""
        return losses.nt_xent(vectors[0], vectors[1], self._temperature.scale)

    def stepped(self) -> None:
        """Keep the temperature in bounds."""
        self._temperature.bound()

    def tensors(self) -> Mapping[str, Tensor]:
        """Nothing beside the parameters."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to go on with."""
