"""Images among the files that are read, and those that records name.

Nothing is decoded here: a file becomes a document whose picture is still to be read, since one that
is stored already is not read again.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from indexer.documents import Document
from indexer.errors import BearingError, Unreadable
from indexer.readers.reading import Fields, Illustrated, Read, Rejection
from indexer.readers.records import IMAGE_FIELD
from indexer.readers.sources import Source

IMAGE: Final = "image"
"""The name of the format."""

IMAGE_SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".avif"),
    *(".heic", ".heif", ".mpo"),
)
IMAGE_STARTS: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*"
    rb"|....ftyp(?:avif|avis|heic|heix|hevc|heim|heis|mif1|msf1)",
    re.S,
)
MAX_IMAGE_BYTES: Final = 256 * 2**20

TEXTS_ONLY: Final = (
    "an image, and the model embeds texts only: index it into another collection, by "
    "--model minilm-efficientnet-lite0 (extra images) or a CLIP"
)

_DATA: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


def read_image_file(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of an image that stays where it is; its id is the file's name."""
    if not fields.pictures:
        raise Unreadable(TEXTS_ONLY)
    if source.compressed:
        raise Unreadable("a compressed image: it stays where it is, so unpack it there")
    document = Document(source.name, "")
    yield source.gives(Illustrated(document, source.path.absolute(), source.name))


def kept_image(source: Source) -> Iterator[Read]:
    """The document of an image that was sent, and is to be kept."""
    try:
        content = source.content(MAX_IMAGE_BYTES)
        item: Illustrated | Rejection
        item = Illustrated(Document(source.name, ""), content, source.name)
    except BearingError as error:
        item = Rejection(source.name, str(error))
    yield source.gives(item)


def illustrated(read: Read, fields: Fields, folder: Path | None) -> Read:
    """A record's document with the image that it names, if it names one and images are read.

    A path is one from ``folder``; where that is None only an image itself is taken, in base64.
    """
    document = read.item
    if not fields.pictures or not isinstance(document, Document):
        return read
    named = document.metadata.get(IMAGE_FIELD)
    if not isinstance(named, str):
        return read
    rest = {name: held for name, held in document.metadata.items() if name != IMAGE_FIELD}
    place = f"document {document.id!r}"
    try:
        image = image_of(named, folder)
    except Unreadable as error:
        return replace(read, item=Rejection(place, str(error)))
    bare = Document.stored(document.id, document.text, document.title, rest)
    return replace(read, item=Illustrated(bare, image, place))


def image_of(named: str, folder: Path | None) -> Path | bytes:
    """The file that a record names, or the image in it; raises Unreadable for an address.

    Without a folder no path is followed.
    """
    if start := _DATA.match(named):
        return image_bytes(named[start.end() :])
    if _ADDRESS.match(named):
        raise Unreadable(f"image: {named[:80]!r} is an address, and nothing is fetched: {SEND}")
    if folder is None:
        return image_bytes(named)
    if "\0" in named:
        raise Unreadable("image: no file has such a name")
    return (folder / named).absolute()


SEND: Final = "send the image itself, in base64 or as data:image/jpeg;base64,..."


def image_bytes(encoded: str) -> bytes:
    """The bytes of an image in base64; raises Unreadable."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"image: {encoded[:40]!r} is no base64: {error}; {SEND}") from error


class NamedImages:
    """The files that records have named in a run, which are no documents of their own beside."""

    def __init__(self) -> None:
        self._paths: set[Path] = set()

    def admits(self, item: Document | Rejection | Illustrated, *, is_file: bool) -> bool:
        """Return whether an item is to be stored; an image file is not if a record named it."""
        if not isinstance(item, Illustrated) or not isinstance(item.image, Path):
            return True
        if is_file:
            return item.image not in self._paths
        self._paths.add(item.image)
        return True
