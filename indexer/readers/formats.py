"""The table of formats: a new one is a module beside this one, and a row here.

Every format may be compressed by gzip (its suffix and ``.gz``). Files without a suffix, or with a
vague one, are recognised by their content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import Final, TypeAlias

from indexer.readers.decoding import BYTE_ORDER_MARK, marked_encoding
from indexer.readers.image_files import IMAGE, IMAGE_STARTS, IMAGE_SUFFIXES
from indexer.readers.languages import LANGUAGES
from indexer.readers.reading import Fields, Member, Read
from indexer.readers.sources import Source

Reader: TypeAlias = Callable[[Source, Fields], Iterator[Read | Member]]
"""Yields a file's documents and rejections, and files within it, each to be read before the next.

Raises Unreadable for an error that ends the file.
"""

GZIP: Final = ".gz"
TOKEN_DENSITY: Final = 0.2
"""Tokens per byte of typical records and prose."""

TAR_PACKERS: Final = (".bz2", ".xz")
"""Suffixes that count with the one before: only archives may be packed so."""

VAGUE: Final = (".doc", ".dot", ".log")
"""Suffixes of files that may be in several formats: lines of JSON, RTF called .doc."""

OFFICE: Final = rb"PK\x03\x04(?=.*?\[Content_Types\]\.xml)(?=.*?%s)"
"""The beginning of an Office file with this in it."""

_HTML: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


@dataclass(frozen=True, slots=True)
class Format:
    """A file format, its suffixes, and the way its content begins.

    Its ``reader`` is a module of this room and a function there, imported when a file is read. A
    file has about ``token_density`` tokens per byte, from which the end of a run is estimated until
    its own files are measured. Its ``records`` are objects with fields, not texts.
    """

    name: str
    reader: str
    suffixes: tuple[str, ...]
    begins: re.Pattern[bytes] | None = None
    token_density: float = TOKEN_DENSITY
    records: bool = False

    @property
    def read(self) -> Reader:
        """The function that reads such a file."""
        module, function = self.reader.split(":")
        read: Reader = getattr(import_module(f"indexer.readers.{module}"), function)
        return read


FORMATS: Final = (
    Format("JSON Lines", "json_lines:read_json_lines", (".jsonl", ".ndjson"), records=True),
    Format("JSON", "json_array:read_json", (".json",), records=True),
    Format("CSV", "delimited:read_csv", (".csv",), token_density=0.22, records=True),
    Format("TSV", "delimited:read_tsv", (".tsv", ".tab"), token_density=0.22, records=True),
    Format(
        "Parquet",
        "parquet:read_parquet",
        (".parquet", ".pq"),
        re.compile(rb"PAR1"),
        token_density=0.4,
        records=True,
    ),
    Format(
        "Arrow",
        "arrow_tables:read_arrow",
        (".arrow", ".feather"),
        re.compile(rb"ARROW1|\xff\xff\xff\xff"),
        token_density=0.2,
        records=True,
    ),
    Format(
        "plain text",
        "plain_text:read_plain_text",
        (".txt", ".text", ".adoc", ".log"),
        token_density=0.23,
    ),
    Format("Markdown", "markdown:read_markdown", (".md", ".markdown", ".mdown", ".mkd")),
    Format("HTML", "html:read_html", (".html", ".htm", ".xhtml"), _HTML, token_density=0.09),
    Format("PDF", "pdf:read_pdf", (".pdf",), re.compile(rb"%PDF-"), token_density=0.012),
    Format(
        "Word",
        "word:read_word",
        (".docx", ".docm", ".dotx"),
        re.compile(OFFICE % rb"word/", re.DOTALL),
        token_density=0.05,
    ),
    Format(
        "spreadsheet",
        "spreadsheets:read_spreadsheet",
        (".xlsx", ".xlsm", ".xltx", ".xlsb", ".xls", ".ods"),
        re.compile(OFFICE % rb"xl/", re.DOTALL),
        token_density=0.15,
    ),
    Format(
        "PowerPoint",
        "slides:read_slides",
        (".pptx", ".pptm", ".ppsx", ".potx"),
        re.compile(OFFICE % rb"ppt/", re.DOTALL),
        token_density=0.01,
    ),
    Format(
        "OpenDocument",
        "open_document:read_open_document",
        (".odt", ".ott", ".odp"),
        re.compile(rb"PK.{28}mimetypeapplication/vnd\.oasis\.opendocument", re.DOTALL),
        token_density=0.05,
    ),
    Format(IMAGE, "image_files:read_image_file", IMAGE_SUFFIXES, IMAGE_STARTS, token_density=0.001),
    Format(
        "Rich Text",
        "rich_text:read_rich_text",
        (".rtf", ".doc", ".dot"),
        re.compile(rb"\s*\{\\rtf"),
        token_density=0.1,
    ),
    Format(
        "EPUB",
        "books:read_book",
        (".epub",),
        re.compile(rb"PK.{28}mimetypeapplication/epub\+zip", re.DOTALL),
        token_density=0.3,
    ),
    Format("notebook", "notebooks:read_notebook", (".ipynb",), token_density=0.1),
    Format(
        "subtitles",
        "subtitles:read_subtitles",
        (".srt", ".vtt", ".ass", ".ssa"),
        re.compile(rb"WEBVTT\s"),
    ),
    Format("reStructuredText", "restructured:read_restructured", (".rst",)),
    Format("Org", "org:read_org", (".org",)),
    Format("source code", "source_code:read_source_code", tuple(LANGUAGES), token_density=0.3),
    Format("mail", "mail:read_message", (".eml",)),
    Format(
        "mailbox",
        "mail:read_mailbox",
        (".mbox", ".mbx"),
        re.compile(rb"From [^\n]+\n(?:[!-9;-~]+:[^\n]*\n)"),
    ),
    Format("ZIP", "archives:read_zip", (".zip",), re.compile(rb"PK\x03\x04")),
    Format(
        "tar",
        "archives:read_tar",
        (".tar", ".tgz", ".tbz2", ".txz", ".tar.bz2", ".tar.xz"),
        re.compile(rb".{257}ustar", re.DOTALL),
    ),
)


def format_of(path: PurePath) -> Format | None:
    """The format by a file's name, compressed or not; None if the name does not tell."""
    suffix = _suffix(path)
    return next((format for format in FORMATS if suffix in format.suffixes), None)


