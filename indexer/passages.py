"""Passages as an engine reads them: with those parts of their documents that are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from indexer.documents import Chunk, Document
from indexer.outline import HEADINGS
from indexer.parts import WHOLE, Parts
from indexer.queries import Passage

HEADINGS_KEY: Final = f'"{HEADINGS}"'
"""Metadata as JSON holds it where headings tell a passage's place, which are sought in all of a
text, as page breaks are.
"""


class ReadPassage(NamedTuple):
    """A chunk, its passage and its document, as far as they were read: other parts are empty."""

    chunk: Chunk
    passage: Passage
    document: Document

    @classmethod
    def of(cls, chunk: Chunk, document: Document, parts: Parts) -> ReadPassage:
        """These parts of a chunk and its whole document."""
        passage = Passage("", chunk.start, chunk.end)
        if parts.passage:
            passage = Passage.of(document, chunk.start, chunk.end)
        return cls(chunk, passage, _part(document, parts))

    @classmethod
    def cut(cls, chunk: Chunk, document: Document, parts: Parts) -> ReadPassage:
        """The same of a document whose text is that of the chunk alone, and has no outline."""
        cut = Passage.of(document, 0, len(document.text))
        passage = replace(cut, start=chunk.start, end=chunk.end)
        return cls(chunk, passage, _part(document, parts))


def _part(document: Document, parts: Parts) -> Document:
    if parts is WHOLE:
        return document
    return Document.stored(
        document.id,
        document.text if parts.text else "",
        document.title if parts.title else None,
        parts.metadata_of(document.metadata),
        document.picture,
    )
