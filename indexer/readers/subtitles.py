"""Subtitles (.srt, .vtt, .ass, .ssa): what is said, a line each, by pysubs2.

The headings are times, one for the first line of each minute, so that a passage tells when it is
said. Markup and comments are left out, and so is a line that only goes on showing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from html import unescape
from typing import Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.decoding import decode
from indexer.readers.extracted import Extracted, read_guarded
from indexer.readers.manuscript import Manuscript
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

MILLISECONDS: Final = 1_000
SECTION_SECONDS: Final = 60


def read_subtitles(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    yield from read_guarded(source, "subtitles", extract, __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted in a separate process."""
    yield asdict(extract(file.read()))


def extract(data: bytes) -> Extracted:
    """The words that are said, with the length in seconds."""
    import pysubs2

    decoded = decode(data)
    try:
        lines = pysubs2.SSAFile.from_string(decoded.text)
    except (pysubs2.Pysubs2Error, ValueError) as error:
        raise Unreadable(f"not subtitles: {error or type(error).__name__}") from error
    lines.sort()
    made = Manuscript()
    minute, before = -1, ""
    for each in lines:
        shown = unescape(each.plaintext) if lines.format == "vtt" else each.plaintext
        words = " ".join(shown.split())
        if each.is_comment or not words or words == before:
            continue
        seconds = each.start // MILLISECONDS
        if seconds // SECTION_SECONDS > minute:
            minute = seconds // SECTION_SECONDS
            made.heading(1, str(timedelta(seconds=seconds)))
            made.paragraph(words)
        else:
            made.line(words)
        before = words
    ends = max((each.end for each in lines), default=0) // MILLISECONDS
    return Extracted(made.text, None, {**decoded.metadata, "seconds": ends, **made.metadata})
