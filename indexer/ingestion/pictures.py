"""Pictures on their way into a collection: those that are stored already are not decoded again.

A file that has the size and the time of change that it had when indexed is not even read; one of
the same content is read and not decoded. All others are decoded in a process apart, some at a time,
so that memory does not grow with the number of images.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.embedder import Embedder, Modality
from indexer.errors import BearingError, Gone, InvalidInput, Unreadable
from indexer.facets import Count
from indexer.filters import Metadata, Pictured
from indexer.pictures import Developed, Picture, PictureFiles
from indexer.readers.image_files import MAX_IMAGE_BYTES, TEXTS_ONLY
from indexer.readers.originals import is_in_place, is_unchanged, original_in_place
from indexer.readers.pictures import (
    BATCH_BYTES,
    BATCH_IMAGES,
    MAX_PIXELS,
    MOST_PROCESSES,
    Decoded,
    read_pictures,
)
from indexer.readers.reading import Illustrated, Read, Rejection
from indexer.readers.sources import open_regular

BATCH: Final = MOST_PROCESSES * BATCH_IMAGES
"""Documents that are looked up together, and whose images are decoded together."""

PAGE: Final = 1_000
NAMED: Final = 5
"""Documents that an error names."""


@dataclass(frozen=True, slots=True)
class PictureReading:
    """The way pictures are read: the largest, and whether the place they were taken at is kept."""

    max_pixels: int = MAX_PIXELS
    gps: bool = False


USUAL_READING: Final = PictureReading()


@dataclass(slots=True)
class _Seen:
    """A document that is being read: ``old`` is stored under its id."""

    read: Read
    item: Illustrated
    old: Document | None
    modified: int = 0
    content: bytes = b""
    sha256: str = ""

    @property
    def place(self) -> str | None:
        return str(self.item.image) if isinstance(self.item.image, Path) else None


def developed(
    reads: Iterable[Read],
    collection: Collection,
    embedder: Embedder,
    how: PictureReading = USUAL_READING,
) -> Generator[Read, None, None]:
    """The same reads, in order, with the pictures of documents read.

    A picture that cannot be read is a rejection of its document.
    """
    waiting: list[Read] = []
    try:
        for read in reads:
            if not waiting and not isinstance(read.item, Illustrated):
                yield read
                continue
            waiting.append(read)
            if len(waiting) == BATCH:
                yield from _developed(waiting, collection, embedder, how)
                waiting = []
        yield from _developed(waiting, collection, embedder, how)
    finally:
        if isinstance(reads, Generator):
            reads.close()


def _developed(
    reads: Sequence[Read], collection: Collection, embedder: Embedder, how: PictureReading
) -> Iterator[Read]:
    ids = [one.item.document.id for one in reads if isinstance(one.item, Illustrated)]
    stored = dict(zip(ids, collection.get(ids), strict=True)) if ids else {}
    part: list[Read | _Seen] = []
    size = 0
    for read in reads:
        found = _look(read, stored, how)
        part.append(found)
        size += len(found.content) if isinstance(found, _Seen) else 0
        if size >= BATCH_BYTES:
            yield from _decoded(part, embedder, how)
            part, size = [], 0
    yield from _decoded(part, embedder, how)


def _look(read: Read, stored: dict[str, Document | None], how: PictureReading) -> Read | _Seen:
    """The read without decoding, if its picture is stored; else what is to be decoded."""
    item = read.item
    if not isinstance(item, Illustrated):
        return read
    seen = _Seen(read, item, stored.get(item.document.id))
    try:
        known = _known(seen, how)
        if known is None:
            return seen
        document = _document(seen.item.document, known)
    except BearingError as error:
        return replace(read, item=Rejection(item.place, str(error)))
    same = seen.old is not None and document.content_hash == seen.old.content_hash
    if not same:
        _fill(seen)
    return replace(read, item=document) if same else seen


def _known(seen: _Seen, how: PictureReading) -> Picture | None:
    """The facts of the picture if it is the stored one; else its content is at hand."""
    old = seen.old.picture if seen.old is not None else None
    if isinstance(seen.item.image, Path):
        status = _status(seen.item.image)
        seen.modified = status.st_mtime_ns
        same = old is not None and old.place == seen.place and is_unchanged(old, status)
        if same and not how.gps:
            return old
    _fill(seen)
    if old is None or old.sha256 != seen.sha256 or how.gps:
        return None
    return replace(old, place=seen.place, modified=seen.modified)


def _fill(seen: _Seen) -> None:
    if not seen.content:
        image = seen.item.image
        seen.content = image if isinstance(image, bytes) else image_content(image)
        seen.sha256 = hashlib.sha256(seen.content).hexdigest()


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (OSError, ValueError) as error:
        raise Unreadable(f"image {path}: {getattr(error, 'strerror', None) or error}") from error


def image_content(path: Path) -> bytes:
    """The bytes of an image's file; raises Unreadable."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"image {path}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > MAX_IMAGE_BYTES:
        raise Unreadable(f"image {path}: larger than {MAX_IMAGE_BYTES:,} bytes")
    return content


def _decoded(
    part: Sequence[Read | _Seen], embedder: Embedder, how: PictureReading
) -> Iterator[Read]:
    seen = [one for one in part if isinstance(one, _Seen)]
    if seen and Modality.IMAGE not in embedder.modalities:
        found: Iterator[Decoded | Rejection] = iter([Rejection("", TEXTS_ONLY)] * len(seen))
    else:
        contents = [one.content for one in seen]
        names = [one.item.place for one in seen]
        found = iter(_read(contents, names, embedder, how))
    for one in part:
        yield _stored(one, next(found)) if isinstance(one, _Seen) else one


