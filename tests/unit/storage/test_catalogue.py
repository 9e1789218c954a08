"""The catalogue of a folder: what it leaves behind."""

from __future__ import annotations

import gc
from pathlib import Path

from samples import make_identity

from indexer.index_choice import Language
from indexer.storage.catalogue import LocalCatalogue


def test_creating_holds_nothing_open(tmp_path: Path) -> None:
    """The log of a new store is gone once it was created, without a garbage collection."""
    catalogue = LocalCatalogue(tmp_path)
    gc.disable()
    try:
        catalogue.create("c", make_identity(), Language.ENGLISH)
        assert [path.name for path in (tmp_path / "c").glob("store.sqlite*")] == ["store.sqlite"]
    finally:
        gc.enable()
