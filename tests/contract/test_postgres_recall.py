"""Recall in a database: watched on live queries, by bands, and mended where too little is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from samples import make_identity, make_null_vectors, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engines import open_catalogue
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.postgres.engine import PostgresEngine
from indexer.postgres.graph import Effort, Efforts
from indexer.postgres.recall import LiveRecall
from indexer.postgres.tuning import BANDS, FEW

WAIT_SECONDS = 60
VECTORS = random_units(1_200, seed=1)


@pytest.fixture
def indexed(empty_database: str) -> Iterator[Collection]:
    """A collection with a graph over 1,200 documents."""
    catalogue = open_catalogue(empty_database)
    catalogue.create("things", make_identity(), Language.ENGLISH)
    with Collection(catalogue.open("things"), make_null_vectors) as collection:
        collection.put(
            [
                EmbeddedDocument(Document(f"d{i}", "t"), (Chunk(0, 0, 1),), one[None])
                for i, one in enumerate(VECTORS)
            ]
        )
        collection.rebuild(IndexChoice(IndexKind.GRAPH))
        yield collection
    catalogue.close()


def spoil(url: str) -> None:
    """Put a graph with hardly any edges in the place of the good one."""
    with psycopg.connect(url, autocommit=True) as connection:
        ((schema, name, made),) = connection.execute(
            "SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'graph%'"
        ).fetchall()
        connection.execute(f"DROP INDEX {schema}.{name}")
        sparse = made.replace("m='16'", "m='2'").replace(
            "ef_construction='100'", "ef_construction='4'"
        )
        assert sparse != made
        connection.execute(sparse)


def test_live_queries_are_compared_with_exact_search(indexed: Collection) -> None:
    """Those of all and of some documents each by themselves, beside the recall that was tuned."""
    told = watched(indexed, None, "sealed")
    assert told["watched_situations"]["sealed"]["recall"] >= 0.9
    told = watched(indexed, "d5", "sealed_filtered")
    assert told["watched_queries"] >= 2
    assert 0.9 <= told["watched_recall"] <= 1.0
    for k, band in told["bands"].items():
        for one in (band, band["filtered"]):
            low, high = one["recall_interval"]
            assert 0.5 < low <= one["recall"] <= high + 1e-9 <= 1 + 1e-9
            assert one["recall_queries"] in (BANDS[int(k)], FEW)


def watched(collection: Collection, without: str | None, situation: str) -> dict:
    """The index's figures once a search in a situation was compared."""
    end = time.monotonic() + WAIT_SECONDS
    engine = engine_of(collection)
    for query in random_units(100_000, seed=7):
        with engine.reading() as state:
            left_out = list(state.keys([without]).values()) if without else []
            state.nearest(query[None], 10, state.scope(without=left_out), exact=False)
        told = dict(collection.describe().index)
        if situation in told["watched_situations"]:
            return told
        assert time.monotonic() < end
    raise AssertionError("no search was compared")


def engine_of(collection: Collection) -> PostgresEngine:
    """The engine beneath a collection."""
    engine = collection._engine
    assert isinstance(engine, PostgresEngine)
    return engine


def test_where_too_little_is_found_all_processes_search_harder(
    empty_database: str, indexed: Collection
) -> None:
    """In the band that missed; the others stay as they are."""
    before = dict(indexed.describe().index["bands"])
    spoil(empty_database)
    engine = engine_of(indexed)
    watch = LiveRecall(engine._database, engine._tables, engine._patiently, lambda: 0.95, rest=0)
    first, end = before["10"]["view"], time.monotonic() + WAIT_SECONDS
    with closing(watch):
        for query in random_units(100_000, seed=3):
            search(engine, watch, query)
            view = indexed.describe().index["bands"]["10"]["view"]
            if view != first:
                break
            assert time.monotonic() < end, watch.told()
    assert view == 0 or view > first
    after = indexed.describe().index["bands"]
    assert {k: one["view"] for k, one in after.items() if k != "10"} == {
        k: one["view"] for k, one in before.items() if k != "10"
    }
    assert after["10"]["filtered"] == before["10"]["filtered"]


def search(engine: PostgresEngine, watch: LiveRecall, query: object) -> None:
    """Search without the engine's own watch, and offer it to another."""
    with engine._patiently() as state:
        state._offer = watch.offer
        state.nearest([query], 10, state.scope(), exact=False)


def test_efforts_rise_step_by_step() -> None:
    """To the most there is, then to none; those that are filtered apart from the others."""
    filtered = Effort(10, 40, 0.9, filtered=True)
    efforts = Efforts((Effort(10, 800, 0.9), filtered, Effort(100, 640, 1.0)))
    views = []
    for _ in range(3):
        views.append([one.view for one in efforts.bands])
        effort = efforts.of(7)
        assert effort is not None
        efforts = efforts.harder(effort, hopeless=False)
    assert views == [[800, 40, 640], [1_000, 40, 640], [0, 40, 640]]
    assert efforts.of(10, filtered=True) == filtered
    assert efforts.harder(filtered, hopeless=True).bands[1].view == 0
    assert efforts.of(101) is None
    assert Efforts.decode(efforts.encode()) == efforts
    assert Efforts.decode('[{"k": 10, "view": 64, "recall": 0.99}]').of(3, filtered=True)
