"""Word (.docx): the text with its headings, lists, tables, footnotes and text boxes, by mammoth.

Insertions that wait for review are text, deletions are not. Headers, footers, comments and
pictures are left out; of a picture, its alternative text is kept. The title is the paragraph in
the style *Title*, else that of the file's properties, else the first heading.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from indexer.readers.extracted import Extracted, read_apart, require
from indexer.readers.html import visible_parts
from indexer.readers.manuscript import headings_metadata, without_title
from indexer.readers.packages import check_package, properties
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

STYLES: Final = """
p[style-name='Title'] => h1.title:fresh
p[style-name='Subtitle'] => p:fresh
"""

_TITLE: Final = re.compile(r'<h1 class="title">.*?</h1>', re.DOTALL)
_BACK: Final = re.compile(r'<a href="#(?:foot|end)note-ref-\d+">\S*</a>')
"""The link of a footnote back to its place."""

_CELL: Final = re.compile(r"(?<=<t[dh]>)<p>|(?<=\d\">)<p>|</p>(?=</t[dh]>)")
"""The paragraph that Word has in every cell, which would part the cells of a row."""


def read_word(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    require("mammoth", "office")
    check_package(source, "a Word file (.docx)")
    yield from read_apart(source, "docx", __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted."""
    import mammoth

    named, facts = properties(file)
    pictures = mammoth.images.img_element(lambda _: {})
    data = io.BytesIO(file.read())  # mammoth takes the name of an open file for a path
    page = mammoth.convert_to_html(data, style_map=STYLES, convert_image=pictures).value
    styled = _TITLE.search(page)
    text, headings = visible_parts(_CELL.sub("", _BACK.sub("", page)))
    title = visible_parts(styled[0])[0] if styled else named
    if title is None and headings:
        title = headings[0][1]
    text, headings = without_title(text, headings, title)
    yield asdict(Extracted(text, title, {**facts, **headings_metadata(headings)}))
