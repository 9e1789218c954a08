"""The background that a collection keeps: derived, made anew as it grows, and never in the way."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
from local import create_local, engine_of, open_local
from samples import make_identity, make_null_vectors, random_units

from indexer.collection.collection import Collection
from indexer.collection.score_background import ScoreBackgrounds, decode
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engine import Kept
from indexer.queries import Query


def fill(collection: Collection, first: int, count: int) -> None:
    """Documents of one chunk each."""
    vectors = random_units(count, seed=first)
    collection.put(
        [
            EmbeddedDocument(Document(f"d{first + i}", "t"), (Chunk(0, 0, 1),), vectors[i : i + 1])
            for i in range(count)
        ]
    )


def significance(collection: Collection) -> float | None:
    """Of the answer to one query."""
    (answer,) = collection.search([Query(vector=random_units(1, seed=77)[0], k=5)])
    return answer.significance


def assert_soon(collection: Collection, rows: int) -> None:
    """Beside the searches, the background of so many chunks is made."""
    end = time.monotonic() + 30
    while collection.background().rows != rows:
        assert time.monotonic() < end, collection.background().rows
        time.sleep(0.01)


def test_nothing_is_said_while_the_model_is_not_open(tmp_path: Path) -> None:
    """What was kept is of use without it, also when the collection has grown."""
    folder = tmp_path / "c"
    with create_local(folder, make_identity()) as collection:
        fill(collection, 0, 200)
        engine = engine_of(collection)
        assert significance(Collection(engine)) is None
        found = significance(collection)
        assert found is not None
        assert significance(Collection(engine)) == found
        fill(collection, 200, 100)
        without = Collection(engine)
        assert significance(without) is not None
        assert without.background().rows == 200


def test_what_was_kept_before_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An archive of the first kind is no damage, and is replaced without a word."""
    file = tmp_path / "c" / "generations" / "1" / "background.bin"
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 200)
        file.write_bytes(bytes(32) + b"PK\x03\x04moments")
        with caplog.at_level(logging.WARNING):
            assert significance(collection) is not None
    assert caplog.text == ""
    assert decode(file.read_bytes()).rows == 200


def test_a_model_that_takes_over_has_a_background_of_its_own(tmp_path: Path) -> None:
    """That of the last is left behind with its vectors."""
    another = replace(make_identity(name="another"), weights="z" * 64)
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 60)
        before = collection.background()
        with collection.migrate(another) as migration:
            while documents := migration.pending(100):
                vectors = random_units(len(documents), seed=5)
                migration.put(
                    [
                        EmbeddedDocument(document, (Chunk(0, 0, 1),), vectors[i : i + 1])
                        for i, document in enumerate(documents)
                    ]
                )
            assert migration.finish()
        after = collection.background()
    assert after is not None
    assert after.typical != before.typical


def test_it_is_kept_in_a_file_and_read_by_the_next_process(tmp_path: Path) -> None:
    """Opened again, a collection says the same, from the file."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        before = significance(collection)
    file = tmp_path / "c" / "generations" / "1" / "background.bin"
    written = file.stat().st_mtime_ns
    with open_local(tmp_path / "c") as collection:
        assert significance(collection) == before
    assert file.stat().st_mtime_ns == written
    found = decode(file.read_bytes())
    assert found.rows == 300


@pytest.mark.parametrize("damage", [b"", b"x" * 40, None])
def test_a_damaged_file_is_reported_and_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    """Nothing is lost with it: it is derived."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        before = significance(collection)
    file = tmp_path / "c" / "generations" / "1" / "background.bin"
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    file.write_bytes(bytes(flipped) if damage is None else damage)
    with (
        caplog.at_level(logging.WARNING),
        open_local(tmp_path / "c") as collection,
    ):
        assert significance(collection) == before
    assert "made anew" in caplog.text
    assert decode(file.read_bytes()).rows == 300


def test_it_is_made_anew_when_the_collection_has_grown(tmp_path: Path) -> None:
    """By a quarter; a few more documents change nothing."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 200)
        assert collection.background().rows == 200
        fill(collection, 200, 40)
        assert collection.background().rows == 200
        fill(collection, 240, 20)
        assert collection.background().rows == 200  # for the search that asked first
        assert_soon(collection, rows=260)


def test_it_is_made_anew_when_the_collection_has_shrunk(tmp_path: Path) -> None:
    """What is gone says nothing of what is there."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 200)
        assert collection.background().rows == 200
        collection.delete([f"d{i}" for i in range(100)])
        assert_soon(collection, rows=100)


def test_it_follows_a_collection_to_another_generation(tmp_path: Path) -> None:
    """Compacting leaves the old one's file with the old vectors."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 200)
        assert collection.background().rows == 200
        collection.delete([f"d{i}" for i in range(100)])
        assert collection.compact()
        assert collection.background().rows == 100


def test_a_large_collection_does_not_keep_a_search_waiting(tmp_path: Path) -> None:
    """It is made beside the searches, and closing waits for it."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        engine = engine_of(collection)
        backgrounds = ScoreBackgrounds(engine, make_null_vectors, at_once=100)
        with engine.reading() as state:
            assert backgrounds.of(state) is None
            backgrounds.close()
            made = backgrounds.of(state)
        kept = engine.keeper(Kept.SCORE_BACKGROUND).read(collection.identity)
    assert made is not None
    assert made.rows == decode(kept.content).rows == 300


def test_of_a_model_that_was_left_nothing_is_kept(tmp_path: Path) -> None:
    """What was made while another took over is not put beside that one's vectors."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        engine = engine_of(collection)
        another = replace(make_identity(), weights="z" * 64)
        keeper = engine.keeper(Kept.SCORE_BACKGROUND)
        keeper.write(another, b"moments")
        assert keeper.read(another) is None
        assert keeper.read(collection.identity) is None


@pytest.mark.parametrize("at_once", [100, 1_000])
def test_searches_do_not_look_for_a_model_that_is_not_open_each_time(
    tmp_path: Path, at_once: int
) -> None:
    """Of many searches in a second, one or two ask for it, or for what is kept."""
    asked = []
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 0, 300)
        engine = engine_of(collection)
        backgrounds = ScoreBackgrounds(engine, asked.append, at_once=at_once)
        with engine.reading() as state:
            for _ in range(200):
                assert backgrounds.of(state) is None
        backgrounds.close()
    assert 1 <= len(asked) <= 10
