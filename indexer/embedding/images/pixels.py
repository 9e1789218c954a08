"""A tower of images without a model: the colours of an image's parts. For tests.

Images of like colours in like places are close, whatever they show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.images.setup import ImageSetup
from indexer.embedding.images.tower import ImageTower
from indexer.pictures import Fit, Pixels

SIDE: Final = 8
"""An image is reduced to this many pixels a side."""

BOX: Final = 4
"""Pillow's number of the filter that takes means."""

MIDDLE: Final = 127.5


def open_pixels(dimension: int) -> ImageTower:
    """The tower for vectors of this dimension, the same in every process on every machine."""
    fit = Fit(SIDE, SIDE, None, BOX)
    setup = ImageSetup(fit, 1.0, (MIDDLE,) * 3, (MIDDLE,) * 3, dimension)
    digest = sha256(f"pixels 1 {dimension} {SIDE}".encode()).hexdigest()
    return ImageTower(digest, setup, _PixelEngine(dimension))


class _PixelEngine:
    """The colours around their middle, as many of them as there are components."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    def run(self, batches: Sequence[Pixels]) -> Iterator[Vectors]:
        """The vectors of each batch."""
        return map(self._vectors, batches)

    def _vectors(self, batch: Pixels) -> Vectors:
        colours = batch.reshape(len(batch), -1).astype(np.float32) / MIDDLE - 1  # (n, 192)
        vectors = np.zeros((len(batch), self._dimension), np.float32)
        width = min(self._dimension, colours.shape[1])
        vectors[:, :width] = colours[:, :width]
        vectors[:, 0] += np.float32(1e-3)  # so that no image is without a direction
        return vectors

    def close(self) -> None:
        """Nothing to release."""
