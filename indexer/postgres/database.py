"""Transactions on a database: tried again where it went away, read from a standby meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg import errors as pg

from indexer.errors import EngineUnavailable, Refused, TimedOut
from indexer.postgres.connection import Connection
from indexer.postgres.failures import failure
from indexer.postgres.location import Location
from indexer.postgres.pool import Pool
from indexer.postgres.readers import Readers

MOST_CONNECTIONS: Final = 16
"""Connections of one process; further threads wait for one."""

PATIENCE_SECONDS: Final = 60.0
"""Writes are tried again for as long: another node may become primary meanwhile."""

_WAIT_SECONDS: Final = 30.0
_CANCEL_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_Result = TypeVar("_Result")


class Database:
    """The connections of this process to a database. Safe to use from several threads."""

    def __init__(self, location: Location, *, require_sync: bool = False) -> None:
        """``require_sync`` refuses a server that may lose what it has acknowledged."""
        self.location = location
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._primary = Pool(location, require_sync=require_sync)
        self._fallback = Pool(location, is_fallback=True) if location.fallback else None
        self._readers = Readers(self._primary, self._fallback)

    @contextmanager
    def reading(
        self, first: str, *, patient: bool = False
    ) -> Iterator[tuple[Connection, list[tuple[Any, ...]]]]:
        """A connection in a transaction that sees one state, and the rows of a first query.

        While there is no primary it is to a standby, where several nodes are named.
        """
        with self._translated(), self._place():
            connection, rows = self._begun(first)
            if patient:
                connection.seconds = None
            try:
                yield connection, rows
                connection.execute("COMMIT")
            finally:
                connection.seconds = self.location.seconds
                self._give_back(connection)

    def _begun(self, first: str) -> tuple[Connection, list[tuple[Any, ...]]]:
        while True:
            connection, is_new = self._readers.take()
            try:
                return connection, connection.begin(_BEGIN, first).fetchall()
            except psycopg.OperationalError:
                self._give_back(connection)
                if is_new:
                    raise
                self._pool_of(connection).drop_idle()  # kept since before the server went away
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
            connection, _ = self._primary.take()
            try:
                connection.begin("BEGIN")
                yield connection
                connection.execute("COMMIT")
                if connection.unconfirmed:
                    connection.unconfirmed = False
                    raise TimedOut(
                        f"{self.location.shown} has a write that no standby confirmed: it is lost "
                        "if the primary is now. Write it again once there is a standby"
                    )
            finally:
                self._give_back(connection)

    def ask(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement, which is done again if the server went away meanwhile."""
        with self._translated(), self._place():
            while True:
                connection, is_new = self._readers.take()
                try:
                    return connection.cursor(binary=True).execute(statement, arguments).fetchall()
                except psycopg.OperationalError as error:
                    if is_new or not is_passing(error) or not connection.closed:
                        raise
                    self._pool_of(connection).drop_idle()
                finally:
                    self._give_back(connection)

    @contextmanager
    def plain(self, *, patient: bool = False) -> Iterator[Connection]:
        """A connection without a transaction: each statement is one by itself.

        ``patient`` statements may take as long as they take.
        """
        with self._translated(), self._place():
            connection, _ = self._primary.take()
            if patient:
                connection.seconds = None
            try:
                yield connection
            finally:
                connection.seconds = self.location.seconds
                self._give_back(connection)

    def close(self) -> None:
        """Close the connections that are not in use, and the others when they are given back."""
        self._readers.close()
        for pool in (self._primary, self._fallback):
            if pool is not None:
                pool.close()

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

    def _pool_of(self, connection: Connection) -> Pool:
        pool = self._fallback if connection.is_fallback else self._primary
        assert pool is not None
        return pool

    def _give_back(self, connection: Connection) -> None:
        self._pool_of(connection).give_back(connection)


class LongStatement:
    """A connection for statements that take minutes, which another thread may cancel."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    @contextmanager
    def running(self) -> Iterator[Connection]:
        """A connection without a transaction."""
        with self._database.plain(patient=True) as connection:
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
