"""Locks of files, which one open file at a time holds, in this process or another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.errors import StorageFailed
from indexer.storage.runtime.locks import is_free, only_process, try_lock


def test_a_lock_is_held_until_its_file_is_closed(tmp_path: Path) -> None:
    """Whoever else tries is told so at once."""
    with (tmp_path / "lock").open("a") as one, (tmp_path / "lock").open("a") as other:
        assert try_lock(one)
        assert try_lock(one)  # it has it
        assert not try_lock(other)
        one.close()
        assert try_lock(other)


def test_a_folder_can_be_locked_too(tmp_path: Path) -> None:
    """By its descriptor."""
    one, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert try_lock(one)
        assert not try_lock(other)
    finally:
        os.close(one)
        os.close(other)


def test_to_ask_for_a_lock_is_not_to_hold_it(tmp_path: Path) -> None:
    """It is free before and after somebody asked, and not while somebody holds it."""
    with (tmp_path / "lock").open("a") as one, (tmp_path / "lock").open("r") as other:
        assert is_free(other)
        assert is_free(other)
        assert try_lock(one)
        assert not is_free(other)
        one.close()
        assert is_free(other)


def test_one_at_a_time_has_the_file_of_a_lock(tmp_path: Path) -> None:
    """The next has none; where there can be no file, that is an error."""
    with only_process(tmp_path / "lock") as one:
        assert one is not None
        with only_process(tmp_path / "lock") as other:
            assert other is None
    with only_process(tmp_path / "lock") as again:
        assert again is not None
    with (
        pytest.raises(StorageFailed, match=r"cannot write to .*nowhere"),
        only_process(tmp_path / "nowhere" / "lock"),
    ):
        pass
