"""Towers of images on torch: the reference of others, and what runs where there is a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.images.canaries import canary_images
from indexer.embedding.images.setup import ImageSetup
from indexer.embedding.images.tower import ImageTower
from indexer.embedding.images.towers import describe_images, image_tower
from indexer.errors import InvalidVector, MissingExtra
from indexer.pictures import Pixels

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


class TorchImages:
    """An engine of images on the device of its model."""

    def __init__(self, tower: SentenceTransformer, setup: ImageSetup) -> None:
        self._whole = whole_tower(tower, setup).to(tower.device)
        self._device = tower.device

    def run(self, batches: Sequence[Pixels]) -> Iterator[Vectors]:
        """The vectors of each batch, in order."""
        import torch

        for batch in batches:
            with torch.inference_mode():
                vectors: Vectors = (
                    self._whole(torch.from_numpy(batch).to(self._device)).float().cpu().numpy()
                )
            yield vectors

    def close(self) -> None:
        """Drop the model."""
        del self._whole


def whole_tower(tower: SentenceTransformer, setup: ImageSetup) -> torch.nn.Module:
    """A tower as a module from pixels, (n, height, width, 3) uint8, to unit vectors."""
    import torch

    class Whole(torch.nn.Module):
        mean: torch.Tensor
        deviation: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(tower.children())
            self.register_buffer("mean", torch.tensor(setup.mean).reshape(1, 3, 1, 1))
            self.register_buffer("deviation", torch.tensor(setup.deviation).reshape(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            levels = pixels.permute(0, 3, 1, 2).float() * setup.scale
            values = (levels - self.mean) / self.deviation
            dtype = next(self.parts.parameters()).dtype
            features: dict[str, Any] = {"pixel_values": values.to(dtype), "modality": "image"}
            for part in self.parts:
                features = part(features)
            vectors = features["sentence_embedding"][:, : setup.dimension]
            return torch.nn.functional.normalize(vectors.float(), dim=1)

    return Whole().eval()


def reference_vectors(tower: SentenceTransformer) -> Vectors:
    """The unit vectors that sentence-transformers itself gives the canaries, one at a time."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("pillow", "images") from error

    images = [{"image": Image.fromarray(pixels)} for pixels in canary_images()]
    vectors: Vectors = tower.encode(
        images, batch_size=1, normalize_embeddings=True, show_progress_bar=False
    )
    return vectors


def worst_of(tower: ImageTower, reference: Vectors) -> float:
    """The smallest cosine of a tower's canaries, embedded together and alone, to a reference."""
    images = canary_images()
    try:
        together = tower.embed(images)
        alone = np.concatenate([tower.embed([image]) for image in images])
    except InvalidVector:
        return -1.0
    both = (together, alone)
    return float(min(np.vecdot(vectors, reference).min() for vectors in both))


class TorchTower:
    """The images' half of a model in float32, to be opened in one precision or another.

    Raises Unsuitable if the model has none, or prepares images in a way that is not supported;
    MissingExtra where Pillow is not installed.
    """

    def __init__(self, checkpoint: Checkpoint, model: SentenceTransformer) -> None:
        self._weights = checkpoint.images
        self._tower = image_tower(model)
        self._setup = describe_images(self._tower)
        self.reference = reference_vectors(self._tower)

    def opened(self, dtype: torch.dtype) -> ImageTower:
        """The tower in this precision."""
        engine = TorchImages(self._tower.to(dtype), self._setup)
        return ImageTower(self._weights, self._setup, engine)
