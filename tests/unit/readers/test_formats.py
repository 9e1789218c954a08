"""The table of formats."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from inspect import signature
from pathlib import Path, PurePath

import pytest

from indexer.readers.formats import FORMATS, Format, format_of, format_of_content


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.jsonl", "JSON Lines"),
        ("a.b.NDJSON.GZ", "JSON Lines"),
        ("a.json.gz", "JSON"),
        ("a.csv", "CSV"),
        ("a.tsv.gz", "TSV"),
        ("a.parquet", "Parquet"),
        ("a.text", "plain text"),
        ("a.markdown", "Markdown"),
        ("a.xhtml", "HTML"),
        ("v1.2.pdf", "PDF"),
        ("v1.2.pdf.gz", "PDF"),
    ],
)
def test_names(name: str, format: str) -> None:
    """A file's name tells its format, packed or not."""
    found = format_of(PurePath(name))
    assert found is not None
    assert found.name == format


@pytest.mark.parametrize("name", ["a", "a.gz", "pdf", ".pdf", "a.exe", "a.json.bz2"])
def test_unknown_names(name: str) -> None:
    """Other names tell none."""
    assert format_of(PurePath(name)) is None


@pytest.mark.parametrize(
    ("start", "format"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"<!-- saved --> <!DOCTYPE html><title>T", "HTML"),
        (b'\xef\xbb\xbf{"id": 1, "text": "x"}\n', "JSON"),
        (b'{"level": "info", "msg": "started"}\n', "plain text"),
        (b"All rights reserved.", "plain text"),
        ("Grüße".encode("utf-16"), "plain text"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image"),
        (b"\xff\xd8\xff\xe0\0\x10", "image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image"),
        (b"\0\0\0\x1cftypavif", "image"),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
    ],
)
def test_content(start: bytes, format: str | None) -> None:
    """Where the name tells nothing the first bytes do; JSON is records if it has the text."""
    found = format_of_content(start, "text")
    assert (found.name if found else None) == format


def test_no_suffix_is_claimed_twice() -> None:
    """Each suffix is in one row of the table."""
    counts = Counter(suffix for format in FORMATS for suffix in format.suffixes)
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("format", FORMATS, ids=lambda one: one.name)
def test_each_reader_is_where_its_row_says(format: Format) -> None:
    """A module of the room has a function that takes a source and the fields."""
    assert list(signature(format.read).parameters)[:2] == ["source", "fields"]
    assert format.read.__module__ == f"indexer.readers.{format.reader.split(':')[0]}"


def test_importing_the_readers_is_light() -> None:
    """The libraries of the formats are imported when a file needs them, not before."""
    code = (
        "import sys, indexer.readers\n"
        "print([m for m in ('pyarrow', 'pypdf', 'selectolax', 'markdown_it', 'yaml', 'torch')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_format_is_in_the_documentation() -> None:
    """The table of what is read names all rows, and what is told by content those that can be."""
    page = (Path(__file__).parents[3] / "docs" / "indexing.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| one for each", page, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} == {one.name for one in FORMATS}
    (told,) = re.findall(r"is told by its\ncontent: ([^.]+)\.", page)
    assert all(one.name in told for one in FORMATS if one.begins)
