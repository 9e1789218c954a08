"""JSON Lines, in files, packed files, and on standard input."""

from __future__ import annotations

import gzip
import io
import json
import os

import pytest

from indexer.readers import read_paths
from indexer.readers.records import MAX_RECORD_BYTES

GOOD = b'{"_id": "a", "text": "one"}\n'


def test_each_line_is_a_document(read) -> None:
    """Each line is a document; one without id is called by file and line."""
    found = read("c.jsonl", GOOD + b'{"text": "two", "n": 2}\n')
    assert [d.id for d in found.documents] == ["a", "c.jsonl:2"]
    assert found.documents[1].metadata == {"n": 2}
    assert not found.rejections


def test_bad_lines_do_not_stop_the_others(read) -> None:
    """Each bad line is rejected by its number; the lines around it are read."""
    lines = [GOOD, b"not json\n", b"\xff\xfe\n", b"\n", b"  \n", b"[1]\n", b'{"a": 1}\n', GOOD]
    found = read("c.jsonl", b"".join([lines[0], *lines[1:]]))
    assert len(found.documents) == 2
    places = [rejection.place for rejection in found.rejections]
    assert places == ["c.jsonl:2", "c.jsonl:3", "c.jsonl:6", "c.jsonl:7"]


def test_last_line_without_newline(read) -> None:
    """The last line needs no newline."""
    assert read("c.ndjson", GOOD[:-1]).document.text == "one"


def test_windows_lines_and_mark(read) -> None:
    """A byte order mark and carriage returns are no part of the records."""
    found = read("c.jsonl", b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") * 2)
    assert [d.text for d in found.documents] == ["one", "one"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_with_mark(read, encoding: str) -> None:
    """UTF-16 and UTF-32 with a byte order mark, as Windows shells write it, are decoded."""
    text = "".join(f'{{"_id": "{n}", "text": "käse {n} 🧀"}}\n' for n in range(5000))
    found = read("c.jsonl", text.encode(encoding))
    assert len(found.documents) == 5000
    assert found.documents[4999].text == "käse 4999 🧀"


def test_too_long_line(read) -> None:
    """A line over the limit is rejected without being held; the next line is read."""
    long = b'{"text": "' + b"x" * (2 * MAX_RECORD_BYTES) + b'"}\n'
    found = read("c.jsonl", long + GOOD)
    assert [r.place for r in found.rejections] == ["c.jsonl:1"]
    assert "longer than" in found.rejections[0].reason
    assert [d.id for d in found.documents] == ["a"]


def test_packed(read) -> None:
    """A packed file is read as if it were not, and progress counts its packed bytes."""
    packed = gzip.compress(GOOD * 3)
    found = read("c.jsonl.gz", packed)
    assert len(found.documents) == 3
    assert 0 < found.reads[-1].consumed <= len(packed)


def test_damaged_packed_file(read) -> None:
    """Of a packed file that breaks off, what came before is read and the break is rejected."""
    lines = b"".join(
        json.dumps({"_id": str(n), "text": os.urandom(40).hex()}).encode() + b"\n"
        for n in range(5000)
    )
    packed = gzip.compress(lines)
    found = read("c.jsonl.gz", packed[: len(packed) // 2])
    assert 100 < len(found.documents) < 5000
    assert [r.place for r in found.rejections] == ["c.jsonl.gz"]
    assert "gzip" in found.rejections[0].reason


def test_not_packed_at_all(read) -> None:
    """A file that is called .gz and is none is rejected."""
    assert "gzip" in read("c.jsonl.gz", GOOD).rejection.reason


def test_standard_input() -> None:
    """A dash reads JSON Lines from a stream; places and ids begin with the dash."""
    stream = io.BytesIO(GOOD + b"{}\n" + b'{"text": "x"}\n')
    first, second, third = read_paths(["-"], stdin=stream)
    assert first.item.id == "a"
    assert second.item.place == "-:2"
    assert third.item.id == "-:3"
    assert [first.consumed, third.consumed] == [len(GOOD), len(stream.getvalue())]


def test_empty_file(read) -> None:
    """A file without lines has no documents, and nothing wrong with it."""
    assert read("c.jsonl", b"").reads == []


def test_progress_counts_bytes(read) -> None:
    """Each step says how many bytes are behind it."""
    found = read("c.jsonl", GOOD * 3)
    assert [r.consumed for r in found.reads] == [len(GOOD), 2 * len(GOOD), 3 * len(GOOD)]


def test_vectors_are_left_out(read) -> None:
    """Vectors among the fields are told once and left out; short lists and whole numbers stay."""
    vector = [0.25] * 384
    record = {"text": "x", "e": vector, "metadata": {"v": vector, "n": list(range(80))}}
    found = read("v.jsonl", (json.dumps(record) + "\n") * 2)
    assert [each.metadata for each in found.documents] == [{"n": list(range(80))}] * 2
    assert [each.place for each in found.rejections] == [
        "v.jsonl:field e",
        "v.jsonl:field metadata.v",
    ]
