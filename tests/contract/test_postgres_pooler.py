"""A pooler between Bearing and its database, which may give each transaction another session."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engines import open_catalogue
from indexer.errors import Refused
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.location import location_of
from indexer.queries import Query

POOLERS_OWN = struct.pack(">I", 4_242)


@contextmanager
def pooler(url: str) -> Iterator[str]:
    """A URL that leads to the same database as through a pooler: by another process's number."""
    there = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = there.hostname, there.port
        threading.Thread(target=accept, args=(listener, upstream), daemon=True).start()
        port = listener.getsockname()[1]
        yield f"postgresql://postgres@127.0.0.1:{port}{there.path}?sslmode=disable&gssencmode=disable"


def accept(listener: socket.socket, upstream: tuple[str, int]) -> None:
    """Connect each client to the server."""
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(upstream)
            for one in (client, server):  # else a few bytes wait for what was sent before them
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one, other, change in ((client, server, same), (server, client, disguised)):
                threading.Thread(target=pump, args=(one, other, change), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket, change) -> None:
    """Pass on what comes; ``change`` changes it."""
    with suppress(OSError), source, sink:
        while given := source.recv(1 << 16):
            sink.sendall(change(given))
        sink.shutdown(socket.SHUT_RDWR)


def same(given: bytes) -> bytes:
    """Unchanged."""
    return given


def disguised(given: bytes) -> bytes:
    """With another process's number, where the server says its own (a message K of 12 bytes)."""
    place = given.find(b"K\x00\x00\x00\x0c")
    if place < 0 or b"server_version" not in given:
        return given
    return given[: place + 5] + POOLERS_OWN + given[place + 9 :]


def test_nothing_outlives_a_transaction(empty_database: str) -> None:
    """Neither settings, nor prepared statements, nor how hard the graph was last searched."""
    with pooler(empty_database) as url, closing(Database(location_of(url))) as database:
        for _ in range(8):
            with database.reading("SELECT current_setting('plan_cache_mode')") as (one, rows):
                assert rows == [("force_custom_plan",)]
                one.keep_in_view(77)
                assert one.execute("SHOW hnsw.ef_search").fetchall() == [("77",)]
        with database.plain() as connection:
            assert isinstance(connection, Connection) and connection.is_pooled
            assert connection.execute("SHOW plan_cache_mode").fetchall() == [("auto",)]
            assert connection.execute("SHOW hnsw.ef_search").fetchall() != [("77",)]
            assert connection.execute("SELECT * FROM pg_prepared_statements").fetchall() == []


def test_a_collection_works_through_a_pooler(empty_database: str) -> None:
    """Written, indexed, searched, and changed."""
    vectors = random_units(300)
    with pooler(empty_database) as url, closing(open_catalogue(url)) as catalogue:
        catalogue.create("things", make_identity(), Language.ENGLISH)
        with Collection(catalogue.open("things")) as collection:
            collection.put(
                [
                    EmbeddedDocument(Document(f"d{i}", "text"), (Chunk(0, 0, 4),), one[None])
                    for i, one in enumerate(vectors)
                ]
            )
            collection.rebuild(IndexChoice(IndexKind.GRAPH))
            collection.delete(["d3"])
            for query in random_units(8, seed=2):
                best = [i for i in np.argsort(-(vectors @ query)) if i != 3][:10]
                (answer,) = collection.search([Query(vector=query, k=10)])
                assert {hit.document.id for hit in answer.hits} == {f"d{i}" for i in best}
            assert catalogue.verify("things", None, lambda _: None).sound


def test_types_that_a_pooled_session_would_not_find_are_said(empty_database: str) -> None:
    """With the setting of the role that lets it."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA aside")
        connection.execute("ALTER EXTENSION vector SET SCHEMA aside")
        try:
            with (
                pooler(empty_database) as url,
                closing(open_catalogue(url)) as catalogue,
                pytest.raises(Refused, match="SET search_path = aside"),
            ):
                catalogue.names()
        finally:
            connection.execute("ALTER EXTENSION vector SET SCHEMA public")
            connection.execute("DROP SCHEMA aside")
