"""Lines in a file: what a power cut and other processes leave of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import NotFound
from indexer.storage.kept_lines import LINES, KeptLines


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """What a power cut left of a line stays alone on it."""
    (tmp_path / LINES).write_bytes(b"whole\nto")
    lines = KeptLines(tmp_path)
    lines.append(b"next", 10)
    assert lines.read() == [b"whole", b"to", b"next"]


def test_lines_of_another_process_are_counted(tmp_path: Path) -> None:
    """The bound holds for all that write to a file, and all see what the others wrote."""
    one, other = KeptLines(tmp_path), KeptLines(tmp_path)
    for n in range(8):
        (one if n % 2 else other).append(b"%d" % n, 5)
    assert one.read() == other.read() == [b"3", b"4", b"5", b"6", b"7"]
    assert one.secret() == other.secret()
    assert other.clear() == 5
    assert one.read() == []


def test_a_deleted_collection_keeps_nothing(tmp_path: Path) -> None:
    """A judgement that comes too late makes no folder anew."""
    lines = KeptLines(tmp_path / "gone")
    with pytest.raises(NotFound):
        lines.append(b"late", 5)
    assert not (tmp_path / "gone").exists()
