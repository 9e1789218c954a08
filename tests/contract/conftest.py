"""Every implementation of Collection, empty."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import make_identity

from indexer.collection import Collection
from indexer.storage.collection import LocalCollection

# Haystack reads it when it is imported, which is later, and tells of each pipeline otherwise.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "false"


@pytest.fixture(params=["local"])
def collection(tmp_path: Path) -> Iterator[Collection]:
    """An empty collection of each implementation."""
    with LocalCollection.create(tmp_path / "things", make_identity()) as collection:
        yield collection
