"""A file is told to be unchanged without being opened, where that is safe."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.ingestion.file_state import (
    COARSEST_CLOCK_NS,
    MOST_REJECTIONS,
    FileState,
    digest_of,
    reading_of,
)
from indexer.readers.reading import Fields, Rejection


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "file.txt"
    path.write_text("content")
    return path


def state_of(path: Path, later_ns: int) -> FileState:
    """The state of a file that was looked at some time after it was changed."""
    status = path.stat()
    return FileState.of(status, status.st_ctime_ns + later_ns, "r", digest_of(path))


def test_an_old_file_is_known_by_its_status(file: Path) -> None:
    """A new size, time or inode makes it look changed, also where the time was set back."""
    state = state_of(file, COARSEST_CLOCK_NS + 1)
    assert state.looks_same(file.stat())
    os.utime(file, ns=(0, state.modified))
    assert not state.looks_same(file.stat())
    assert state.has_content(file.stat(), file)
    file.write_text("c0ntent")
    assert not state.has_content(file.stat(), file)
    for change in ({"size": 8}, {"modified": 1}, {"changed": 1}, {"inode": 0}):
        other = replace(state_of(file, COARSEST_CLOCK_NS + 1), **change)
        assert not other.looks_same(file.stat())


def test_a_young_file_is_looked_into(file: Path) -> None:
    """A change within the same tick of a coarse clock would leave its status as it was."""
    assert not state_of(file, COARSEST_CLOCK_NS).looks_same(file.stat())


def test_a_state_is_what_was_encoded(file: Path) -> None:
    """With its rejections, unless they are many; anything else is no state."""
    state = state_of(file, 0).with_rejections([Rejection("file.txt:1", "no \x00 \U0001f319")])
    assert FileState.decode(state.encode()) == state
    many = state.with_rejections([Rejection("p", "r")] * (MOST_REJECTIONS + 1))
    for stamp in (many.encode(), "", "[]", "{}", '{"rejections": []}', "run"):
        assert FileState.decode(stamp) is None


def test_other_options_are_another_reading() -> None:
    """So that a file is read again when they change."""
    options = [Fields(), Fields(id="a"), Fields(text="a"), Fields(title="a"), Fields(ocr="eng")]
    assert len({reading_of(one) for one in options}) == len(options)
