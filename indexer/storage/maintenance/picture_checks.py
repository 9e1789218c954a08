"""Checks of pictures: the files kept of them, and those that stay where they were indexed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from indexer.pictures import Picture
from indexer.readers.originals import is_in_place
from indexer.reports import Finding
from indexer.storage.maintenance.case import REPLACE, RESTORE, Case
from indexer.storage.sqlite.schema import STORE

JPEG: Final = b"\xff\xd8"

_KEPT: Final = (
    "SELECT id, picture, thumbnail, original FROM documents"
    " LEFT JOIN pictures ON document = number WHERE picture IS NOT NULL ORDER BY number"
)
_COUNT: Final = "SELECT count(*) FROM documents WHERE picture IS NOT NULL"
_STRAYS: Final = (
    "SELECT count(*) FROM pictures WHERE document NOT IN"
    " (SELECT number FROM documents WHERE picture IS NOT NULL)"
)


def check_pictures(case: Case) -> Iterator[Finding]:
    """Check what is kept of each picture, and that those left in place are as they were."""
    with case.store.reading() as snapshot:
        told = case.steps("pictures", int(next(snapshot.select(_COUNT))[0]))
        for done, (id, encoded, thumbnail, original) in enumerate(snapshot.select(_KEPT), start=1):
            yield from _check(f"document {id!r}", Picture.decode(encoded), thumbnail, original)
            told(done)
        (strays,) = next(snapshot.select(_STRAYS))
    if strays:
        yield Finding(
            STORE, f"files of {strays} pictures are of no document", "they take space", RESTORE
        )


def _check(
    place: str, picture: Picture, thumbnail: bytes | None, original: bytes | None
) -> Iterator[Finding]:
    if thumbnail is None or not thumbnail.startswith(JPEG):
        yield Finding(place, "its thumbnail is lost", "it is found, and not shown", REPLACE)
    if picture.place is None:
        if original is None or hashlib.sha256(original).hexdigest() != picture.sha256:
            yield Finding(
                place,
                "its picture is not what was stored",
                "it is shown wrongly, and cannot be embedded by another model",
                REPLACE,
            )
    elif not is_in_place(picture):
        yield Finding(
            place,
            f"its picture {picture.place} is gone, or has changed",
            "it is found and shown small, and cannot be embedded by another model",
            "put the file back, index it again where it is now, or delete the document",
        )
