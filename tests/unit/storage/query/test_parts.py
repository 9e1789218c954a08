"""The parts of documents that a search of a collection on disk reads."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from local import create_local, open_local
from samples import DIMENSION, make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import Damaged
from indexer.parts import asked_parts
from indexer.queries import Query
from indexer.storage.sqlite.schema import STORE


@pytest.mark.parametrize("part", ["text", "metadata"])
def test_a_part_that_is_not_asked_for_is_not_read(tmp_path: Path, part: str) -> None:
    """A search for another part does not notice that this one cannot be read."""
    with create_local(tmp_path / "things", make_identity()) as collection:
        document = Document("d", "the text", "A title", {"n": 1})
        collection.put([EmbeddedDocument(document, (Chunk(0, 0, 8),), random_units(1))])
    with closing(sqlite3.connect(tmp_path / "things" / STORE)) as store, store:
        store.execute(f"UPDATE documents SET {part} = x'ff'")
    query, other = np.ones(DIMENSION), {"text": "metadata", "metadata": "text"}[part]
    with open_local(tmp_path / "things") as collection:
        (hit,) = collection.search([Query(vector=query, parts=asked_parts(["title", other]))])[
            0
        ].hits
        assert hit.document.title == "A title"
        with pytest.raises(Damaged):
            collection.search([Query(vector=query, parts=asked_parts([part]))])