def is_told_by_content(path: PurePath) -> bool:
    """Return whether a file's name says nothing about its format, or too little."""
    return _suffix(path) in ("", *VAGUE)


def format_of_content(start: bytes, text_field: str) -> Format | None:
    """The format by a file's first bytes; None if they are not text.

    JSON is read as records only if the first has the text's field, else as text.
    """
    for format in FORMATS:
        if format.begins and format.begins.match(start):
            return format
    begin = start.removeprefix(BYTE_ORDER_MARK).lstrip()
    if begin.startswith((b"{", b"[")) and f'"{text_field.split(".")[-1]}"'.encode() in begin:
        return _named("JSON")  # whose reader also recognises lines of JSON
    if b"\0" in start and marked_encoding(start) is None:
        return None
    return _named("plain text")


def known_formats() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The name of each format, with its suffixes, compressed ones included."""
    for format in FORMATS:
        yield format.name, format.suffixes + tuple(f"{each}{GZIP}" for each in format.suffixes)


def token_density(name: str) -> float:
    """The tokens per byte of typical files of a format, whether it is in the table or not."""
    return next((each.token_density for each in FORMATS if each.name == name), TOKEN_DENSITY)


def _suffix(path: PurePath) -> str:
    """The suffix in lower case, without that of compression."""
    name = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return "".join(
        name.suffixes[-2:] if name.suffix.lower() in TAR_PACKERS else name.suffixes[-1:]
    ).lower()


def _named(name: str) -> Format:
    return next(format for format in FORMATS if format.name == name)


def known_suffixes() -> str:
    """All suffixes that are read, for messages."""
    return ", ".join(suffix for format in FORMATS for suffix in format.suffixes)
