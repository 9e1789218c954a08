"""Files that are ZIP archives of XML, as Office and e-books have them: what all have in common.

Used in the separate process, which bounds what a bomb can take.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import Element, ParseError, fromstring
from zipfile import BadZipFile, ZipFile

from indexer.errors import Unreadable
from indexer.readers.kinds import ENCRYPTED, kind_of, refusal
from indexer.readers.sources import Source

ZIP_MARK: Final = b"PK"
START_BYTES: Final = 1 << 20
MAX_PROPERTIES: Final = 1 << 20
"""Bytes of a package's properties; larger ones are no properties."""

MAX_UNPACKED: Final = 512 * 2**20
ENCRYPTED_FLAG: Final = 1
PROPERTIES: Final = "docProps/core.xml"
NAMES: Final[Mapping[str, str]] = {
    "creator": "author",
    "created": "created",
    "modified": "modified",
    "language": "language",
}
PLACEHOLDERS: Final = frozenset(
    ("document", "powerpoint presentation", "presentation", "untitled", "word document")
)
"""The titles that programs write where none was given."""

GENERATED: Final = frozenset(("python-docx", "openpyxl"))
"""The authors that programs write where none was given."""


def check_package(source: Source, called: str) -> None:
    """Raise Unreadable, with what it is instead, unless a file begins as an archive does."""
    start = source.start(START_BYTES)
    if start.startswith(ZIP_MARK):
        return
    kind = kind_of(start)
    raise Unreadable(refusal(kind) if kind else f"not {called}: another format, or damaged")


@contextmanager
def opened_package(file: BinaryIO) -> Iterator[ZipFile]:
    """The archive; raises Unreadable if it is damaged, or unpacks to more than MAX_UNPACKED bytes.

    Python's zipfile unpacks no more of a member than the archive declares.
    """
    try:
        with ZipFile(file) as package:
            members = package.infolist()
            if sum(each.file_size for each in members) > MAX_UNPACKED:
                raise Unreadable(f"unpacks to more than {MAX_UNPACKED:,} bytes")
            if any(each.flag_bits & ENCRYPTED_FLAG for each in members):
                raise Unreadable(ENCRYPTED)
            yield package
    except (BadZipFile, zlib.error) as error:
        raise Unreadable(f"damaged: {error}") from error
    finally:
        file.seek(0)


def properties(file: BinaryIO) -> tuple[str | None, dict[str, Any]]:
    """The title of an Office file, and the metadata of its properties."""
    with opened_package(file) as package:
        info = package.NameToInfo.get(PROPERTIES)
        data = package.read(info) if info and info.file_size <= MAX_PROPERTIES else b"<none/>"
    try:
        found = {local_name(each): _line(each.text) for each in parse_xml(data)}
    except Unreadable:
        return None, {}
    title = found.get("title", "")
    facts = {name: found[key] for key, name in NAMES.items() if found.get(key)}
    if facts.get("author") in GENERATED:
        del facts["author"]
    return (None if title.lower() in PLACEHOLDERS else title or None), facts


def parse_xml(data: bytes) -> Element:
    """The root of an XML document; raises Unreadable."""
    try:
        return fromstring(data)  # noqa: S314 - expat fetches nothing and bounds entities
    except ParseError as error:
        raise Unreadable(f"its XML is damaged: {error}") from error


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return re.sub(r"\{.*\}", "", element.tag) if isinstance(element.tag, str) else ""


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
