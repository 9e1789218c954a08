"""Plain text: the file is the document's text; it has no title."""

from __future__ import annotations

from collections.abc import Iterator

from indexer.readers.decoding import decode
from indexer.readers.extracted import MAX_TEXT_BYTES, Extracted, read_extracted
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source


def read_plain_text(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    decoded = decode(source.content(MAX_TEXT_BYTES))
    found = Extracted(decoded.text, metadata=decoded.metadata)
    yield from read_extracted(source, "text", found)
