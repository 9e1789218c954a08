"""Inputs of several kinds to embed: texts and images, as Jina's and Voyage's clients write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self, TypeAlias

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from app.routing.images import DESCRIPTION, content_of
from app.schemas.base import Given
from app.serving.service import EmbeddedTexts
from indexer.documents import Vectors


class ItemBody(Given):
    """A text, or an image."""

    text: str | None = None
    image: str | None = Field(
        None,
        description=DESCRIPTION,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.text is None) == (self.image is None):
            raise PydanticCustomError("item", "expected either text or image")
        return self


def _kind(given: object) -> str:
    return "<text>" if isinstance(given, str) else "<item>"


Item: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[ItemBody, Tag("<item>")], Discriminator(_kind)
]
"""A text, or an object with a text or an image."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """Texts and image files, with their places in the input."""

    texts: Sequence[str]
    text_places: Sequence[int]
    images: Sequence[bytes]
    image_places: Sequence[int]

    def joined(self, embedded: EmbeddedTexts, images: Vectors) -> EmbeddedTexts:
        """The vectors of both in the order of the input."""
        count = len(self.texts) + len(self.images)
        vectors = np.empty((count, images.shape[1]), np.float32)
        vectors[list(self.text_places)] = embedded.vectors
        vectors[list(self.image_places)] = images
        truncated = tuple(self.text_places[place] for place in embedded.truncated)
        return EmbeddedTexts(vectors, truncated, embedded.tokens)


def texts_of(items: Sequence[str | ItemBody]) -> list[str]:
    """The texts among the items, in order."""
    given = [item if isinstance(item, str) else item.text for item in items]
    return [text for text in given if text is not None]


def part(items: Sequence[str | ItemBody], name: str) -> Mixed:
    """The items by kind; raises InvalidInput, which names the place, for what is no base64."""
    texts: dict[int, str] = {}
    images: dict[int, bytes] = {}
    for place, item in enumerate(items):
        if isinstance(item, str):
            texts[place] = item
        elif item.text is not None:
            texts[place] = item.text
        else:
            images[place] = content_of(item.image or "", f"{name}[{place}].image")
    return Mixed(list(texts.values()), list(texts), list(images.values()), list(images))
