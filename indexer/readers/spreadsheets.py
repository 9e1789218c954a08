"""Spreadsheets (Excel's of all times, OpenDocument's): a document for each sheet, by calamine.

A row is a line, its cells parted by tabs; empty rows part paragraphs. Of a formula its last value
is read, which the program that saved the file has put there. Dates are written as ISO 8601 has
them, numbers as they are, without their format. Charts and comments are left out.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.extracted import Extracted, read_apart, require
from indexer.readers.kinds import ENCRYPTED, kind_of
from indexer.readers.manuscript import Manuscript
from indexer.readers.packages import START_BYTES, ZIP_MARK, properties
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook, SheetMetadata

ABORTED: Final = "SIGABRT"
"""The signal with which calamine's process ends where it gets no memory."""


def read_spreadsheet(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The documents of the file's sheets; hidden ones say so in their metadata."""
    require("python_calamine", "office")
    if kind_of(source.start(START_BYTES)) == ENCRYPTED:
        raise Unreadable(ENCRYPTED)
    try:
        yield from read_apart(source, "spreadsheet", __file__)
    except Unreadable as error:
        if ABORTED not in str(error):
            raise
        reason = "a sheet is too large: empty cells up to its last one take memory, too"
        raise Unreadable(reason) from error


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The sheets that are not empty, extracted, in order."""
    import python_calamine

    zipped = file.read(len(ZIP_MARK)) == ZIP_MARK
    file.seek(0)
    named, facts = properties(file) if zipped else (None, {})
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(file)
    except python_calamine.PasswordError as error:
        raise Unreadable(ENCRYPTED) from error
    except python_calamine.CalamineError as error:
        raise Unreadable(f"not a spreadsheet, or damaged: {error}") from error
    count = 0
    for sheet in book.sheets_metadata:
        if sheet.typ is not python_calamine.SheetTypeEnum.WorkSheet:
            continue
        for found in _sheet(book, sheet, named, facts):
            count += 1
            yield asdict(found)
    if not count:
        raise Unreadable("no text in it")


def _sheet(
    book: CalamineWorkbook, sheet: SheetMetadata, named: str | None, facts: dict[str, Any]
) -> Iterator[Extracted]:
    import python_calamine

    try:
        rows = book.get_sheet_by_name(sheet.name)
    except python_calamine.CalamineError as error:
        yield Extracted("-", problems={sheet.name: f"damaged: {error}"})
        return
    made = Manuscript()
    width = _write(made, rows.iter_rows())
    if not made.text:
        return
    here = {"sheet": sheet.name, "rows": rows.height, "columns": width}
    if sheet.visible is not python_calamine.SheetVisibleEnum.Visible:
        here["hidden"] = True
    title = f"{named}: {sheet.name}" if named else sheet.name
    yield Extracted(made.text, title, {**facts, **here}, part=sheet.name)


def _write(made: Manuscript, rows: Iterable[Sequence[object]]) -> int:
    """Write rows, and return the number of columns of the widest."""
    width, begun = 0, False
    for row in rows:
        cells = [_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        width = max(width, len(cells))
        line = "\t".join(cells)
        if begun:
            made.line(line)
        else:
            made.paragraph(line)
        begun = bool(cells)
    return width


def _text(value: object) -> str:
    """A cell as a line of text."""
    match value:
        case bool():
            return str(value).upper()
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        case datetime.datetime():
            return value.isoformat(" ", "minutes" if not value.second else "seconds")
        case datetime.date() | datetime.time():
            return value.isoformat()
    return " ".join(str(value).split())
