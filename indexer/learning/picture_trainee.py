"""A model of texts and pictures that is being trained, both of its towers or that of pictures."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from indexer.documents import Vectors
from indexer.embedding.backends import Unsuitable
from indexer.embedding.batching import Batch
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import TextRole
from indexer.embedding.images.torch_tower import whole_tower
from indexer.embedding.images.towers import describe_images, image_tower, text_tower
from indexer.embedding.torch_engine import hushed, load_model
from indexer.errors import InvalidInput
from indexer.learning.items import Item, View
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.learner import embed
from indexer.learning.picture_views import varied
from indexer.learning.trainee import Trainee, computes_bf16, computing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PASS: Final = 8
"""Pictures of a forward pass: more gain nothing on a processor, and take memory."""

PICTURE_TOKENS: Final = 256
"""Tokens that take about the memory of a picture's way through a network."""


@dataclass(frozen=True, slots=True)
class PictureBatch:
    """Pictures of one forward pass, by their views."""

    places: NDArray[np.intp]
    views: Sequence[View]

    @property
    def size(self) -> int:
        """The tokens that it costs as much as, in memory."""
        return PICTURE_TOKENS * len(self.views)


class PictureTrainee:
    """A sentence-transformers model of texts and images, and the parameters that are trained.

    Networks of images compute as they do when nothing is trained: what batch norms have counted
    stays, so that a vector never depends on its batch.
    """

    def __init__(self, model: SentenceTransformer, pictures: KeptPictures) -> None:
        """Raises InvalidInput for a model whose towers are not supported."""
        self._model, self._pictures = model, pictures
        try:
            tower = image_tower(model)
            self._texts = Trainee(text_tower(model))
            setup = describe_images(tower)
        except Unsuitable as problem:
            raise InvalidInput(f"it cannot be trained on pictures: {problem}") from problem
        self._seeing = whole_tower(tower, setup).to(model.device)
        self._reduced = computes_bf16(model.device.type)

    @classmethod
    def open(
        cls, checkpoint: Checkpoint, pictures: KeptPictures, *, threads: int, texts: bool
    ) -> Self:
        """The model of a folder, on the best device there is; raises ModelError, InvalidInput.

        Without ``texts`` only what pictures go through is trained.
        """
        if threads:
            torch.set_num_threads(threads)
        made = cls(load_model(replace(checkpoint, folder=checkpoint.images_folder)), pictures)
        if not texts:
            made._keep_texts()
        return made

    def copy(self) -> Self:
        """A copy with weights of its own, of the same pictures."""
        return type(self)(copy.deepcopy(self._model), self._pictures)

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        return self._model.device

    @property
    def dimension(self) -> int:
        """The number of components of its vectors."""
        return self._texts.dimension

    @property
    def precision(self) -> str:
        """The number format of its products, in a word."""
        return self._texts.precision

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters that are trained, by name."""
        return {name: one for name, one in self._model.named_parameters() if one.requires_grad}

    def plan(self, items: Sequence[Item], role: TextRole) -> list[Batch | PictureBatch]:
        """The texts in batches of like length, and the pictures some at a time."""
        texts = [(place, item) for place, item in enumerate(items) if isinstance(item, str)]
        views = [(place, item) for place, item in enumerate(items) if isinstance(item, View)]
        batches: list[Batch | PictureBatch] = []
        if texts:
            places = np.array([place for place, _ in texts], np.intp)
            planned = self._texts.plan_texts([text for _, text in texts], role)
            batches += [replace(batch, places=places[batch.places]) for batch in planned]
        for start in range(0, len(views), PASS):
            some = views[start : start + PASS]
            places = np.array([place for place, _ in some], np.intp)
            batches.append(PictureBatch(places, [view for _, view in some]))
        return batches

    def forward(self, batch: Batch | PictureBatch, role: TextRole) -> Tensor:
        """(rows, d) float32 of unit length, with gradients."""
        if isinstance(batch, Batch):
            return self._texts.forward(batch, role)
        pixels = torch.from_numpy(self._pictures.read([view.picture for view in batch.views]))
        shown = varied(pixels, [view.draw for view in batch.views])
        with computing(self.device.type, reduced=self._reduced):
            vectors: Tensor = self._seeing(shown.to(self.device))
        return vectors.float()

    @contextmanager
    def training(self) -> Iterator[None]:
        """Compute as always: there is no dropout."""
        yield

    def embed(self, items: Sequence[Item], role: TextRole) -> Vectors:
        """(n, d) unit vectors as the model stands, without gradients."""
        return embed(self, items, role)

    def save(self, folder: Path) -> None:
        """Write it as a folder that sentence-transformers loads."""
        with hushed():
            self._model.eval().save(str(folder), create_model_card=False)

    def _keep_texts(self) -> None:
        """Let only those parameters be trained that a picture goes through."""
        fit = self._pictures.fit
        blank = torch.zeros((1, fit.height, fit.width, 3), dtype=torch.uint8, device=self.device)
        vectors: Tensor = self._seeing(blank)
        vectors.sum().backward()  # type: ignore[no-untyped-call]
        for parameter in self._model.parameters():
            parameter.requires_grad = parameter.grad is not None
            parameter.grad = None
