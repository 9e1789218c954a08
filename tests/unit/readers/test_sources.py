"""Opening files without being surprised."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from indexer.errors import Unreadable
from indexer.readers.sources import Source, open_regular


def test_pipe_in_place_of_a_file(folder: Path) -> None:
    """A pipe that took a file's place after it was found is refused, and nothing waits for it."""
    os.mkfifo("a.txt")
    with pytest.raises(Unreadable, match="a named pipe is not opened"):
        open_regular(Path("a.txt"))


def test_folder_in_place_of_a_file(folder: Path) -> None:
    """So is a folder."""
    with pytest.raises(Unreadable, match="a folder is not opened"):
        open_regular(folder)


def test_content_is_bounded(folder: Path) -> None:
    """Content over the limit is refused with the limit; content at the limit is whole."""
    Path("a.txt").write_bytes(b"12345")
    source = Source(Path("a.txt"), "a.txt", 5)
    assert source.content(5) == b"12345"
    with pytest.raises(Unreadable, match="larger than 4 bytes"):
        source.content(4)


def test_missing_file(folder: Path) -> None:
    """What the file system objects to is told in its words."""
    with pytest.raises(Unreadable, match="cannot be read: No such file"):
        Source(Path("a.txt"), "a.txt", 5).content(5)


@pytest.mark.parametrize("written", [0, 1, 9, 10, 11, 300_000])
@pytest.mark.parametrize("known", [0, 5, 9, 400_000])
@pytest.mark.parametrize("packed", [False, True])
def test_all_of_a_file_is_read_whatever_size_it_had(
    tmp_path: Path, written: int, known: int, packed: bool
) -> None:
    """Also of one that has grown or shrunk since it was looked at; more than allowed is refused."""
    content = bytes(range(256)) * 2_000
    file = tmp_path / "a"
    file.write_bytes(gzip.compress(content[:written]) if packed else content[:written])
    source = Source(file, "a", known, compressed=packed)
    assert source.content(written) == source.content(500_000) == content[:written]
    if written:
        with pytest.raises(Unreadable, match="larger than"):
            source.content(written - 1)
