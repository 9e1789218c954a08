"""Notebooks (.ipynb): the text of their cells, Markdown without its markup and code kept.

The headings are those of the Markdown; what code has put out is left out. Notebooks of all
versions since 2 are read.
(https://nbformat.readthedocs.io/en/latest/format_description.html)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_guarded
from indexer.readers.manuscript import Manuscript, headings_metadata, without_title
from indexer.readers.markdown import markdown_parts
from indexer.readers.reading import Fields, Read
from indexer.readers.records import parse_json
from indexer.readers.sources import Source


def read_notebook(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    yield from read_guarded(source, "notebook", extract, __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted in a separate process."""
    yield asdict(extract(file.read()))


def extract(data: bytes) -> Extracted:
    """The notebook's title, text and language."""
    notebook = parse_json(data)
    if not isinstance(notebook, dict):
        raise Unreadable("not a notebook: no JSON object")
    made = Manuscript()
    for cell in _cells(notebook):
        _write(made, cell)
    told = notebook.get("metadata")
    metadata = told if isinstance(told, dict) else {}
    title = metadata.get("title")
    if not isinstance(title, str) or not title.strip():
        title = made.headings[0][1] if made.headings else None
    text, headings = without_title(made.text, made.headings, title)
    return Extracted(text, title, {**_language(metadata), **headings_metadata(headings)})


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    sheets = notebook.get("worksheets")
    holders = [notebook, *(sheets if isinstance(sheets, list) else ())]
    lists = [each["cells"] for each in holders if isinstance(each, dict) and "cells" in each]
    if not lists or not all(isinstance(each, list) for each in lists):
        raise Unreadable("not a notebook: no cells in it")
    yield from (cell for cells in lists for cell in cells if isinstance(cell, dict))


def _write(made: Manuscript, cell: dict[str, Any]) -> None:
    given = cell.get("source", cell.get("input", ""))
    text = "".join(map(str, given)) if isinstance(given, list) else str(given)
    match cell.get("cell_type"):
        case "markdown":
            made.include(*markdown_parts(text))
        case "heading":
            level = cell.get("level")
            made.heading(level if isinstance(level, int) else 1, text)
        case _:
            made.paragraph(text)


def _language(metadata: dict[str, Any]) -> dict[str, str]:
    for name in ("language_info", "kernelspec"):
        told = metadata.get(name)
        language = (told.get("name") or "") if isinstance(told, dict) else ""
        if name == "kernelspec" and isinstance(told, dict):
            language = told.get("language") or ""
        if isinstance(language, str) and language:
            return {"language": language}
    return {}
