"""The input and output of reading: field names; documents, and rejections with their place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from indexer.documents import BroughtVectors, Document
    from indexer.pictures import Developed


class VectorTrust(StrEnum):
    """The vectors that are taken of those that records bring.

    CHECKED are those with the fingerprint of their model beside them, TRUSTED all. IGNORED none.
    """

    CHECKED = "checked"
    TRUSTED = "trusted"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of a record's fields; None takes the usual names.

    Usual are ``_id`` or ``id``, ``text``, and ``title``. All other fields become metadata.
    A field that is named here must exist. ``ocr`` are the languages of text in pictures, as for
    ``check_ocr``; None leaves pictures unread. With ``pictures`` images are read, and records may
    name one in the field ``image``. ``vector`` is the field of a record's own vector, usually of
    that name, and ``vectors`` says which of them are taken.
    """

    id: str | None = None
    text: str | None = None
    title: str | None = None
    ocr: str | None = None
    pictures: bool = False
    vector: str | None = None
    vectors: VectorTrust = VectorTrust.CHECKED


USUAL: Final = Fields()
"""The usual names, which are also BEIR's."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An input without a document: ``place`` is a path with its line, row or page."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Illustrated:
    """A document whose picture is still to be read: from a file that stays, or bytes to be kept.

    An empty text stands for the caption in the picture's file. ``place`` is as in a rejection.
    """

    document: Document
    image: Path | bytes
    place: str


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of input in one format, whose name ends with PACKED if it is compressed."""

    PACKED: ClassVar = ", packed"

    format: str
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file within another, such as an archive or a mail, unpacked to be read by its own format.

    ``name`` is what its ids and places begin with, ``called`` what its format is told by.
    """

    path: Path
    name: str
    called: str


@dataclass(frozen=True, slots=True)
class Read:
    """One step of reading: a document or a rejection, and the number of input bytes read so far.

    ``consumed`` counts over all paths, for progress; it never decreases. ``developed`` is what was
    made of the document's picture, if that is new, ``brought`` the vectors that came with it.
    """

    item: Document | Rejection | Illustrated
    consumed: int
    developed: Developed | None = None
    brought: BroughtVectors | None = None
