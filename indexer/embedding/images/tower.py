"""One tower of images for every engine: fit, drop equal ones, batch, run, reorder, check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Final, Protocol

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.embedder import Image, ImageIdentity
from indexer.embedding.images.canaries import canary_images
from indexer.embedding.images.setup import ImageSetup
from indexer.errors import InvalidInput, InvalidVector
from indexer.pictures import Fit, Fitted, Pixels

BATCH: Final = 8
"""Images of a forward pass: more gain nothing on a processor, and take memory."""

WINDOW: Final = 256
"""Images that are fitted at once, which bounds memory."""


class ImageEngine(Protocol):
    """Batches of fitted pixels in, vectors out. Safe to call from several threads."""

    def run(self, batches: Sequence[Pixels]) -> Iterator[Vectors]:
        """The vectors of each batch, (n, height, width, 3) uint8, in order."""
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


class ImageTower:
    """The images' half of an embedder. ``weights`` is a digest of the files it was made from."""

    def __init__(self, weights: str, setup: ImageSetup, engine: ImageEngine) -> None:
        self._weights = weights
        self._setup = setup
        self._engine = engine

    @property
    def fit(self) -> Fit:
        """The form of its images."""
        return self._setup.fit

    @cached_property
    def identity(self) -> ImageIdentity:
        """Its part of a model's identity; the canaries are embedded at the first call."""
        canaries = self.embed(canary_images())
        return ImageIdentity(self._weights, self._setup.digest, canaries)

    def embed(self, images: Sequence[Image]) -> Vectors:
        """Unit vectors in the order of the images, (n, dimension) float32; see Embedder."""
        vectors = np.empty((len(images), self._setup.dimension), np.float32)
        for start in range(0, len(images), WINDOW):
            window = [self._fitted(image) for image in images[start : start + WINDOW]]
            self._embed(window, vectors[start : start + WINDOW], start)
        return vectors

    def _fitted(self, image: Image) -> Pixels:
        if not isinstance(image, Fitted):
            return self.fit.of(image).pixels
        if image.fit != self.fit:
            raise InvalidInput(
                f"an image in the form {image.fit} was given to a model that takes {self.fit}"
            )
        return image.pixels

    def _embed(self, window: Sequence[Pixels], vectors: Vectors, start: int) -> None:
        """Fill ``vectors``; ``start`` is the place of the first image, for an error."""
        places = _first_places(window)
        fresh = sorted(set(places.values()))
        rows = [fresh[at : at + BATCH] for at in range(0, len(fresh), BATCH)]
        batches = [np.stack([window[place] for place in each]) for each in rows]
        for each, found in zip(rows, self._engine.run(batches), strict=True):
            vectors[each] = _checked(found, [start + place for place in each])
        for place, first in places.items():
            vectors[place] = vectors[first]

    def close(self) -> None:
        """Release the resources of its engine."""
        self._engine.close()


def _first_places(window: Sequence[Pixels]) -> Mapping[int, int]:
    """For each place that of the first equal image."""
    seen: dict[bytes, int] = {}
    digests = (blake2b(each.tobytes(), digest_size=16).digest() for each in window)
    return {place: seen.setdefault(digest, place) for place, digest in enumerate(digests)}


def _checked(vectors: Vectors, places: Sequence[int]) -> Vectors:
    """The rows at unit length; raises InvalidVector for one without a direction."""
    wide = vectors.astype(np.float64)
    squares = np.vecdot(wide, wide)
    sound = np.isfinite(squares) & (squares > 0)
    if not sound.all():
        place = places[int(np.argmin(sound))]
        raise InvalidVector(
            f"the model's vector of image {place} is zero or not finite: it has no direction"
        )
    unit: Vectors = (wide / np.sqrt(squares)[:, None]).astype(np.float32)
    return unit
