"""JSON files: an array of records, an object that holds one, a single record, or JSON Lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from indexer.errors import Unreadable
from indexer.readers.decoding import decode, marked_encoding
from indexer.readers.json_lines import read_json_lines
from indexer.readers.reading import Fields, Read
from indexer.readers.records import (
    MAX_RECORD_BYTES,
    TEXT_FIELD,
    document_or_rejection,
    parse_json,
)
from indexer.readers.sources import Source

MAX_JSON_BYTES: Final = 256 * 2**20
"""A JSON file is read at once; a larger one is better written as JSON Lines."""


def read_json(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each record; the n-th has the place ``name:n`` if it has no id.

    An object is one record if it has the text's field; else it must hold exactly one list of
    objects, whatever it is called, and those are the records. A file whose first line is an
    object by itself, with more lines to follow, is JSON Lines under another name.
    """
    if _holds_lines(source):
        yield from read_json_lines(source, fields)
        return
    records = find_records(parse_json(_utf8(source.content(MAX_JSON_BYTES))), fields)
    for number, record in enumerate(records, start=1):
        place = f"{source.name}:record {number}"
        item = document_or_rejection(record, fields, place, f"{source.name}:{number}")
        yield source.gives(item, source.size * number // len(records))


def find_records(value: object, fields: Fields) -> list[object]:
    """The records that a JSON value holds; raises Unreadable if it holds none."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise Unreadable("expected an array of records, or an object")
    if (fields.text or TEXT_FIELD).split(".")[0] in value:
        return [value]
    lists = [inner for inner in value.values() if _is_records(inner)]
    if len(lists) == 1:
        return list(lists[0])
    raise Unreadable(
        f"expected an array of records, a record with a field {fields.text or TEXT_FIELD!r}, or "
        f"an object with one list of records; this one has {len(lists)} of them"
    )


def _is_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _holds_lines(source: Source) -> bool:
    with source.opened() as opened:
        first = opened.stream.readline(MAX_RECORD_BYTES)
        more = opened.stream.read(1)
    if not more or not first.lstrip().startswith(b"{"):
        return False
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return True


def _utf8(data: bytes) -> bytes:
    encoding = marked_encoding(data)
    return decode(data).text.encode() if encoding else data
