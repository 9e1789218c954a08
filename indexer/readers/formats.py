"""The table of formats: a new one is a module beside this one, and a row here.

Every format may be packed by gzip (its suffix and ``.gz``). What has no suffix, or one that says
little, is told by its content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeAlias

from indexer.readers.decoding import BYTE_ORDER_MARK, marked_encoding
from indexer.readers.delimited import read_csv, read_tsv
from indexer.readers.html import read_html
from indexer.readers.json_array import read_json
from indexer.readers.json_lines import read_json_lines
from indexer.readers.markdown import read_markdown
from indexer.readers.parquet import read_parquet
from indexer.readers.pdf import read_pdf
from indexer.readers.plain_text import read_plain_text
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

Reader: TypeAlias = Callable[[Source, Fields], Iterator[Read]]
"""Gives a file's documents and rejections; raises Unreadable for what ends the file."""

GZIP: Final = ".gz"
VAGUE: Final = (".log",)
"""Suffixes of text that may be lines of JSON."""

PDF_MARK: Final = b"%PDF-"
PARQUET_MARK: Final = b"PAR1"
_HTML: Final = re.compile(rb"(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to read files, and the suffixes that tell it."""

    name: str
    read: Reader
    suffixes: tuple[str, ...]


FORMATS: Final = (
    Format("JSON Lines", read_json_lines, (".jsonl", ".ndjson")),
    Format("JSON", read_json, (".json",)),
    Format("CSV", read_csv, (".csv",)),
    Format("TSV", read_tsv, (".tsv", ".tab")),
    Format("Parquet", read_parquet, (".parquet", ".pq")),
    Format("plain text", read_plain_text, (".txt", ".text", ".rst", ".adoc", ".log")),
    Format("Markdown", read_markdown, (".md", ".markdown", ".mdown", ".mkd")),
    Format("HTML", read_html, (".html", ".htm", ".xhtml")),
    Format("PDF", read_pdf, (".pdf",)),
)


def format_of(path: PurePath) -> Format | None:
    """The format that a file's name tells, packed or not; None if it tells none."""
    suffix = _suffix(path)
    return next((format for format in FORMATS if suffix in format.suffixes), None)


def is_told_by_content(path: PurePath) -> bool:
    """Whether a file's name says nothing of its format, or too little."""
    return _suffix(path) in ("", *VAGUE)


def format_of_content(start: bytes, text_field: str) -> Format | None:
    """The format that a file's first bytes tell; None if they are those of no text.

    JSON is taken for records only if the first has the text's field, else for text.
    """
    begin = start.removeprefix(BYTE_ORDER_MARK).lstrip()
    if start.startswith(PDF_MARK):
        return _named("PDF")
    if start.startswith(PARQUET_MARK):
        return _named("Parquet")
    if _HTML.match(begin):
        return _named("HTML")
    if begin.startswith((b"{", b"[")) and f'"{text_field.split(".")[-1]}"'.encode() in begin:
        return _named("JSON")  # which tells lines from one value
    if b"\0" in start and marked_encoding(start) is None:
        return None
    return _named("plain text")


def known_formats() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The name of each format, with the suffixes that tell it, packed ones included."""
    for format in FORMATS:
        yield format.name, format.suffixes + tuple(f"{each}{GZIP}" for each in format.suffixes)


def _suffix(path: PurePath) -> str:
    """The suffix but for that of packing, in small letters."""
    name = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return name.suffix.lower()


def _named(name: str) -> Format:
    return next(format for format in FORMATS if format.name == name)


def known_suffixes() -> str:
    """All suffixes that are read, for messages."""
    return ", ".join(suffix for format in FORMATS for suffix in format.suffixes)
