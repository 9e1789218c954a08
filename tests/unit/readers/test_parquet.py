"""Parquet files."""

from __future__ import annotations

import datetime
import decimal
import gzip
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
        "nanoseconds": "2024-01-02T03:04:05Z",
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


def test_vectors_are_left_out(folder: Path, read_all) -> None:
    """A column of vectors is told and left out; a short list of numbers is metadata."""
    import numpy as np

    vectors = pa.array([[0.5] * 384, None], pa.list_(pa.float32()))
    fixed = pa.FixedSizeListArray.from_arrays(np.zeros(2 * 256, np.float16), 256)
    table = pa.table({"id": ["a", "b"], "text": ["x", "y"], "e": vectors, "f": fixed})
    pq.write_table(table.append_column("point", pa.array([[1.5, 2.5]] * 2)), "v.parquet")
    found = read_all("v.parquet")
    assert [each.metadata for each in found.documents] == [{"point": [1.5, 2.5]}] * 2
    assert [(each.place, "vectors of" in each.reason) for each in found.rejections] == [
        ("v.parquet:field e", True),
        ("v.parquet:field f", True),
    ]


def test_nested_nanoseconds(folder: Path, read_all) -> None:
    """Moments to the nanosecond within objects, lists and maps are read to the microsecond."""
    moment = 1_700_000_000_123_456_789
    inner = pa.struct([("at", pa.timestamp("ns")), ("all", pa.list_(pa.timestamp("ns")))])
    columns = {
        "id": ["a"],
        "text": ["x"],
        "s": pa.array([{"at": moment, "all": [moment]}], inner),
        "m": pa.array([[("k", moment)]], pa.map_(pa.string(), pa.timestamp("ns"))),
    }
    pq.write_table(pa.table(columns), "n.parquet")
    text = "2023-11-14T22:13:20.123456"
    assert read_all("n.parquet").document.metadata == {"s.at": text, "s.all": [text], "m.k": text}


def test_long_decimals(folder: Path, read_all) -> None:
    """Decimals of 256 bits are numbers; a row whose would be rounded is rejected."""
    numbers = [
        decimal.Decimal("12345678901234567890123456789.12"),
        decimal.Decimal("7.00"),
        decimal.Decimal("0.10"),
    ]
    column = pa.array(numbers, pa.decimal256(60, 2))
    pq.write_table(pa.table({"text": ["x", "y", "z"], "n": column}), "d.parquet")
    found = read_all("d.parquet")
    assert [each.metadata for each in found.documents] == [{"n": 7}, {"n": 0.1}]
    assert "would be rounded" in found.rejections[0].reason


def test_two_columns_of_one_name(folder: Path, read_all) -> None:
    """Neither of two columns of one name is taken for the other: the file is rejected."""
    columns = [pa.array(["x"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, ["text", "n", "n"]), "t.parquet")
    assert read_all("t.parquet").rejection.reason == "two columns are called 'n'"


def test_packed(folder: Path, read_all) -> None:
    """A packed file is unpacked and read."""
    pq.write_table(pa.table({"text": ["x"]}), "p.parquet")
    Path("p.parquet.gz").write_bytes(gzip.compress(Path("p.parquet").read_bytes()))
    assert read_all("p.parquet.gz").document.text == "x"


def test_time_zones(folder: Path, read_all) -> None:
    """Moments of a column with a time zone are told in it, also where an hour comes twice."""
    utc = datetime.UTC
    moments = [datetime.datetime(2024, 11, 3, hour, 30, tzinfo=utc) for hour in (5, 6, 12)]
    column = pa.array(moments, pa.timestamp("us", tz="America/New_York"))
    pq.write_table(pa.table({"text": ["x", "y", "z"], "at": column}), "z.parquet")
    told = [each.metadata["at"] for each in read_all("z.parquet").documents]
    assert told == [
        "2024-11-03T01:30:00-04:00",
        "2024-11-03T01:30:00-05:00",
        "2024-11-03T07:30:00-05:00",
    ]
