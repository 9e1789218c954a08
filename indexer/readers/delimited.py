"""CSV and TSV: a header line, then one record a row.

A table is read as follows:

* the delimiter of a ``.csv`` file is whichever of comma, semicolon, tab and bar gives a column the
  text's name, and makes most of the first rows as wide as the header; of a ``.tsv`` file it is the
  tab. Excel's own first line, such as ``sep=;``, decides for either. Quotes in TSV are quotes or
  not, whichever leaves fewer rows broken;
* the id, text and title are taken as written. Any other column is of numbers if all its cells are
  numbers in JSON (so not ``007``), of truth values if all are ``true`` or ``false`` in any case,
  and of strings otherwise: a column never mixes types, so a filter on it means one thing. An empty
  cell is no field at all;
* a column without a name is called ``column n``;
* a row with more or fewer cells than the header, with a broken quote or a NUL, is refused, and
  reading goes on at the next line.

The file is read twice: first for its encoding and the types of its columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Final, TextIO

from indexer.errors import Unreadable
from indexer.filters import MAX_INTEGER, Scalar, is_encodable
from indexer.readers.decoding import UTF_8, encoding_metadata, stream_encoding
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.records import (
    MAX_RECORD_BYTES,
    TEXT_FIELD,
    TITLE_FIELD,
    document_or_rejection,
    merged,
    missing_field,
)
from indexer.readers.sources import Source

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_ROWS: Final = 100
NUL: Final = "\0"

_SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")

Cast = Callable[[str], Scalar]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The separators and quotes of a table; ``told`` by the first line, which is then no header."""

    encoding: str
    delimiter: str
    quoted: bool = True
    told: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one record and the line it begins on; ``problem`` is what is wrong with it."""

    line: int
    cells: Sequence[str]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of a first reading of a table: its columns' names and types, and broken rows."""

    names: tuple[str, ...]
    casts: Mapping[str, Cast]
    broken: int