def _read(
    contents: Sequence[bytes], names: Sequence[str], embedder: Embedder, how: PictureReading
) -> Iterator[Decoded | Rejection]:
    if not contents:
        return iter(())
    return read_pictures(
        contents,
        embedder.fit,
        max_pixels=how.max_pixels,
        names=names,
        thumbnails=True,
        gps=how.gps,
    )


def _stored(seen: _Seen, found: Decoded | Rejection) -> Read:
    """The document with its picture, and what is to be kept of it."""
    if isinstance(found, Rejection):
        return replace(seen.read, item=Rejection(seen.item.place, found.reason))
    details = dict(found.picture.details) | ({"notes": list(found.notes)} if found.notes else {})
    picture = replace(found.picture, place=seen.place, modified=seen.modified, details=details)
    try:
        document = _document(seen.item.document, picture)
    except BearingError as error:
        return replace(seen.read, item=Rejection(seen.item.place, str(error)))
    files = PictureFiles(found.thumbnail, seen.content if seen.place is None else None)
    return replace(seen.read, item=document, developed=Developed(found.fitted, files))


def _document(bare: Document, picture: Picture) -> Document:
    """The document with a picture; what was given of it stands above what the file says."""
    metadata = {**_facts(picture), **bare.metadata}
    return Document(bare.id, bare.text or picture.caption, bare.title, metadata, picture)


def _facts(picture: Picture) -> Metadata:
    width, height = picture.width, picture.height
    shape = "landscape" if width > height else "portrait" if width < height else "square"
    return {
        "format": picture.media_type.removeprefix("image/"),
        "width": width,
        "height": height,
        "orientation": shape,
        **picture.details,
    }


def accepted(read: Read) -> Document:
    """The document that was read; raises InvalidInput for a rejection."""
    if isinstance(read.item, Rejection):
        raise InvalidInput(f"{read.item.place}: {read.item.reason}")
    assert isinstance(read.item, Document)
    return read.item


# Pictures that are stored


def develop(
    collection: Collection, embedder: Embedder, documents: Sequence[Document]
) -> list[Developed | None]:
    """The pictures of stored documents, read anew from their originals; None for one without.

    Raises Gone, which names the document, if an original is not what was indexed any more, and
    InvalidInput for a model of texts.
    """
    pictured = [one for one in documents if one.picture is not None]
    found: dict[str, Developed] = {}
    if pictured and Modality.IMAGE not in embedder.modalities:
        raise InvalidInput(
            f"document {pictured[0].id!r} is a picture, and model {embedder.identity.name!r} "
            "embeds texts only: choose one that embeds images"
        )
    for part in _batches(pictured):
        contents = [original_of(collection, one) for one in part]
        names = [f"document {one.id!r}" for one in part]
        for one, read in zip(part, _read(contents, names, embedder, _AS_STORED), strict=True):
            if isinstance(read, Rejection):
                raise InvalidInput(f"{read.place}: {read.reason}")
            found[one.id] = Developed(read.fitted, PictureFiles(read.thumbnail))
    return [found.get(one.id) if one.picture is not None else None for one in documents]


def _batches(pictured: Sequence[Document]) -> Iterator[list[Document]]:
    """Some documents at a time, whose pictures have few bytes together."""
    batch: list[Document] = []
    size = 0
    for one in pictured:
        own = one.picture.bytes if one.picture else 0
        if batch and (len(batch) == BATCH or size + own > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += own
    if batch:
        yield batch


_AS_STORED: Final = PictureReading(max_pixels=2**31)
"""Whatever was taken in once is decoded again."""


def original_of(collection: Collection, document: Document) -> bytes:
    """The picture of a stored document that has one, as it was given; raises Gone."""
    assert document.picture is not None
    if document.picture.place is None:
        content = collection.original(document.id)
    else:
        content = original_in_place(document.picture)
    if content is None or hashlib.sha256(content).hexdigest() != document.picture.sha256:
        raise gone([document])
    return content


def gone(documents: Sequence[Document], more: int = 0) -> Gone:
    """The error about documents whose pictures are gone, and so many more."""
    named = ", ".join(
        f"{one.id!r} ({one.picture.place if one.picture else ''})" for one in documents
    )
    others = f" and {more} more" if more else ""
    return Gone(
        f"the pictures of documents {named}{others} are gone, or no longer the files that were "
        "indexed: put them back, index them where they are now, or delete these documents"
    )


def require_sight(collection: Collection, embedder: Embedder) -> None:
    """Raise InvalidInput, naming some, if there are pictures and the model embeds texts only."""
    if Modality.IMAGE in embedder.modalities:
        return
    page = collection.page(Pictured(), None, NAMED, count=Count())
    if page.documents:
        named = ", ".join(repr(one.id) for one in page.documents)
        more = (page.total or 0) - len(page.documents)
        others = f" and {more:,} more" if more > 0 else ""
        raise InvalidInput(
            f"model {embedder.identity.name!r} embeds texts only, and documents {named}{others} "
            "are pictures, which would have no vectors: delete them first, or choose a model that "
            "embeds images"
        )


def require_pictures(collection: Collection) -> None:
    """Raise Gone, naming some, if originals of stored pictures are not in their places."""
    lost: list[Document] = []
    count = 0
    page = collection.page(Pictured(), None, PAGE)
    while True:
        for one in page.documents:
            if one.picture is not None and one.picture.place and not is_in_place(one.picture):
                count += 1
                lost += [one] if count <= NAMED else []
        if page.cursor is None:
            break
        page = collection.page(Pictured(), page.cursor, PAGE)
    if lost:
        raise gone(lost, count - len(lost))
