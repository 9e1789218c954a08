"""Documents, and passages of them, from rows of the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from indexer.documents import Chunk, Document
from indexer.outline import PAGE
from indexer.parts import Parts
from indexer.passages import HEADINGS_KEY, ReadPassage
from indexer.pictures import Picture
from indexer.postgres.texts import MARK, plain_text


def document_of(row: Sequence[Any]) -> Document:
    """The document of an id, a title, a text, metadata and a picture."""
    id, title, text, metadata, encoded = row
    told = None if title is None else plain_text(title)
    picture = None if encoded is None else Picture.decode(encoded)
    return Document.stored(id, plain_text(text), told, json.loads(metadata), picture)


def passage_columns(parts: Parts) -> str:
    """The columns of a chunk ``c`` and its document ``d`` that hold these parts.

    Metadata is one column, and tells a passage's place. Of a text that is not asked for itself, no
    more than the passage comes, unless all of it tells that place, or a mark in it makes the stored
    text longer than the plain one.
    """
    passage = (
        f"CASE WHEN strpos(d.text, '{MARK}') > 0 OR strpos(d.text, chr({ord(PAGE)})) > 0"
        f" OR strpos(d.metadata::text, '{HEADINGS_KEY}') > 0 THEN d.text ELSE"
        " substr(d.text, c.start + 1, c.stop - c.start) END"
    )
    columns = (
        "d.title" if parts.title else "NULL",
        "d.text" if parts.text else passage if parts.passage else "''",
        "d.metadata::text" if parts.passage or parts.keys is None or parts.keys else "'{}'",
    )
    return f"c.position, c.start, c.stop, c.unknown, d.id, {', '.join(columns)}, d.picture"


def read_passage(row: Sequence[Any], parts: Parts) -> ReadPassage:
    """These parts of a chunk and its document, from the columns of :func:`passage_columns`."""
    chunk, document = Chunk(*row[:4]), document_of(row[4:])
    is_cut = parts.passage and not parts.text and len(document.text) == chunk.end - chunk.start
    return (ReadPassage.cut if is_cut else ReadPassage.of)(chunk, document, parts)
