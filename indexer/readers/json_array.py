"""JSON files: an array of records, an object that holds one, a single record, or JSON Lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from indexer.errors import Unreadable
from indexer.readers.arrow_tables import is_about_dataset
from indexer.readers.decoding import decode, marked_encoding
from indexer.readers.json_lines import read_json_line_values, read_json_lines
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.records import (
    MAX_RECORD_BYTES,
    TEXT_FIELD,
    TITLE_FIELD,
    document_or_rejection,
    parse_json,
)
from indexer.readers.sources import Source
from indexer.readers.vectors import VectorFields, is_vector

MAX_JSON_BYTES: Final = 256 * 2**20
"""A JSON file is read as a whole; a larger one should be JSON Lines."""


def read_json(source: Source, fields: Fields) -> Iterator[Read]:
    """The document of each record; the n-th has the place ``name:n`` if it has no id.

    An object is one record if it has the text's field; else it, or an object within it, must hold
    exactly one list of objects, under any name, and those are the records, as in the answers of
    Solr and Elasticsearch. The result of Chroma's ``get()``, a list for each field, is read as
    records too. A file whose first line is a complete object, followed by more lines, is read as
    JSON Lines. A file that only tells about a dataset of Hugging Face's beside it holds none.
    """
    if is_about_dataset(source.path):
        return
    if _holds_lines(source):
        yield from read_json_lines(source, fields)
        return
    records = find_records(parse_json(_utf8(source.content(MAX_JSON_BYTES))), fields)
    vectors = VectorFields(source.name, fields)
    for number, given in enumerate(records, start=1):
        place = f"{source.name}:record {number}"
        offset = source.size * number // len(records)
        try:
            parted = vectors.apart(given, place)
        except Unreadable as error:
            yield source.gives(Rejection(place, str(error)), offset)
            continue
        yield from (source.gives(each, offset) for each in parted.told)
        item = document_or_rejection(parted.record, fields, place, f"{source.name}:{number}")
        yield source.gives(item, offset, parted.brought)


def read_json_values(source: Source, named: str) -> Iterator[tuple[int, object]]:
    """The records with their numbers; a lone object is one if it has the field ``named``."""
    if _holds_lines(source):
        yield from read_json_line_values(source)
        return
    value = parse_json(_utf8(source.content(MAX_JSON_BYTES)))
    yield from enumerate(find_records(value, Fields(text=named)), start=1)


def find_records(value: object, fields: Fields) -> list[object]:
    """The records in a JSON value; raises Unreadable if there are none."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise Unreadable("expected an array of records, or an object")
    if (fields.text or TEXT_FIELD).split(".")[0] in value:
        return [value]
    columns = _chroma_records(value)
    if columns is not None:
        return columns
    for lists in (_record_lists(value), _record_lists_within(value)):
        if len(lists) == 1:
            return [_found(record, fields) for record in lists[0]]
        if lists:
            break
    raise Unreadable(
        f"expected an array of records, a record with a field {fields.text or TEXT_FIELD!r}, or "
        f"an object with one list of records; this one has {len(lists)} of them"
    )


def _record_lists(value: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    return [inner for inner in value.values() if _is_records(inner)]


def _record_lists_within(value: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    objects = [inner for inner in value.values() if isinstance(inner, dict)]
    return [records for inner in objects for records in _record_lists(inner)]


def _chroma_records(value: Mapping[str, Any]) -> list[object] | None:
    """The records in a result of Chroma's ``get()``; raises Unreadable if it holds no texts."""
    ids = value.get("ids")
    if not isinstance(ids, list) or "metadatas" not in value or "documents" not in value:
        return None
    texts, metadata = value["documents"], value["metadatas"] or [None] * len(ids)
    if not isinstance(texts, list):
        raise Unreadable('Chroma\'s answer holds no documents: get(include=["documents", ...])')
    if not len(ids) == len(texts) == len(metadata):
        raise Unreadable("ids, documents and metadatas are not as many")
    columns = zip(ids, texts, metadata, strict=True)
    records = [{"id": id, "text": text, "metadata": facts} for id, text, facts in columns]
    vectors = value.get("embeddings")
    for record, vector in zip(records, vectors if isinstance(vectors, list) else (), strict=False):
        if is_vector(vector):
            record["embeddings"] = vector  # which is reported as left out
    return list(records)


def _found(record: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """A search engine's record in its stored form.

    Elasticsearch puts it within ``_source``; Solr returns every field as a list unless its schema
    says that there is one value.
    """
    inner = record.get("_source")
    if isinstance(inner, dict):
        return {"_id": record.get("_id"), **inner}
    roles = {fields.id, fields.text or TEXT_FIELD, fields.title or TITLE_FIELD}
    return {
        name: value[0] if name in roles and isinstance(value, list) and len(value) == 1 else value
        for name, value in record.items()
    }


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
