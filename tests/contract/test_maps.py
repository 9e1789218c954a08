"""The map of every engine that draws one: drawn when somebody looks, and up to date by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, normalise
from indexer.engine import Catalogue
from indexer.reports import Map, MapState, Step

WAIT_SECONDS = 120


@pytest.fixture(params=["local", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine that draws maps."""
    return str(request.param)


def embedded(i: int, group: int, text: str = "", dimension: int = DIMENSION) -> EmbeddedDocument:
    """A document of two chunks, near to the others of its group."""
    towards = 4 * np.eye(dimension)[group]
    vectors = normalise(towards + random_units(2, dimension, seed=i))
    chunks = (Chunk(0, 0, 1), Chunk(1, 1, 2))
    return EmbeddedDocument(Document(f"d{i}", text or f"text {i}"), chunks, vectors)


def put(collection: Collection, first: int, count: int) -> None:
    """Documents of four groups in turn."""
    collection.put([embedded(i, i % 4) for i in range(first, first + count)])


def ignore(_: Step) -> None:
    """Progress."""


def wait_until(look: Callable[[], Map], is_there: Callable[[Map], bool]) -> Map:
    """The first map that is as wished."""
    end = time.monotonic() + WAIT_SECONDS
    while not is_there(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


@pytest.fixture
def other(collection: Collection, catalogue: Catalogue) -> Iterator[Collection]:
    """The same collection, opened a second time."""
    with Collection(catalogue.open(collection.name)) as opened:
        yield opened


def test_looking_draws_a_map_in_the_background_that_all_see(
    collection: Collection, other: Collection
) -> None:
    """It serves on while documents come, tells how far the next is, and is brought up by itself."""
    assert (collection.map().state, len(collection.map().ids)) == (MapState.READY, 0)
    put(collection, 0, 90)
    before = collection.draw_map(ignore)
    assert before.places.shape == (90, 2)
    assert np.abs(before.places).max() == pytest.approx(1, abs=1e-6)
    assert sorted(before.ids) == sorted(f"d{i}" for i in range(90))
    assert (before.late, before.fitted, before.progress) == (0, 90, None)
    seen = other.map()
    assert (seen.state, seen.ids, seen.version) == (MapState.READY, before.ids, before.version)
    put(other, 90, 10)
    stale = collection.map()
    assert (stale.state, stale.late, len(stale.ids)) == (MapState.STALE, 10, 90)
    assert stale.version != before.version
    told = wait_until(other.map, lambda found: found.progress is not None).progress
    assert told is not None and 0 <= told.done <= told.total
    found = wait_until(collection.map, lambda found: found.state is MapState.READY)
    assert (len(found.ids), found.fitted) == (100, 90)
    assert {id: tuple(one) for id, one in zip(before.ids, before.places, strict=True)}.items() <= {
        id: tuple(one) for id, one in zip(found.ids, found.places, strict=True)
    }.items()


def test_a_map_is_of_the_present_documents(collection: Collection) -> None:
    """One that changed moves, one that is gone is left out at once, and metadata move nothing."""
    put(collection, 0, 60)
    before = collection.draw_map(ignore)
    places = dict(zip(before.ids, before.places, strict=True))
    collection.amend([Document("d3", "text 3", metadata={"year": 1999})])
    amended = collection.map()
    assert amended.state is MapState.READY
    assert amended.version != before.version
    assert np.array_equal(amended.places, before.places)
    collection.delete(["d7"])
    assert "d7" not in collection.map().ids
    collection.put([embedded(0, 1, "another text")])
    found = collection.draw_map(ignore)
    after = dict(zip(found.ids, found.places, strict=True))
    assert set(after) == set(places) - {"d7"}
    assert found.state is MapState.READY
    others = [id for id in after if id != "d0"]
    beside = min(others, key=lambda one: float(np.hypot(*(after[one] - after["d0"]))))
    assert int(beside[1:]) % 4 == 1
    assert all(np.array_equal(after[id], places[id]) for id in others)


def test_a_map_of_another_model_is_not_shown(collection: Collection) -> None:
    """After a migration it is drawn anew."""
    put(collection, 0, 30)
    assert collection.draw_map(ignore).late == 0
    with collection.migrate(replace(make_identity(8, "other"), weights="o" * 64)) as migration:
        pending = migration.pending(99)
        migration.put([embedded(int(one.id[1:]), 0, one.text, 8) for one in pending])
        assert migration.finish()
    found = collection.map()
    assert (found.state, found.late) == (MapState.BUILDING, 30)
    assert len(collection.draw_map(ignore).ids) == 30
