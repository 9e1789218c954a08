"""The source of truth of a collection: documents, chunks, rows and metadata in SQLite.

A reader works in one read transaction (:class:`Snapshot`), a writer in one write transaction
(:class:`Transaction`); each commit raises the sequence by one, and every block of rows carries
the sequence that last changed it, so that a reader with rows in memory reads only the changes.

Tables: ``facts`` (counters), ``traits`` (constants of the store), ``generations`` (a model and
its committed rows), ``documents`` (each with the sequence that last changed its content),
``deletions`` (the numbers of deleted documents, so that derived data can follow), ``chunks``
(row -> document and characters, with a checksum, since nothing else would show a wrong one),
``blocks`` (4096 rows each: the owner of every row, -1 for none, and the checksum of their
vectors), ``fields`` and ``facets`` (metadata, one line for each value, for filters), ``sources``,
``source_files`` and ``claims`` (of which files documents are: see indexer.origins).
"""

from __future__ import annotations

import os
import queue
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from indexer.embedding.embedder import Identity
from indexer.errors import BearingError, NotFound, StorageFailed
from indexer.index_choice import Language
from indexer.storage.sqlite.identities import write_generation
from indexer.storage.sqlite.schema import FORMAT, ORIGINS, SCHEMA
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.transaction import Transaction
from indexer.storage.sqlite.translation import translated_errors
from indexer.storage.sqlite.upgrade import require_known, upgrade

BUSY_SECONDS: Final = 30.0
MAPPED_BYTES: Final = 2**31


class Store:
    """The SQLite file of a collection; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(f"{path} does not exist")
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closed = False
        with translated_errors(path), self._connection() as connection:
            upgrade(connection, f"collection {path.parent.name!r}")

    @classmethod
    def create(cls, path: Path, identity: Identity, language: Language) -> None:
        """Create a store without documents, durably."""
        with translated_errors(path):
            connection = _connect(path)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                tables = f"{SCHEMA} {'; '.join(ORIGINS)};"
                connection.executescript(f"BEGIN; {tables} PRAGMA user_version = {FORMAT}; COMMIT")
                connection.execute("BEGIN")
                counters = ("sequence", "documents", "chunks", "truncated", "forgotten")
                facts = [("generation", 1), *((name, 0) for name in counters)]
                connection.executemany("INSERT INTO facts VALUES (?, ?)", facts)
                traits = [("instance", uuid.uuid4().hex), ("language", str(language))]
                connection.executemany("INSERT INTO traits VALUES (?, ?)", traits)
                write_generation(connection, 1, identity)
                connection.execute("COMMIT")
            finally:
                connection.close()

    def close(self) -> None:
        """Close idle connections; those in use are closed when released."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """One state of the store."""
        with translated_errors(self._path), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield Snapshot(connection)
            finally:
                if connection.in_transaction:  # some errors end it themselves
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A write transaction, committed durably at its end or not at all."""
        with translated_errors(self._path), self._connection() as connection:
            # Not deferred: a reader that turns writer fails at once if another was first.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def vacuum(self) -> bool:
        """Rewrite the store without deleted content; return whether the log has none of it left.

        It stays there while a reader is in the middle of a search: call again later.
        """
        with translated_errors(self._path), self._connection() as connection:
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise NotFound(f"collection {self._path.parent.name!r} was closed or deleted")
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = _connect(self._path)
        try:
            yield connection
        except BearingError:  # an error of ours leaves the connection sound
            self._give_back(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if isinstance(connection, _Immutable):
            connection.close()
            return
        self._idle.put(connection)
        if self._closed:  # by another thread, which may have looked for idle ones before
            self.close()


def check_format(path: Path, what: str) -> None:
    """Raise OtherFormat, which says ``what`` it is, unless Store can open the file."""
    with translated_errors(path), closing(_open(f"{_uri(path)}?immutable=1")) as connection:
        require_known(connection, what)


class _Immutable(sqlite3.Connection):
    """A connection that ignores what others write: for one transaction only."""


def _connect(path: Path) -> sqlite3.Connection:
    uri, kind = _uri(path), sqlite3.Connection
    if not os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        uri, kind = _read_only(path, uri)
    connection = _open(uri, kind)
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: fsync at every commit
    connection.execute("PRAGMA temp_store = MEMORY")
    # pages come from the system's cache without a copy: a hit's texts cost a third as much
    connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    return connection


def _uri(path: Path) -> str:
    return path.absolute().as_uri()


def _open(uri: str, kind: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
    )


def _read_only(path: Path, uri: str) -> tuple[str, type[sqlite3.Connection]]:
    """The URI and class to open a store where SQLite cannot create its shared memory."""
    if not path.with_name(f"{path.name}-wal").exists():
        return f"{uri}?immutable=1", _Immutable
    if not path.with_name(f"{path.name}-shm").exists():
        raise StorageFailed(
            f"{path} was not closed, and its folder cannot be written to: "
            "open it once where it can be"
        )
    return f"{uri}?mode=ro", sqlite3.Connection
