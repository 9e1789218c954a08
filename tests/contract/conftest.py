"""Every implementation of Collection, empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import make_identity

from indexer.collection import Collection
from indexer.storage.collection import LocalCollection


@pytest.fixture(params=["local"])
def collection(tmp_path: Path) -> Iterator[Collection]:
    """An empty collection of each implementation."""
    with LocalCollection.create(tmp_path / "things", make_identity()) as collection:
        yield collection
