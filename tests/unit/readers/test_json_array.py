"""JSON files."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from indexer.readers import Fields

RECORDS = [{"_id": "a", "text": "one"}, {"text": "two"}]


def test_array_of_records(read) -> None:
    """Each element is a document; one without id is called by file and position."""
    found = read("c.json", json.dumps(RECORDS, indent=2))
    assert [(d.id, d.text) for d in found.documents] == [("a", "one"), ("c.json:2", "two")]


def test_object_with_one_list(read) -> None:
    """An object that holds one list of records gives these, whatever else is in it."""
    found = read("c.json", json.dumps({"version": 2, "tags": ["x"], "data": RECORDS}))
    assert [d.text for d in found.documents] == ["one", "two"]


def test_single_record(read) -> None:
    """An object with a text is one document, even if it holds a list of objects."""
    document = read("c.json", json.dumps({"text": "t", "refs": [{"u": 1}]})).document
    assert document.id == "c.json:1"
    assert document.metadata == {"refs.u": [1]}


def test_named_text_field(read) -> None:
    """What counts as a text is what was named."""
    found = read("c.json", json.dumps({"body": {"en": "x"}}), Fields(text="body.en"))
    assert found.document.text == "x"


def test_json_lines_by_another_name(read) -> None:
    """A .json file that holds JSON Lines is read as such, line by line."""
    lines = "\n".join(json.dumps(record) for record in RECORDS) + "\nbroken\n"
    found = read("c.json", lines)
    assert [d.text for d in found.documents] == ["one", "two"]
    assert [r.place for r in found.rejections] == ["c.json:3"]


def test_bad_records_do_not_stop_the_others(read) -> None:
    """A bad record is rejected by its position."""
    found = read("c.json", json.dumps([RECORDS[0], 3, {"n": 1}, RECORDS[1]]))
    assert len(found.documents) == 2
    assert [r.place for r in found.rejections] == ["c.json:record 2", "c.json:record 3"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"text": "a"},\n {"text": }]', "not JSON: .* at line 2"),
        (b'[{"text": "a"}', "not JSON"),
        (b"", "not JSON"),
        (b"3", "expected an array of records"),
        (b'{"n": 1}', "this one has 0 of them"),
        (b'{"a": [{}], "b": [{}]}', "this one has 2 of them"),
        (b'[{"text": "a", "text": "b"}]', "the field 'text' is there twice"),
    ],
)
def test_files_without_records(read, content: bytes, reason: str) -> None:
    """A file that holds no records is rejected as a whole, with the line where it fails."""
    rejection = read("c.json", content).rejection
    assert rejection.place == "c.json"
    assert re.search(reason, rejection.reason)


def test_packed_and_marked(read) -> None:
    """Packed files and byte order marks are understood."""
    data = json.dumps(RECORDS)
    assert len(read("c.json.gz", gzip.compress(data.encode())).documents) == 2
    assert len(read("d.json", data.encode("utf-8-sig")).documents) == 2
    assert len(read("e.json", data.encode("utf-16")).documents) == 2


def test_progress_reaches_the_end(read) -> None:
    """The last record has the whole file behind it."""
    data = json.dumps(RECORDS)
    assert read("c.json", data).reads[-1].consumed == len(data)


def test_chroma(read) -> None:
    """What Chroma's get() gives, a list for each field, are records."""
    data = {
        "ids": ["a", "b"],
        "embeddings": None,
        "documents": ["x", "y"],
        "uris": None,
        "included": ["metadatas", "documents"],
        "data": None,
        "metadatas": [{"year": 2024}, None],
    }
    found = read("c.json", json.dumps(data))
    assert [(each.id, each.text, each.metadata) for each in found.documents] == [
        ("a", "x", {"year": 2024}),
        ("b", "y", {}),
    ]
    vectors = {**data, "embeddings": [[0.5] * 384] * 2}
    found = read("v.json", json.dumps(vectors))
    assert [one.place for one in found.rejections] == ["v.json:field embeddings"]
    assert [each.metadata for each in found.documents] == [{"year": 2024}, {}]
    without = json.dumps({**data, "documents": None})
    assert "holds no documents" in read("d.json", without).rejection.reason


def test_search_engines(read) -> None:
    """The answers of Solr and Elasticsearch hold records one object further down."""
    solr = {
        "responseHeader": {"status": 0, "params": {"q": "*:*"}},
        "response": {"numFound": 1, "docs": [{"id": "1", "text": ["x"], "tags": ["a"]}]},
    }
    document = read("s.json", json.dumps(solr)).document
    assert (document.id, document.text, document.metadata) == ("1", "x", {"tags": ["a"]})
    hit = {"_index": "i", "_id": "7", "_score": 1.0, "_source": {"text": "y", "n": 1}}
    elastic = {"took": 1, "hits": {"total": {"value": 1}, "hits": [hit]}}
    document = read("e.json", json.dumps(elastic)).document
    assert (document.id, document.text, document.metadata) == ("7", "y", {"n": 1})