def read_csv(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each row."""
    encoding = _encoding(source)
    text = fields.text or TEXT_FIELD
    dialect = _told(source, encoding) or _agreed(source, encoding, text)
    return _read(source, fields, dialect, _survey(source, dialect))


def read_tsv(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each row."""
    encoding = _encoding(source)
    quoted = _told(source, encoding) or Dialect(encoding, "\t")
    survey = _survey(source, quoted)
    if survey.broken:
        bare = replace(quoted, quoted=False)
        other = _survey(source, bare)
        if other.broken < survey.broken:
            return _read(source, fields, bare, other)
    return _read(source, fields, quoted, survey)


def read_csv_rows(source: Source, named: str) -> Iterator[tuple[int, object]]:
    """The cells of each row by column, with its line; an error in place of a broken row.

    The delimiter is the one that gives a column this name, if one does.
    """
    encoding = _encoding(source)
    return _bare_rows(source, _told(source, encoding) or _agreed(source, encoding, named))


def read_tsv_rows(source: Source, named: str) -> Iterator[tuple[int, object]]:  # noqa: ARG001 - as read_csv_rows
    """The same between tabs."""
    encoding = _encoding(source)
    return _bare_rows(source, _told(source, encoding) or Dialect(encoding, "\t"))


def _bare_rows(source: Source, dialect: Dialect) -> Iterator[tuple[int, object]]:
    with source.opened() as opened, _text(opened.stream, dialect.encoding) as text:
        names = _names(next(_rows(text, dialect), None))
    with source.opened() as opened, _text(opened.stream, dialect.encoding) as text:
        rows = _rows(text, dialect, len(names))
        next(rows)
        for row in rows:
            cells = dict(zip(names, row.cells, strict=False))
            yield row.line, Unreadable(row.problem) if row.problem else cells


def _read(source: Source, fields: Fields, dialect: Dialect, survey: Survey) -> Iterator[Read]:
    _check_columns(survey.names, fields)
    facts = encoding_metadata(dialect.encoding)
    roles = {"_id", "id", fields.id, fields.text or TEXT_FIELD, fields.title or TITLE_FIELD}
    casts = {name: cast for name, cast in survey.casts.items() if name not in roles}
    kept = roles & set(survey.names)
    with source.opened() as opened, _text(opened.stream, dialect.encoding) as text:
        rows = _rows(text, dialect, len(survey.names))
        next(rows)
        for row in rows:
            place = f"{source.name}:{row.line}"
            offset = opened.file.tell()
            if row.problem:
                yield source.gives(Rejection(place, row.problem), offset)
                continue
            record = _record(survey.names, row.cells, casts, kept)
            item = document_or_rejection(merged(facts, record), fields, place, place)
            yield source.gives(item, offset)


def _record(
    names: Sequence[str], cells: Sequence[str], casts: Mapping[str, Cast], kept: set[str | None]
) -> dict[str, Scalar]:
    return {
        name: casts[name](cell) if name in casts else cell
        for name, cell in zip(names, cells, strict=True)
        if cell or name in kept
    }


def _encoding(source: Source) -> str:
    with source.opened() as opened:
        return stream_encoding(opened.stream)


def _told(source: Source, encoding: str) -> Dialect | None:
    """The dialect declared in the file's first line, if it is Excel's; else None."""
    with source.opened() as opened, _text(opened.stream, encoding) as text:
        found = _SEPARATOR.fullmatch(text.readline(MAX_RECORD_BYTES))
    return Dialect(encoding, found[1], told=True) if found else None


def _agreed(source: Source, encoding: str, text: str) -> Dialect:
    """The dialect in which header and rows agree best; a comma if none splits the header."""
    dialects = [Dialect(encoding, delimiter) for delimiter in DELIMITERS]
    return max(dialects, key=lambda dialect: _agreement(source, dialect, text))


def _agreement(source: Source, dialect: Dialect, text: str) -> tuple[bool, bool, float, int]:
    """The agreement of header and rows.

    First comes whether a column has the text's name, since decimal commas can agree with a comma
    in the header; then whether the header is split, the share of rows, the width. Where nothing
    splits the header, any text agrees with itself; so this counts only if no dialect splits it.
    """
    with source.opened() as opened, _text(opened.stream, dialect.encoding) as lines:
        header, *rows = [*islice(_rows(lines, dialect), SAMPLE_ROWS + 1)] or [Row(1, ())]
    width = len(header.cells)
    agree = sum(not row.problem and len(row.cells) == width for row in rows)
    share = agree / len(rows) if rows else 1.0
    named = any(cell.strip() == text for cell in header.cells)
    return named, width > 1, share, width


def _survey(source: Source, dialect: Dialect) -> Survey:
    with source.opened() as opened, _text(opened.stream, dialect.encoding) as text:
        rows = _rows(text, dialect)
        names = _names(next(rows, None))
        casts: dict[str, list[Cast]] = {name: list(_CASTS) for name in names}
        broken = 0
        for row in rows:
            if row.problem or len(row.cells) != len(names):
                broken += 1
                continue
            _narrow(casts, names, row.cells)
    decided = {name: left[0] for name, left in casts.items() if left and len(left) < len(_CASTS)}
    return Survey(names, decided, broken)


def _narrow(casts: Mapping[str, list[Cast]], names: Sequence[str], cells: Sequence[str]) -> None:
    """Remove the types that these cells do not have."""
    for name, cell in zip(names, cells, strict=True):
        left = casts[name]
        if left and cell:
            left[:] = [cast for cast in left if cast(cell) is not cell]


def _names(header: Row | None) -> tuple[str, ...]:
    if header is None:
        raise Unreadable("empty: expected a header line that names the columns")
    if any(NUL in cell for cell in header.cells):
        raise Unreadable("holds NUL characters: not a text, or UTF-16 without a byte order mark")
    if header.problem:
        raise Unreadable(f"the header line: {header.problem}")
    names = tuple(
        cell.strip() or f"column {number}" for number, cell in enumerate(header.cells, start=1)
    )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise Unreadable(f"two columns are called {twice[0]!r}")
    return names


def _check_columns(names: Sequence[str], fields: Fields) -> None:
    wanted = (
        (fields.id, "--id-field"),
        (fields.text or TEXT_FIELD, "--text-field"),
        (fields.title, "--title-field"),
    )
    for name, option in wanted:
        if name is not None and name not in names:
            raise Unreadable(missing_field(name, names, option))


@contextmanager
def _text(stream: BinaryIO, encoding: str) -> Iterator[TextIO]:
    encoding = "utf-8-sig" if encoding == UTF_8 else encoding
    # Invalid bytes become lone surrogates, so that only their row is refused.
    text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    try:
        yield text
    finally:
        text.detach()  # the stream is closed by its opener


def _rows(text: TextIO, dialect: Dialect, width: int | None = None) -> Iterator[Row]:
    if csv.field_size_limit() < MAX_RECORD_BYTES:
        csv.field_size_limit(MAX_RECORD_BYTES)  # the csv module has one limit for the process
    lines = _Lines(text)
    if dialect.told:
        next(lines)
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        line = lines.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            lines.give_back()
            yield Row(line, (), f"broken row: {error}")
            continue
        except UnicodeDecodeError as error:
            raise Unreadable(f"line {line}: not valid {error.encoding} from here on") from error
        if cells is None:
            return
        if cells:
            yield Row(line, cells, _row_problem(cells, width, dialect.encoding))


def _row_problem(cells: Sequence[str], width: int | None, encoding: str) -> str | None:
    if not all(map(is_encodable, cells)):
        return f"not valid {encoding}"
    if any(NUL in cell for cell in cells):
        return "holds a NUL character"
    if width is not None and len(cells) != width:
        return f"{len(cells)} cells under a header of {width} columns"
    return None


class _Lines:
    """The lines of a text. Those of a broken record except its first can be given back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._returned: deque[str] = deque()
        self._record: list[str] = []
        self._size = 0
        self._number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._read()
        if not line:
            raise StopIteration
        self._number += 1
        self._record.append(line)
        self._size += len(line)
        if self._size > MAX_RECORD_BYTES:
            raise csv.Error(
                f"longer than {MAX_RECORD_BYTES:,} characters; was a quote opened and never closed?"
            )
        return line

    def begin(self) -> int:
        """Forget the record so far, and return the number of the next line."""
        self._record.clear()
        self._size = 0
        return self._number + 1

    def give_back(self) -> None:
        """Let the record's lines except its first be read again, as records of their own."""
        rest = self._record[1:]
        self._returned.extendleft(reversed(rest))
        self._number -= len(rest)

    def _read(self) -> str:
        line = self._text.readline(MAX_RECORD_BYTES + 1)
        piece = line
        while len(piece) > MAX_RECORD_BYTES and not piece.endswith(("\n", "\r")):
            piece = self._text.readline(MAX_RECORD_BYTES + 1)
        return line


def _number(cell: str) -> Scalar:
    if not _NUMBER.fullmatch(cell):
        return cell
    if _INTEGER.fullmatch(cell) and len(cell) < 21:
        whole = int(cell)
        return whole if abs(whole) <= MAX_INTEGER else cell
    number = float(cell)
    return number if abs(number) != float("inf") else cell


def _truth(cell: str) -> Scalar:
    return {"true": True, "false": False}.get(cell.lower(), cell)


_CASTS: Final[tuple[Cast, ...]] = (_number, _truth)
