"""Counts of a state of the store, which the first search after each write asks for."""

from __future__ import annotations

from pathlib import Path

from local import create_local, engine_of
from samples import make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.storage.sqlite.snapshot import COUNT_UNKNOWN


def test_documents_of_which_nothing_is_known_are_counted_by_their_index(tmp_path: Path) -> None:
    """Each once, however many of its passages are; no other chunk is read for it."""
    vectors = random_units(40)
    with create_local(tmp_path / "c", make_identity()) as collection:
        collection.put(
            [
                EmbeddedDocument(
                    Document(f"d{i}", "ab"),
                    (Chunk(0, 0, 1, i < 3), Chunk(1, 1, 2, i < 5)),
                    vectors[2 * i : 2 * i + 2],
                )
                for i in range(20)
            ]
        )
        assert collection.describe().unknown == 5
        with engine_of(collection)._store.reading() as snapshot:
            (plan,) = snapshot.select(f"EXPLAIN QUERY PLAN {COUNT_UNKNOWN}", (1,))
    assert plan[3] == "SEARCH chunks USING INDEX unknown_chunks (generation=?)"
