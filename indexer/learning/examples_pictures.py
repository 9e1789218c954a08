"""Pictures that answer examples: found in documents, and read to be kept while training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document
from indexer.errors import BearingError
from indexer.ingestion.pictures import image_content, original_of
from indexer.learning.examples import TEXT_CHARACTERS, Example, Unread
from indexer.learning.examples_collection import unlabelled
from indexer.learning.examples_files import Found
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.run import Material
from indexer.readers import Illustrated, Rejection
from indexer.readers.pictures import BATCH_BYTES, Decoded, read_pictures

BLOCK: Final = 64
"""Examples whose pictures are decoded together, unless these are large."""

TEXT_ALONE: Final = "no picture: this method learns from two views of a picture"
NO_CAPTION: Final = "no caption: a picture is paired with its title or text"


def unlabelled_pictures(
    documents: Iterable[Document | Illustrated | Rejection], material: Material
) -> Iterator[Found]:
    """The examples that documents with pictures make, which are still to be read.

    A pair is a caption with its picture; documents of texts make the pairs that they always make.
    Where pictures alone are learned from, a caption is only for the trial, and may be missing.
    """
    for document in documents:
        if isinstance(document, Rejection):
            yield document
        elif isinstance(document, Illustrated):
            yield _of_picture(document.document, document.image, document.place, material)
        elif document.picture is not None:
            yield _of_picture(document, document, document.id, material)
        elif material is Material.TEXTS:
            yield Rejection(document.id, TEXT_ALONE)
        else:
            yield from unlabelled([document], material)


def _of_picture(
    document: Document, image: Path | bytes | Document, place: str, material: Material
) -> Unread | Rejection:
    caption = (document.title or "").strip() or document.text[:TEXT_CHARACTERS].strip()
    if not caption and material is Material.PAIRS:
        return Rejection(place, NO_CAPTION)
    return Unread(Example(caption, document.id, "", document.id, place=place), image)


def with_pictures(
    found: Iterable[Found], kept: KeptPictures, collection: Collection | None
) -> Iterator[Example | Rejection]:
    """The examples, with the pictures that answer them read and kept; a copy is decoded once."""
    reading = _Reading(kept, collection)
    waiting: list[Found] = []
    for one in found:
        waiting.append(one)
        if isinstance(one, Unread):
            reading.fetch(one)
        if len(waiting) == BLOCK or reading.is_full:
            yield from reading.answered(waiting)
            waiting = []
    yield from reading.answered(waiting)


class _Reading:
    """The pictures that came before, and some that are to be decoded together."""

    def __init__(self, kept: KeptPictures, collection: Collection | None) -> None:
        self._kept, self._collection = kept, collection
        self._known: dict[bytes, str | Rejection] = {}
        self._new: dict[bytes, tuple[bytes, str]] = {}
        self._fetched: list[bytes | Rejection] = []

    @property
    def is_full(self) -> bool:
        """Return whether so many bytes are to be decoded that it should be done now."""
        return sum(len(content) for content, _ in self._new.values()) >= BATCH_BYTES

    def fetch(self, one: Unread) -> None:
        """Read a picture's file, and note its digest, or why there is none."""
        place = one.example.place
        try:
            content = _content(one.image, self._collection)
        except BearingError as error:
            self._fetched.append(Rejection(place, str(error)))
            return
        digest = hashlib.sha256(content).digest()
        self._fetched.append(digest)
        if digest not in self._known:
            self._new[digest] = (content, place)

    def answered(self, waiting: Sequence[Found]) -> Iterator[Example | Rejection]:
        """The examples whose pictures were fetched, and the others, in their order."""
        self._decode()
        fetched, self._fetched = iter(self._fetched), []
        for one in waiting:
            yield self._answered(one.example, next(fetched)) if isinstance(one, Unread) else one

    def _answered(self, one: Example, fetched: bytes | Rejection) -> Example | Rejection:
        found = self._known[fetched] if isinstance(fetched, bytes) else fetched
        if isinstance(found, Rejection):
            return replace(found, place=one.place)
        return replace(one, picture=found)

    def _decode(self) -> None:
        new, self._new = self._new, {}
        contents = [content for content, _ in new.values()]
        names = [place for _, place in new.values()]
        read = read_pictures(
            contents, self._kept.fit, max_pixels=self._kept.max_pixels, names=names
        )
        for digest, found in zip(new, read, strict=True):
            one = self._kept.add(found.fitted) if isinstance(found, Decoded) else found
            self._known[digest] = one


def _content(image: Path | bytes | Document, collection: Collection | None) -> bytes:
    """The bytes of a picture; raises Unreadable, or Gone for a document's that is no more."""
    if isinstance(image, Document):
        assert collection is not None
        return original_of(collection, image)
    return image_content(image) if isinstance(image, Path) else image
