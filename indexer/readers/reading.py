"""What reading takes and gives: field names in; documents, and rejections with their place, out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from indexer.documents import Document


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a record hold what; None takes the usual names.

    Usual are ``_id`` or ``id``, ``text``, and ``title``. All other fields become metadata.
    A field that is named here must be there. ``ocr`` are the languages that text in pictures is
    in, as ``check_ocr`` wants them; None leaves pictures unread.
    """

    id: str | None = None
    text: str | None = None
    title: str | None = None
    ocr: str | None = None


USUAL: Final = Fields()
"""The usual names, and BEIR's."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An input that holds no document: ``place`` is a path with its line, row or page."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """So many bytes of input of one format, which ends with PACKED if they are packed."""

    PACKED: ClassVar = ", packed"

    format: str
    size: int


@dataclass(frozen=True, slots=True)
class Read:
    """One step of reading: a document or a rejection, and how many bytes of input are behind it.

    ``consumed`` counts over all paths, for progress; it never falls.
    """

    item: Document | Rejection
    consumed: int
