"""The pictures of a training, in the model's form: packed in a temporary file, each once."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from tempfile import TemporaryFile
from typing import Final, Self

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.embedder import Embedder, TextRole
from indexer.learning.items import Item, View
from indexer.pictures import Fit, Fitted, Pixels

LEVEL: Final = 1
"""zlib's quickest: drawings shrink to a tenth, photos hardly, and either in some milliseconds."""

TOGETHER: Final = 256
"""Pictures that are unpacked at once, which bounds memory."""


class KeptPictures:
    """Pixels by key, read some at a time: memory holds a hundred bytes for each picture.

    A context manager; closing deletes the file. Not safe to use from several threads.
    """

    def __init__(self, fit: Fit, *, max_pixels: int) -> None:
        """``max_pixels`` bounds the images that are decoded for it."""
        self.fit, self.max_pixels = fit, max_pixels
        self._file = TemporaryFile()  # noqa: SIM115 - closed by close
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0

    def add(self, picture: Fitted) -> str:
        """Keep a picture, and return its key: equal pixels have equal ones."""
        pixels = picture.pixels.tobytes()
        key = blake2b(pixels, digest_size=12).hexdigest()
        if key not in self._places:
            packed = zlib.compress(pixels, LEVEL)
            self._file.seek(self._end)
            self._file.write(packed)
            self._places[key] = (self._end, len(packed))
            self._end += len(packed)
        return key

    def read(self, keys: Sequence[str]) -> Pixels:
        """(n, height, width, 3) uint8."""
        shape = (self.fit.height, self.fit.width, 3)
        found = np.empty((len(keys), *shape), np.uint8)
        for row, key in enumerate(keys):
            start, length = self._places[key]
            self._file.seek(start)
            found[row] = np.frombuffer(zlib.decompress(self._file.read(length)), np.uint8).reshape(
                shape
            )
        return found

    @property
    def keys(self) -> list[str]:
        """The keys of all, in the order in which they came."""
        return list(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def embed_by(
    embedder: Embedder, pictures: KeptPictures, items: Sequence[Item], role: TextRole
) -> Vectors:
    """(n, d) unit vectors of texts, and of pictures as they are, by a model that sees."""
    texts = [(place, item) for place, item in enumerate(items) if isinstance(item, str)]
    views = [(place, item) for place, item in enumerate(items) if isinstance(item, View)]
    vectors = np.empty((len(items), embedder.identity.dimension), np.float32)
    if texts:
        places, words = zip(*texts, strict=True)
        vectors[list(places)] = embedder.embed(words, role).vectors
    for start in range(0, len(views), TOGETHER):
        places, some = zip(*views[start : start + TOGETHER], strict=True)
        read = pictures.read([view.picture for view in some])
        vectors[list(places)] = embedder.embed_images([Fitted(one, pictures.fit) for one in read])
    return vectors
