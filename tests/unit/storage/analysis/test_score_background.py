"""The background that a collection keeps: derived, made anew as it grows, and never in the way."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from samples import make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.queries import Query
from indexer.storage.analysis import score_background as kept
from indexer.storage.collection import LocalCollection


def fill(collection: LocalCollection, first: int, count: int) -> None:
    """Documents of one chunk each."""
    vectors = random_units(count, seed=first)
    collection.put(
        [
            EmbeddedDocument(Document(f"d{first + i}", "t"), (Chunk(0, 0, 1),), vectors[i : i + 1])
            for i in range(count)
        ]
    )


def significances(collection: LocalCollection) -> list[float | None]:
    """Of the hits of one query."""
    (answer,) = collection.search([Query(vector=random_units(1, seed=77)[0], k=5)])
    return [hit.significance for hit in answer.hits]


def test_hits_say_nothing_while_the_collection_is_small(tmp_path: Path) -> None:
    """From 50 documents on they have a significance, which rises as scores fall."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 49)
        assert collection.background() is None
        assert significances(collection) == [None] * 5
        fill(collection, 49, 1)
        found = significances(collection)
        assert found == sorted(found)
        assert all(0 <= one <= 1 for one in found)


def test_it_is_kept_in_a_file_and_read_by_the_next_process(tmp_path: Path) -> None:
    """Opened again, a collection says the same, from the file."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        before = significances(collection)
    file = tmp_path / "c" / "generations" / "1" / kept.FILE
    written = file.stat().st_mtime_ns
    with LocalCollection(tmp_path / "c") as collection:
        assert significances(collection) == before
    assert file.stat().st_mtime_ns == written
    found = kept.read(file.parent)
    assert found is not None
    assert found.rows == found.sampled == 300


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_file_is_reported_and_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    """Nothing is lost with it: it is derived."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        before = significances(collection)
    file = tmp_path / "c" / "generations" / "1" / kept.FILE
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    file.write_bytes(bytes(flipped) if damage is None else damage)
    with (
        caplog.at_level(logging.WARNING),
        LocalCollection(tmp_path / "c") as collection,
    ):
        assert significances(collection) == before
    assert "made anew" in caplog.text
    found = kept.read(file.parent)
    assert found is not None
    assert found.rows == 300


def test_it_is_made_anew_when_the_collection_has_grown(tmp_path: Path) -> None:
    """By a quarter; a few more documents change nothing."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 200)
        assert collection.background().rows == 200
        fill(collection, 200, 40)
        assert collection.background().rows == 200
        fill(collection, 240, 20)
        assert collection.background().rows == 260


def test_it_follows_a_collection_to_another_generation(tmp_path: Path) -> None:
    """Compacting leaves the old one's file with the old vectors."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 200)
        assert collection.background().rows == 200
        collection.delete([f"d{i}" for i in range(100)])
        assert collection.compact()
        assert collection.background().rows == 100


def test_a_large_collection_does_not_keep_a_search_waiting(tmp_path: Path) -> None:
    """It is made beside the searches, and closing waits for it."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        rows = collection._follow_newest()
        backgrounds = kept.Backgrounds(at_once=100)
        backgrounds.of(tmp_path, rows)
        backgrounds.close()
        made = backgrounds.of(tmp_path, rows)
    assert made is not None
    assert made.rows == kept.read(tmp_path).rows == 300


def test_a_sample_is_of_living_rows_and_always_the_same(tmp_path: Path) -> None:
    """Without replacement, also where most rows are of no document."""
    with LocalCollection.create(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 500)
        collection.delete([f"d{i}" for i in range(400)])
        rows = collection._follow_newest()
        for count in (20, 60, 1_000):
            drawn = kept.sample_rows(rows, count)
            assert len(set(drawn.tolist())) == len(drawn) == min(count, 100)
            assert (rows.owners[drawn] >= 0).all()
            np.testing.assert_array_equal(drawn, kept.sample_rows(rows, count))
