"""The documents of a collection as they are stored, some at a time."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.errors import Gone, ModelChanged
from indexer.filters import Filter

PAGE: Final = 500
"""Documents that are read together."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A document with its vectors, and its picture: an image as a data URL, or the file's path."""

    stored: EmbeddedDocument
    image: str | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether its one vector is of all the text, so that nothing else is to be told."""
        chunks, text = self.stored.chunks, self.stored.document.text
        if len(chunks) != 1 or self.stored.truncated or chunks[0].unknown:
            return False
        return (chunks[0].start, chunks[0].end) == (0, len(text))


def exported(
    collection: Collection, identity: Identity, condition: Filter | None = None
) -> Iterator[Exported]:
    """The documents that pass a filter, in insertion order, with their vectors.

    Those that stay as they are come once; of those written or deleted meanwhile, some do. Raises
    ModelChanged if the collection moves to another model, Gone for a kept picture that is lost.
    """
    cursor: str | None = None
    while True:
        page = collection.page(condition, cursor, PAGE)
        stored = collection.embedded([one.id for one in page.documents])
        found = [one for one in stored if one is not None]
        if any(one.model is not None and not identity.made(one.model) for one in found):
            raise ModelChanged(
                f"{collection.name!r} has moved to another model meanwhile: export it once more"
            )
        for one in found:  # one by one, since pictures may be large
            yield Exported(one, _image(collection, one.document))
        cursor = page.cursor
        if cursor is None:
            return


def _image(collection: Collection, document: Document) -> str | None:
    picture = document.picture
    if picture is None or picture.place is not None:
        return None if picture is None else picture.place
    content = collection.original(document.id)
    if content is None:
        raise Gone(f"the picture of document {document.id!r} is gone: see bearing verify")
    return f"data:{picture.media_type};base64,{base64.b64encode(content).decode()}"
