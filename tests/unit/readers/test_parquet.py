"""Parquet files."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer.readers import Fields
from indexer.readers.parquet import BATCH_ROWS


@pytest.fixture
def write(folder: Path):
    """Write a table to a file."""

    def write_table(columns: dict[str, object], name: str = "t.parquet") -> str:
        pq.write_table(pa.table(columns), name, row_group_size=700)
        return name

    return write_table


def test_rows_are_documents(write, read_all) -> None:
    """Each row is a document; one without id is called by file and row."""
    name = write({"_id": ["a", None], "title": ["T", None], "text": ["one", "two"], "n": [1, 2]})
    found = read_all(name)
    assert [(d.id, d.title, d.text, d.metadata) for d in found.documents] == [
        ("a", "T", "one", {"n": 1}),
        ("t.parquet:2", None, "two", {"n": 2}),
    ]


def test_columns_of_all_kinds(write, read_all) -> None:
    """Columns become what JSON has for them; null and NaN are no field."""
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    name = write(
        {
            "text": pa.array([b"caf\xc3\xa9"], pa.binary()),
            "nanoseconds": pa.array([moment], pa.timestamp("ns", "UTC")),
            "day": pa.array([moment.date()]),
            "price": pa.array([decimal.Decimal("1.25")]),
            "nan": [float("nan")],
            "null": pa.array([None], pa.string()),
            "tags": [["a", None, "b"]],
            "author": [{"name": "n", "born": 1900}],
            "labels": [[{"name": "x"}, {"name": "y"}]],
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
            "kind": pa.array(["c"]).dictionary_encode(),
            "flag": [True],
        }
    )
    document = read_all(name).document
    assert document.text == "café"
    assert document.metadata == {
        "nanoseconds": "2024-01-02T03:04:05+00:00",
        "day": "2024-01-02",
        "price": 1.25,
        "tags": ["a", None, "b"],
        "author.name": "n",
        "author.born": 1900,
        "labels.name": ["x", "y"],
        "map.k": 1,
        "kind": "c",
        "flag": True,
    }


def test_bad_rows_do_not_stop_the_others(write, read_all) -> None:
    """A row that cannot be read is rejected by its number."""
    far = pa.array([0, 2**62, 0, 0], pa.timestamp("us"))
    blob = pa.array([b"ok", b"ok", b"\xff", b"ok"], pa.binary())
    found = read_all(write({"text": ["a", "b", "c", None], "far": far, "blob": blob}))
    assert [d.text for d in found.documents] == ["a"]
    places = [r.place for r in found.rejections]
    assert places == ["t.parquet:row 2", "t.parquet:row 3", "t.parquet:row 4"]
    assert found.rejections[2].reason == "the text must be a string, got null"


def test_many_rows(write, read_all) -> None:
    """Rows over several batches and row groups come in order, and progress to the end."""
    count = 2 * BATCH_ROWS + 5
    name = write({"body": [f"text {n}" for n in range(count)]})
    found = read_all(name, fields=Fields(text="body"))
    assert [d.text for d in found.documents] == [f"text {n}" for n in range(count)]
    assert found.documents[-1].id == f"t.parquet:{count}"
    assert found.reads[-1].consumed == Path(name).stat().st_size


def test_no_text_column(write, read_all) -> None:
    """A table without the text's column is rejected as a whole."""
    rejection = read_all(write({"body": ["x"]})).rejection
    assert (
        rejection.reason
        == "no field 'text', but 'body'; for `bearing index`, --text-field names another"
    )


@pytest.mark.parametrize("keep", [0, 4, 200, -5])
def test_damaged_files(write, read, keep: int) -> None:
    """A file that is no Parquet, or broken off, is rejected."""
    data = Path(write({"text": ["x"] * 100}, "whole.parquet")).read_bytes()
    found = read("t.parquet", data[:keep])
    assert found.rejection.place == "t.parquet"


def test_damaged_pages(write, read) -> None:
    """Damage inside a file is a rejection, never a crash."""
    name = write({"text": [f"text number {n}" for n in range(5000)]}, "whole.parquet")
    data = bytearray(Path(name).read_bytes())
    for position in range(100, len(data) // 2, 50):
        data[position] ^= 0xFF
    found = read("t.parquet", bytes(data))
    assert found.rejections
