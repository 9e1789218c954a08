"""Connections to one database, kept for reuse, and transactions on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.pq import TransactionStatus

from indexer.errors import EngineUnavailable, Refused, TimedOut
from indexer.postgres.failures import connection_failure, failure
from indexer.postgres.location import Location
from indexer.postgres.vectors import register_vectors

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

MOST_CONNECTIONS: Final = 16
"""Connections of one process; further threads wait for one."""

OLDEST_PGVECTOR: Final = (0, 8, 2)
"""Versions before it read past the end of a buffer (CVE-2026-3172)."""

PATIENCE_SECONDS: Final = 60.0
"""Writes are tried again for as long: another node may become primary meanwhile."""

_WAIT_SECONDS: Final = 30.0
_CANCEL_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SESSION: Final = (
    "SET plan_cache_mode = force_custom_plan; SET jit = off; SET work_mem = '64MB'; "
    "SET hnsw.scan_mem_multiplier = 8; SET bytea_output = 'hex'; SET timezone = 'UTC'"
)
_EXTENSION: Final = (
    "SELECT e.extversion, quote_ident(n.nspname), t.oid FROM pg_extension e "
    "JOIN pg_namespace n ON n.oid = e.extnamespace "
    "JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = 'vector' WHERE e.extname = 'vector'"
)

_Result = TypeVar("_Result")


class Database:
    """The connections of this process to a database. Safe to use from several threads."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def reading(self, first: str) -> Iterator[tuple[Connection, list[tuple[Any, ...]]]]:
        """A connection in a transaction that sees one state, and the rows of a first query."""
        with self._translated(), self._place():
            connection, rows = self._begun(first)
            try:
                yield connection, rows
                connection.execute("COMMIT")
            finally:
                self._give_back(connection)

    def _begun(self, first: str) -> tuple[Connection, list[tuple[Any, ...]]]:
        while True:
            connection, is_new = self._take()
            try:
                cursor = connection.execute(f"{_BEGIN}; {first}")
                cursor.nextset()
                return connection, cursor.fetchall()
            except psycopg.OperationalError:
                self._give_back(connection)
                if is_new:
                    raise
                self._drop_idle()  # kept since before the server went away
            except BaseException:
                self._give_back(connection)
                raise

    def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """The result of work in a transaction, done again after a deadlock or a lost primary.

        So the work says what is to be, not what is to be added.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self.changing() as connection:
                    return work(connection)
            except _Again as error:
                if time.monotonic() > end:
                    raise error.told from error
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end; raises _Again."""
        with self._translated(again=True), self._place():
            connection, _ = self._take()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            finally:
                self._give_back(connection)

    @contextmanager
    def plain(self) -> Iterator[Connection]:
        """A connection without a transaction: each statement is one by itself."""
        with self._translated(), self._place():
            connection, _ = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close the connections that are not in use, and the others when they are given back."""
        self._closed = True
        self._drop_idle()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=_WAIT_SECONDS):
            raise TimedOut(
                f"all {MOST_CONNECTIONS} connections to {self.location.shown} were in use for "
                f"{_WAIT_SECONDS:.0f} seconds: ask less at once, or with more processes"
            )
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _translated(self, *, again: bool = False) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            told = failure(error, self.location.shown)
            if again and is_passing(error):
                raise _Again(told) from error
            raise told from error
        except EngineUnavailable as error:
            if again and not isinstance(error, Refused):
                raise _Again(error) from error
            raise

    def _take(self) -> tuple[Connection, bool]:
        """A connection, and whether it is new."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        return self._connect(), True

    def _connect(self) -> Connection:
        try:
            connection = psycopg.connect(self.location.conninfo, autocommit=True)
        except psycopg.Error as error:
            raise connection_failure(error, self.location.shown) from error
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        found = connection.execute(_EXTENSION).fetchone()
        if found is None:
            raise Refused(
                f"{self.location.shown} lacks pgvector: install it on the server, and let an "
                "administrator of the database run CREATE EXTENSION vector"
            )
        version, schema, oid = found
        if _numbers(version) < OLDEST_PGVECTOR:
            oldest = ".".join(map(str, OLDEST_PGVECTOR))
            raise Refused(
                f"{self.location.shown} has pgvector {version}, and {oldest} is needed: install it "
                "on the server, then run ALTER EXTENSION vector UPDATE"
            )
        register_vectors(connection, oid)
        connection.execute(f"{_SESSION}; SET search_path = {schema}, pg_catalog")

    def _give_back(self, connection: Connection) -> None:
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                connection.close()
        with self._lock:
            if not self._closed and not connection.closed:
                self._idle.append(connection)
                return
        connection.close()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class LongStatement:
    """A connection for statements that take minutes, which another thread may cancel."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    @contextmanager
    def running(self) -> Iterator[Connection]:
        """A connection without a transaction."""
        with self._database.plain() as connection:
            with self._lock:
                self._connection = connection
            try:
                yield connection
            finally:
                with self._lock:
                    self._connection = None

    def cancel(self) -> None:
        """Let the statement under way fail, if there is one."""
        with self._lock:
            if self._connection is not None:
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)


class _Again(Exception):
    """Something that passes: the transaction may be tried again. ``told`` is raised at last."""

    def __init__(self, told: Exception) -> None:
        super().__init__(str(told))
        self.told = told


def is_passing(error: psycopg.Error) -> bool:
    """Return whether the same transaction may succeed a moment later."""
    passing = (pg.SerializationFailure, pg.DeadlockDetected, pg.ReadOnlySqlTransaction)
    if isinstance(error, passing):
        return True
    lasting = (pg.QueryCanceled, pg.DiskFull, pg.OutOfMemory)
    return isinstance(error, psycopg.OperationalError) and not isinstance(error, lasting)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split(".") if one.isdigit())
