"""OpenDocument texts and presentations (.odt, .odp): LibreOffice's own files.

The text with its headings, lists, tables, footnotes and text boxes; each slide is a page, with its
name as heading and the speaker's notes under one of their own. Comments, deletions that wait for
review, and tables of contents are left out.
(https://docs.oasis-open.org/office/OpenDocument/v1.3/)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import Element

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_apart
from indexer.readers.kinds import ENCRYPTED
from indexer.readers.manuscript import Manuscript
from indexer.readers.packages import check_package, local_name, opened_package, parse_xml
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

CONTENT: Final = "content.xml"
META: Final = "meta.xml"
MANIFEST: Final = "META-INF/manifest.xml"
NOTES: Final = "Notes"
MAX_REPEATS: Final = 64
"""Repetitions of a cell or a space that are written out."""

SKIPPED: Final = frozenset(
    (
        "annotation",
        "annotation-end",
        "tracked-changes",
        "table-of-content",
        "forms",
        "note-citation",
    )
)
FACTS: Final = {"initial-creator": "author", "creation-date": "created", "date": "modified"}


def read_open_document(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    check_package(source, "an OpenDocument file")
    yield from read_apart(source, "odf", __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted."""
    with opened_package(file) as package:
        names = set(package.namelist())
        if CONTENT not in names:
            raise Unreadable("not an OpenDocument file: no content.xml in it")
        if MANIFEST in names and b"encryption-data" in package.read(MANIFEST):
            raise Unreadable(ENCRYPTED)
        content = parse_xml(package.read(CONTENT))
        meta = parse_xml(package.read(META)) if META in names else None
    found = {} if meta is None else {local_name(each): each.text or "" for each in meta.iter()}
    facts = {name: found[key] for key, name in FACTS.items() if found.get(key)}
    text = Text()
    text.walk(content)
    counts = {"slides": text.slides} if text.slides else {}
    title = found.get("title", "").strip() or text.title
    yield asdict(Extracted(text.made.text, title, {**facts, **counts, **text.made.metadata}))


class Text:
    """The text of a file, as its elements are walked."""

    def __init__(self) -> None:
        self.made = Manuscript()
        self.slides = 0
        self.title: str | None = None
        self._notes: list[str] = []

    def walk(self, element: Element) -> None:
        """Write what stands in an element."""
        for each in element:
            name = local_name(each)
            if name in SKIPPED:
                continue
            if name == "page":
                self._slide(each)
            elif name == "table":
                self._table(each)
            elif name == "list":
                self.made.paragraph("\n".join(self._items(each)))
            elif name in ("h", "p"):
                self._paragraph(each, int(_attribute(each, "outline-level") or 1) * (name == "h"))
            elif name == "notes":
                self._speaker(each)
            else:
                self.walk(each)

    def _slide(self, element: Element) -> None:
        self.slides += 1
        if self.slides > 1:
            self.made.page()
        self.made.heading(1, _attribute(element, "name") or f"Slide {self.slides}")
        self.walk(element)

    def _speaker(self, element: Element) -> None:
        lines = [_line(each) for each in element.iter() if local_name(each) == "p"]
        if any(lines):
            self.made.heading(2, NOTES)
            self.made.paragraph("\n".join(filter(None, lines)))

    def _paragraph(self, element: Element, level: int) -> None:
        words = _line(element)
        if level:
            self.title = self.title or words or None
            self.made.heading(level, words)
        else:
            self.made.paragraph(words)
        for note in (each for each in element.iter() if local_name(each) in ("note", "text-box")):
            self.walk(note)

    def _items(self, element: Element) -> Iterator[str]:
        for each in element.iter():
            if local_name(each) in ("h", "p"):
                yield _line(each)

    def _table(self, element: Element) -> None:
        rows = (each for each in element.iter() if local_name(each) == "table-row")
        lines = ("\t".join(_cells(row)).rstrip("\t") for row in rows)
        self.made.paragraph("\n".join(filter(None, lines)))


def _cells(row: Element) -> Iterator[str]:
    for cell in row:
        if local_name(cell) == "table-cell":
            words = " ".join(_line(each) for each in cell.iter() if local_name(each) in ("h", "p"))
            repeats = int(_attribute(cell, "number-columns-repeated") or 1)
            yield from [words] * min(repeats, MAX_REPEATS)


def _line(element: Element) -> str:
    """The words of a paragraph, without its footnotes and boxes."""
    return "".join(_pieces(element)).strip()


def _pieces(element: Element) -> Iterator[str]:
    yield element.text or ""
    for each in element:
        name = local_name(each)
        if name == "s":
            yield " " * min(int(_attribute(each, "c") or 1), MAX_REPEATS)
        elif name in ("tab", "line-break"):
            yield "\t" if name == "tab" else "\n"
        elif name not in SKIPPED and name not in ("note", "text-box"):
            yield from _pieces(each)
        yield each.tail or ""


def _attribute(element: Element, name: str) -> str | None:
    """An attribute, in whichever namespace."""
    return next((v for key, v in element.attrib.items() if key.rpartition("}")[2] == name), None)
