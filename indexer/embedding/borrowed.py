"""A model opened elsewhere, of which something is added or watched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from indexer.documents import Vectors
from indexer.embedding.embedder import (
    Embedder,
    Embeddings,
    Identity,
    Image,
    Input,
    Modality,
    Runtime,
    TextRole,
    Tokens,
)
from indexer.pictures import Fit


class BorrowedEmbedder:
    """Another embedder; subclasses put something in the place of what is theirs.

    Closing it closes nothing: whoever opened the model closes it.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def identity(self) -> Identity:
        """The model's identity."""
        return self._embedder.identity

    @property
    def runtime(self) -> Runtime:
        """The backend and device it runs on."""
        return self._embedder.runtime

    @property
    def room(self) -> int:
        """The number of tokens that fit the model's window."""
        return self._embedder.room

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input it embeds."""
        return self._embedder.modalities

    @property
    def fit(self) -> Fit:
        """The form in which it takes images."""
        return self._embedder.fit

    def tokenize(self, texts: Sequence[str], role: TextRole = TextRole.DOCUMENT) -> list[Tokens]:
        """The texts as the model's inputs."""
        return self._embedder.tokenize(texts, role)

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """Unit vectors in the order of the inputs."""
        return self._embedder.embed(inputs, role)

    def embed_images(self, images: Sequence[Image]) -> Vectors:
        """Unit vectors in the order of the images."""
        return self._embedder.embed_images(images)

    def warm(self) -> None:
        """Make short texts faster later."""
        self._embedder.warm()

    def close(self) -> None:
        """Nothing: who opened the model closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
