"""Training examples from a collection's own documents, or from raw texts, without any labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document
from indexer.learning.examples import TEXT_CHARACTERS, Example
from indexer.learning.run import Material
from indexer.readers import Rejection

PAGE: Final = 500
LEAST_CHARACTERS: Final = 60
"""A text, or a part of one, that is shorter is no passage."""

_SENTENCE: Final = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+|\n+")


def documents_of(collection: Collection) -> Iterator[Document]:
    """All documents of a collection, a page at a time."""
    cursor: str | None = None
    while True:
        page = collection.page(cursor=cursor, limit=PAGE)
        yield from page.documents
        cursor = page.cursor
        if cursor is None:
            return


def unlabelled(
    documents: Iterable[Document | Rejection], material: Material
) -> Iterator[Example | Rejection]:
    """The examples that documents make, and what is refused.

    Pairs are a title with its text, or the two halves of a text without a title. Where texts alone
    are learned from, a query is only for the trial: the title, or else the text's first half.
    """
    for document in documents:
        if isinstance(document, Rejection):
            yield document
        elif material is Material.TEXTS:
            yield _text(document)
        else:
            yield _pair(document)


def _text(document: Document) -> Example | Rejection:
    text = document.text[:TEXT_CHARACTERS].strip()
    if not text:
        return Rejection(document.id, "an empty text")
    query = (document.title or "").strip() or (_halves(text) or (text,))[0]
    return Example(query, document.id, text, document.id, place=document.id)


def _pair(document: Document) -> Example | Rejection:
    title = (document.title or "").strip()
    text = document.text[:TEXT_CHARACTERS].strip()
    if title and text:
        return Example(title, document.id, text, document.id, place=document.id)
    halves = _halves(text)
    if halves is None:
        return Rejection(document.id, "no positive: it has no title, and is too short to halve")
    return Example(halves[0], document.id, halves[1], document.id, place=document.id)


def _halves(text: str) -> tuple[str, str] | None:
    """The text cut between two sentences, as near to its middle as can be."""
    cuts = [found.span() for found in _SENTENCE.finditer(text)]
    if not cuts:
        return None
    start, end = min(cuts, key=lambda span: abs(span[0] - len(text) // 2))
    first, second = text[:start].strip(), text[end:].strip()
    return (first, second) if min(len(first), len(second)) >= LEAST_CHARACTERS else None
