"""A map in a database: drawn by one process at a time, and never lost with it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

import psycopg
import pytest
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engines import open_catalogue
from indexer.errors import CollectionBusy
from indexer.index_choice import Language
from indexer.postgres.engine import PostgresEngine
from indexer.reports import MapState, Step

WAIT_SECONDS = 120
LEASE = "INSERT INTO bearing_{number}.lease VALUES ('map', %s, %s, now() + %s::interval)"
STEP = '{"name": "places", "done": 3, "total": 9}'


def ignore(_: Step) -> None:
    """Progress."""


class Opened:
    """A collection of 40 documents in a database, its engine, and the database itself."""

    def __init__(self, collection: Collection, number: object, connection: psycopg.Connection):
        self.collection = collection
        self.number = number
        self.connection = connection

    @property
    def engine(self) -> PostgresEngine:
        """The engine beneath."""
        engine = self.collection._engine
        assert isinstance(engine, PostgresEngine)
        return engine

    def drawn_by(self) -> str | None:
        """Who has the lease."""
        statement = f"SELECT holder FROM bearing_{self.number}.lease WHERE job = 'map'"
        found = self.connection.execute(statement).fetchone()
        return found and found[0]

    def do(self, statement: str, *given: object) -> None:
        """Do something to the collection's tables."""
        self.connection.execute(statement.replace("{number}", str(self.number)), given)


@pytest.fixture
def opened(empty_database: str) -> Iterator[Opened]:
    """A collection without a map."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    with (
        psycopg.connect(empty_database, autocommit=True) as connection,
        Collection(catalogue.open("things")) as collection,
    ):
        vectors = random_units(40)
        collection.put(
            [
                EmbeddedDocument(Document(f"d{i}", f"t {i}"), (Chunk(0, 0, 1),), vectors[i : i + 1])
                for i in range(40)
            ]
        )
        yield Opened(collection, catalogue.version("things"), connection)
    catalogue.close()


def test_only_one_process_draws_and_the_others_see_how_far_it_is(opened: Opened) -> None:
    """While another holds the lease nothing is begun; where it is dead, the next takes it."""
    opened.do(LEASE, "another 1 x", STEP, "30 seconds")
    found = opened.collection.map()
    assert (found.state, found.progress) == (MapState.BUILDING, Step("places", 3, 9))
    opened.do("UPDATE bearing_{number}.lease SET until = now() - interval '1 second'")
    assert opened.collection.map().progress is None
    end = time.monotonic() + WAIT_SECONDS
    while not (taken := opened.drawn_by()) or taken == "another 1 x":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert f" {os.getpid()} " in taken


def test_what_is_drawn_without_the_lease_is_not_kept(opened: Opened) -> None:
    """The map of who has it stays."""
    opened.do(LEASE, "another 1 x", STEP, "30 seconds")
    with pytest.raises(CollectionBusy, match="another process"):
        opened.engine.maps.draw_and_keep("this", ignore, anew=False)
    assert opened.collection.map().state is MapState.BUILDING
    opened.engine.maps.draw_and_keep("another 1 x", ignore, anew=False)
    assert opened.collection.map().state is MapState.READY


def test_a_damaged_map_is_reported_and_drawn_anew(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost with it: it is derived."""
    before = opened.collection.draw_map(ignore)
    opened.do(
        "UPDATE bearing_{number}.kept SET content = set_byte(content, 99, 255 - get_byte(content, "
        "99)), stamp = nextval('bearing_{number}.stamp') WHERE what = 'map'"
    )
    opened.do(LEASE, "another 1 x", STEP, "30 seconds")
    with caplog.at_level(logging.WARNING):
        assert opened.collection.map().state is MapState.BUILDING
    assert "drawn anew" in caplog.text
    opened.do("DELETE FROM bearing_{number}.lease")
    after = opened.collection.draw_map(ignore)
    assert after.ids == before.ids
    assert (after.places == before.places).all()
