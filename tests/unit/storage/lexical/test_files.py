"""Files of arrays: what was written, or an error that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.errors import Damaged, StorageFailed
from indexer.storage.lexical.files import read_arrays, write_arrays

ARRAYS = {
    "numbers": np.arange(100, dtype=np.int64),
    "none": np.empty(0, np.uint32),
    "bytes": np.arange(7, dtype=np.uint8),
    "codes": np.arange(50, dtype=np.uint16)[::2],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of some arrays."""
    write_arrays(tmp_path / "file", ARRAYS)
    return tmp_path / "file"


def test_what_is_written_is_read(path: Path) -> None:
    """Names, types and values; also when the file was removed meanwhile."""
    found = read_arrays(path)
    path.unlink()
    assert list(found) == list(ARRAYS)
    for name, values in ARRAYS.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)
        assert not found[name].flags.writeable


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    """Wherever it is."""
    written = path.read_bytes()
    for place in range(len(written)):
        changed = bytearray(written)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(Damaged, match="file"):
            read_arrays(path)


@pytest.mark.parametrize("size", [0, 1, 9, 16, 20, 500])
def test_a_cut_file_is_noticed(path: Path, size: int) -> None:
    """So is one that is gone, and one that is longer."""
    written = path.read_bytes()
    path.write_bytes(written[:size])
    with pytest.raises(Damaged, match="file"):
        read_arrays(path)
    path.write_bytes(written + b"x")
    with pytest.raises(Damaged, match="file"):
        read_arrays(path)
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        read_arrays(path)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(StorageFailed, match="nowhere"):
        write_arrays(tmp_path / "nowhere" / "file", ARRAYS)
