"""The table of formats."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import PurePath

import pytest

from indexer.readers.formats import FORMATS, format_of


@pytest.mark.parametrize(
    ("name", "format", "packed"),
    [
        ("a.jsonl", "JSON Lines", False),
        ("a.b.NDJSON.GZ", "JSON Lines", True),
        ("a.json.gz", "JSON", True),
        ("a.csv", "CSV", False),
        ("a.tsv.gz", "TSV", True),
        ("a.parquet", "Parquet", False),
        ("a.text", "plain text", False),
        ("a.markdown", "Markdown", False),
        ("a.xhtml", "HTML", False),
        ("v1.2.pdf", "PDF", False),
    ],
)
def test_names(name: str, format: str, packed: bool) -> None:
    """A file's name tells its format, and whether it is packed."""
    found = format_of(PurePath(name))
    assert found is not None
    assert (found[0].name, found[1]) == (format, packed)


@pytest.mark.parametrize("name", ["a", "a.gz", "a.pdf.gz", "pdf", ".pdf", "a.exe", "a.json.bz2"])
def test_unknown_names(name: str) -> None:
    """Other names tell none."""
    assert format_of(PurePath(name)) is None


def test_no_suffix_is_claimed_twice() -> None:
    """Each suffix is in one row of the table."""
    counts = Counter(suffix for format in FORMATS for suffix in format.suffixes)
    assert set(counts.values()) == {1}


def test_importing_the_readers_is_light() -> None:
    """The libraries of the formats are imported when a file needs them, not before."""
    code = (
        "import sys, indexer.readers\n"
        "print([m for m in ('pyarrow', 'pypdf', 'selectolax', 'markdown_it', 'yaml', 'torch')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
