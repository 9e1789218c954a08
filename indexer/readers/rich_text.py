"""Rich Text Format (.rtf): the text, by striprtf; title and author where the file tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_apart, require
from indexer.readers.kinds import kind_of, refusal
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

MARK: Final = b"{\\rtf"
MAX_BYTES: Final = 64 * 2**20

_FACT: Final = re.compile(r"\{\\(title|author) ?((?:[^{}\\]|\\.){1,2000})\}", re.DOTALL)
_PICTURES: Final = re.compile(r"\\bin\d+ |[0-9a-fA-F\s]{4096,}")
_MANY_LINES: Final = re.compile(r"\n{3,}")


def read_rich_text(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    require("striprtf", "office")
    start = source.start(1 << 20)
    if not start.lstrip().startswith(MARK):
        kind = kind_of(start)
        raise Unreadable(refusal(kind) if kind else "not a Rich Text file: another format")
    yield from read_apart(source, "rtf", __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted."""
    data = file.read(MAX_BYTES).decode("latin-1")
    data = _PICTURES.sub(" ", data)  # digits of pictures, of which striprtf is slow to be rid
    facts = {
        name: " ".join(_text(f"{{\\rtf1 {given}}}").split()) for name, given in _FACT.findall(data)
    }
    title = facts.pop("title", None)
    text = _MANY_LINES.sub("\n\n", _text(data)).strip()
    yield asdict(
        Extracted(text, title or None, {name: each for name, each in facts.items() if each})
    )


def _text(data: str) -> str:
    from striprtf.striprtf import rtf_to_text

    text: str = rtf_to_text(data, errors="replace")  # type: ignore[no-untyped-call]
    return text.replace("\xa0", " ")
