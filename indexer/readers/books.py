"""E-books (.epub): the text of all chapters in reading order, with their headings.

A chapter without a heading has its name in the table of contents as one; the table itself is left
out. Books that are protected against copying are rejected as encrypted.
(https://www.w3.org/TR/epub-33/)
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO, Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element
from zipfile import ZipFile

from indexer.errors import Unreadable
from indexer.readers.decoding import decode
from indexer.readers.extracted import Extracted, read_apart
from indexer.readers.html import visible_parts
from indexer.readers.kinds import ENCRYPTED
from indexer.readers.manuscript import Manuscript
from indexer.readers.packages import check_package, local_name, opened_package, parse_xml
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

CONTAINER: Final = "META-INF/container.xml"
ENCRYPTION: Final = "META-INF/encryption.xml"
FONTS_ONLY: Final = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Ways of encryption that concern nothing but fonts."""

PAGES: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
CONTENTS: Final = "application/x-dtbncx+xml"
FACTS: Final = {"language": "language", "date": "published", "publisher": "publisher"}

_CLOSED = re.compile(r"<([A-Za-z][\w:-]*)((?:[^<>\"'/]|\"[^\"]*\"|'[^']*'|/(?!>))*)/>")
_VOID: Final = frozenset(("br", "hr", "img", "image", "input", "link", "meta", "col", "wbr"))


def read_book(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the book."""
    check_package(source, "an e-book (.epub)")
    yield from read_apart(source, "epub", __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The book, extracted."""
    with opened_package(file) as package:
        if CONTAINER not in package.NameToInfo:
            raise Unreadable("not an e-book (.epub): no container.xml in it")
        if ENCRYPTION in package.NameToInfo and _is_protected(package.read(ENCRYPTION)):
            raise Unreadable(ENCRYPTED)
        root = parse_xml(package.read(CONTAINER))
        path = next(each for each in root.iter() if local_name(each) == "rootfile").get("full-path")
        yield asdict(_book(package, path or ""))


def _is_protected(data: bytes) -> bool:
    methods = (each for each in parse_xml(data).iter() if local_name(each) == "EncryptionMethod")
    return any(each.get("Algorithm") not in FONTS_ONLY for each in methods)


def _book(package: ZipFile, path: str) -> Extracted:
    root = parse_xml(_part(package, path))
    items = {each.get("id"): each for each in root.iter() if local_name(each) == "item"}
    folder = posixpath.dirname(path)
    names = dict(_contents(package, folder, items))
    made = Manuscript()
    problems: dict[str, str] = {}
    for each in (one for one in root.iter() if local_name(one) == "itemref"):
        item = items.get(each.get("idref"))
        if item is None or item.get("media-type") not in PAGES or _is_contents(item):
            continue
        place = _place(folder, item.get("href", ""))
        try:
            text, headings = visible_parts(_opened(decode(_part(package, place)).text))
        except Unreadable as error:
            problems[place] = str(error)
            continue
        if text and not headings and place in names:
            made.heading(1, names[place])
        made.include(text, headings)
    title, facts = _facts(root)
    return Extracted(made.text, title, {**facts, **made.metadata}, problems)


def _part(package: ZipFile, place: str) -> bytes:
    try:
        return package.read(place)
    except KeyError as error:
        raise Unreadable("a part that is named is not in it") from error


def _opened(page: str) -> str:
    """XHTML as HTML: there ``<title/>`` would begin a title without an end."""
    return _CLOSED.sub(
        lambda m: m[0] if m[1].lower() in _VOID else f"<{m[1]}{m[2]}></{m[1]}>", page
    )


def _is_contents(item: Element) -> bool:
    return "nav" in (item.get("properties") or "").split()


def _place(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))


def _contents(
    package: ZipFile, folder: str, items: Mapping[str | None, Element]
) -> Iterator[tuple[str, str]]:
    """The places of chapters with their names in the table of contents, later ones first."""
    for item in items.values():
        if not _is_contents(item) and item.get("media-type") != CONTENTS:
            continue
        place = _place(folder, item.get("href", ""))
        try:
            root = parse_xml(_part(package, place))
        except Unreadable:
            continue
        entries = [each for each in root.iter() if local_name(each) in ("a", "navPoint")]
        for entry in reversed(entries):
            source = next(
                (each.get("src") for each in entry if local_name(each) == "content"), None
            )
            href = entry.get("href") or source
            label = next((one for one in entry if local_name(one) == "navLabel"), entry)
            words = " ".join("".join(label.itertext()).split())
            if href and words:
                yield _place(posixpath.dirname(place), href), words


def _facts(root: Element) -> tuple[str | None, dict[str, Any]]:
    found: dict[str, list[str]] = {}
    for each in root.iter():
        words = " ".join((each.text or "").split())
        if "purl.org/dc/" in str(each.tag) and words:
            found.setdefault(local_name(each), []).append(words)
    facts: dict[str, Any] = {name: found[key][0] for key, name in FACTS.items() if key in found}
    if "creator" in found:
        facts["author"] = found["creator"][0] if len(found["creator"]) == 1 else found["creator"]
    return found.get("title", [None])[0], facts
