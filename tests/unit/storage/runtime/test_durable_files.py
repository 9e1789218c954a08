"""Files that are put in place as a whole, and what tells them from others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.storage.runtime.durable_files import bytes_under, file_stamp, write_durably


def test_a_stamp_tells_a_file_from_one_put_in_its_place(tmp_path: Path) -> None:
    """Also from one of the same size and the same time; what is not there has none."""
    file = tmp_path / "file"
    assert file_stamp(file) is None
    write_durably(file, b"first")
    os.utime(file, (1, 1))
    first = file_stamp(file)
    assert first is not None
    assert first == file_stamp(str(file))
    with file.open("rb"):  # so that its inode is not given to the next
        write_durably(file, b"later")
        os.utime(file, (1, 1))
        assert file_stamp(file) != first


@pytest.mark.parametrize(
    ("content", "seconds"), [(b"longer than that", 1), (b"first", 2)], ids=["size", "time"]
)
def test_a_stamp_tells_what_was_written_into_the_same_file(
    tmp_path: Path, content: bytes, seconds: int
) -> None:
    """By its size or by its time."""
    file = tmp_path / "file"
    file.write_bytes(b"first")
    os.utime(file, (1, 1))
    first = file_stamp(file)
    file.write_bytes(content)
    os.utime(file, (seconds, seconds))
    assert file_stamp(file) != first


def test_the_bytes_of_a_folder_are_those_of_all_files_in_it(tmp_path: Path) -> None:
    """However deep; links that lead nowhere and folders count nothing."""
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"x" * 10)
    (tmp_path / "deep" / "deeper" / "two").write_bytes(b"x" * 5)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert bytes_under(tmp_path) == 15


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """What was there is there, and no draft."""
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_durably(tmp_path / "taken", b"file")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "taken"]
