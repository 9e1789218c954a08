"""The objective of contrastive learning: queries find their texts among those of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import torch
from torch import Tensor
from torch.nn import Parameter

from indexer.embedding.embedder import TextRole
from indexer.learning import losses
from indexer.learning.examples import Example
from indexer.learning.training_loop import Side

SCALE: Final = "log_scale"


class Loss(StrEnum):
    """The losses of contrastive learning: of pairs, of triplets, and of pairs with grades."""

    INFO_NCE = "info_nce"
    TRIPLET = "triplet"
    COSENT = "cosent"
    ANGLE = "angle"


GRADED: Final = frozenset({Loss.COSENT, Loss.ANGLE})
"""The losses that take grades, also of texts that do not answer."""


class Temperature:
    """The temperature of a loss, fixed, or learned as the logarithm of its inverse."""

    def __init__(self, start: float, *, learned: bool) -> None:
        self._fixed = 1.0 / start
        self.parameters: dict[str, Parameter] = {}
        if learned:
            self.parameters[SCALE] = Parameter(torch.tensor(math.log(self._fixed)))

    @property
    def scale(self) -> Tensor | float:
        """Its inverse, by which cosines are multiplied."""
        return self.parameters[SCALE].exp() if self.parameters else self._fixed

    @property
    def value(self) -> float:
        """The temperature."""
        with torch.no_grad():
            return 1.0 / float(self.scale)

    def bound(self) -> None:
        """Keep the scale in bounds after a step."""
        for parameter in self.parameters.values():
            parameter.data.clamp_(max=math.log(losses.MOST_SCALE))


@dataclass(frozen=True, slots=True)
class Contrast:
    """The way a loss is taken; see ContrastiveOptions for the meanings.

    Without ``near_duplicate`` every other text of a batch is a negative. ``near_queries`` holds
    answers for one, too, whose queries are so alike.
    """

    loss: Loss
    both: bool
    near_duplicate: float | None
    margin: float
    negatives: int
    dimensions: tuple[int, ...]
    near_queries: bool = False


class ContrastiveObjective:
    """Pairs, triplets or grades, with the other texts of the batch as negatives."""

    def __init__(self, contrast: Contrast, temperature: Temperature, device: torch.device) -> None:
        self._contrast = contrast
        self._temperature = temperature
        self._device = device
        self.parameters: Mapping[str, Parameter] = temperature.parameters

    def sides(self, batch: Sequence[Example], step: int) -> list[Side]:  # noqa: ARG002 - all steps are alike
        """The queries, their texts, and the negatives where there are any."""
        sides = [
            Side([one.query for one in batch], TextRole.QUERY),
            Side([one.answer for one in batch], TextRole.DOCUMENT),
        ]
        negatives = self._negatives(batch)
        return [*sides, Side(negatives, TextRole.DOCUMENT)] if negatives else sides

    def _negatives(self, batch: Sequence[Example]) -> list[str]:
        """Triplets have one each; else each text once."""
        if self._contrast.loss is Loss.TRIPLET:
            return [one.negatives[0] for one in batch]
        if self._contrast.loss in GRADED:
            return []
        known = {one.positive for one in batch}
        given = (text for one in batch for text in one.negatives[: self._contrast.negatives])
        return list(dict.fromkeys(text for text in given if text not in known))

    def loss(self, batch: Sequence[Example], vectors: Sequence[Tensor]) -> Tensor:
        """The loss, over all dimensions and those of Matryoshka."""
        ignored = self._ignored(batch, vectors) if self._contrast.loss is Loss.INFO_NCE else None
        return losses.matryoshka(
            lambda sides: self._at_one_size(batch, sides, ignored),
            vectors,
            self._contrast.dimensions,
        )

    def _at_one_size(
        self, batch: Sequence[Example], sides: Sequence[Tensor], ignored: Tensor | None
    ) -> Tensor:
        queries, documents, *negatives = sides
        scale = self._temperature.scale
        match self._contrast.loss:
            case Loss.INFO_NCE:
                more = negatives[0] if negatives else None
                return losses.info_nce(
                    queries, documents, scale, negatives=more, ignored=ignored,
                    both=self._contrast.both,
                )  # fmt: skip
            case Loss.TRIPLET:
                return losses.triplet(queries, documents, negatives[0], self._contrast.margin)
            case Loss.COSENT:
                scores = (queries * documents).sum(dim=1)
            case Loss.ANGLE:
                scores = losses.angle_similarity(queries, documents)
        grades = torch.tensor([one.grade or 0.0 for one in batch], device=self._device)
        return losses.cosent(scores, grades, scale)

    def _ignored(self, batch: Sequence[Example], vectors: Sequence[Tensor]) -> Tensor | None:
        """(n, n + m) the texts that are no negatives of a query, since they may answer it.

        They are texts of the same document or query, equal ones, and those nearly equal to its own
        by the model as it stands.
        """
        if self._contrast.near_duplicate is None:
            return None
        with torch.no_grad():
            candidates = torch.cat(list(vectors[1:]))  # (n + m, d)
            near = vectors[1] @ candidates.T >= self._contrast.near_duplicate
            if self._contrast.near_queries:
                alike = vectors[0] @ vectors[0].T >= self._contrast.near_duplicate
                near[:, : len(batch)] |= alike
        near[:, : len(batch)] |= self._same([one.document for one in batch])
        near[:, : len(batch)] |= self._same([one.query_id for one in batch])
        near[:, : len(batch)] |= self._same([one.picture or one.positive for one in batch])
        return near

    def _same(self, keys: Sequence[str]) -> Tensor:
        """(n, n) the pairs of places with equal keys."""
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        places = torch.tensor([numbers[key] for key in keys], device=self._device)
        return places[:, None] == places[None, :]

    def stepped(self) -> None:
        """Keep the temperature in bounds."""
        self._temperature.bound()

    def tensors(self) -> Mapping[str, Tensor]:
        """Nothing beside the parameters."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to go on with."""
