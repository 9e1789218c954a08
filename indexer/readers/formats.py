"""The table of formats: a new one is a module beside this one, and a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeAlias

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


@dataclass(frozen=True, slots=True)
class Format:
    """A way to read files; ``gzip`` says that they may be packed (suffix and ``.gz``)."""

    name: str
    read: Reader
    suffixes: tuple[str, ...]
    gzip: bool = False


FORMATS: Final = (
    Format("JSON Lines", read_json_lines, (".jsonl", ".ndjson"), gzip=True),
    Format("JSON", read_json, (".json",), gzip=True),
    Format("CSV", read_csv, (".csv",), gzip=True),
    Format("TSV", read_tsv, (".tsv", ".tab"), gzip=True),
    Format("Parquet", read_parquet, (".parquet", ".pq")),
    Format("plain text", read_plain_text, (".txt", ".text", ".rst", ".adoc")),
    Format("Markdown", read_markdown, (".md", ".markdown", ".mdown", ".mkd")),
    Format("HTML", read_html, (".html", ".htm", ".xhtml")),
    Format("PDF", read_pdf, (".pdf",)),
)


def format_of(path: PurePath) -> tuple[Format, bool] | None:
    """The format that a file's name tells, and whether it is packed; None if it tells none."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    packed = len(suffixes) == 2 and suffixes[1] == GZIP
    suffix = suffixes[0] if packed else "".join(suffixes[-1:])
    for format in FORMATS:
        if suffix in format.suffixes and (format.gzip or not packed):
            return format, packed
    return None


def known_formats() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The name of each format, with the suffixes that tell it, packed ones included."""
    for format in FORMATS:
        packed = tuple(f"{suffix}{GZIP}" for suffix in format.suffixes if format.gzip)
        yield format.name, format.suffixes + packed


def known_suffixes() -> str:
    """All suffixes that are read, for messages."""
    return ", ".join(suffix for format in FORMATS for suffix in format.suffixes)
