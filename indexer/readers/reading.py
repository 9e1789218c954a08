"""The input and output of reading: field names; documents, and rejections with their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from indexer.documents import Document


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of a record's fields; None takes the usual names.

    Usual are ``_id`` or ``id``, ``text``, and ``title``. All other fields become metadata.
    A field that is named here must exist. ``ocr`` are the languages of text in pictures, as for
    ``check_ocr``; None leaves pictures unread.
    """

    id: str | None = None
    text: str | None = None
    title: str | None = None
    ocr: str | None = None


USUAL: Final = Fields()
"""The usual names, which are also BEIR's."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An input without a document: ``place`` is a path with its line, row or page."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of input in one format, whose name ends with PACKED if it is compressed."""

    PACKED: ClassVar = ", packed"

    format: str
    size: int


@dataclass(frozen=True, slots=True)
class Read:
    """One step of reading: a document or a rejection, and the number of input bytes read so far.

    ``consumed`` counts over all paths, for progress; it never decreases.
    """

    item: Document | Rejection
    consumed: int
