"""JSON Lines: one record a line, in files, compressed files, and on standard input."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, Final

from indexer.documents import BroughtVectors, Document
from indexer.errors import Unreadable
from indexer.readers.decoding import BYTE_ORDER_MARK, recoded
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.records import MAX_RECORD_BYTES, document_or_rejection, parse_json
from indexer.readers.sources import Source
from indexer.readers.vectors import VectorFields

STDIN: Final = "-"


def read_json_lines(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each line; blank lines are skipped."""
    with source.opened() as opened:
        for item, read, brought in parse_lines(recoded(opened.stream), source.name, fields):
            yield source.gives(item, opened.offset(read), brought)


def read_json_line_values(source: Source) -> Iterator[tuple[int, object]]:
    """The value of each line with its number; an error in place of one that is not JSON."""
    with source.opened() as opened:
        for number, line in _numbered(recoded(opened.stream)):
            try:
                yield number, _record(line)
            except Unreadable as error:
                yield number, error


def read_standard_input(stream: BinaryIO, fields: Fields, before: int) -> Iterator[Read]:
    """The document of each line of a stream, which need not be seekable."""
    for item, read, brought in parse_lines(recoded(stream), STDIN, fields):
        yield Read(item, before + read, brought=brought)


def parse_lines(
    stream: BinaryIO, name: str, fields: Fields
) -> Iterator[tuple[Document | Rejection, int, BroughtVectors | None]]:
    """Each line's document or rejection, the bytes of the stream read so far, and its vectors."""
    read = 0
    vectors = VectorFields(name, fields)
    for number, line in enumerate(_lines(stream), start=1):
        read += len(line)
        line = _bare(number, line)
        if not line:
            continue
        place = f"{name}:{number}"
        try:
            parted = vectors.apart(_record(line), place)
        except Unreadable as error:
            yield Rejection(place, str(error)), read, None
            continue
        yield from ((each, read, None) for each in parted.told)
        item = document_or_rejection(parted.record, fields, place, place)
        yield item, read, parted.brought


def _numbered(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank."""
    for number, line in enumerate(_lines(stream), start=1):
        if bare := _bare(number, line):
            yield number, bare


def _bare(number: int, line: bytes) -> bytes:
    """The line without a byte order mark; empty if it is blank."""
    line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
    return b"" if line.isspace() else line


def _record(line: bytes) -> object:
    if len(line) > MAX_RECORD_BYTES:
        raise Unreadable(f"the line is longer than {MAX_RECORD_BYTES:,} bytes")
    return parse_json(line)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines; one that is too long is cut to one byte more than allowed."""
    for line in iter(partial(stream.readline, MAX_RECORD_BYTES + 1), b""):
        yield line
        if len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n"):
            _skip_line(stream)


def _skip_line(stream: BinaryIO) -> None:
    for piece in iter(partial(stream.readline, MAX_RECORD_BYTES), b""):
        if piece.endswith(b"\n"):
            return
