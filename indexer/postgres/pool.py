"""Connections to one database, or to any node of its cluster, kept for reuse."""

from __future__ import annotations

import logging
import threading
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from indexer.errors import Refused
from indexer.postgres.connection import Connection, connect
from indexer.postgres.failures import connection_failure
from indexer.postgres.location import Location

_log: Final = logging.getLogger(__name__)


class Pool:
    """Connections by one connection string. Safe to use from several threads."""

    def __init__(
        self, location: Location, *, require_sync: bool = False, is_fallback: bool = False
    ) -> None:
        """``require_sync`` refuses a server that may lose what it has acknowledged.

        As a fallback it takes any node, which may be a standby.
        """
        self._location = location
        self._require_sync = require_sync
        self._is_fallback = is_fallback
        self._has_told = False
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def take(self) -> tuple[Connection, bool]:
        """A connection, and whether it is new; raises EngineUnavailable."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        return self._connect(), True

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next, if it can be used again."""
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            connection.view = None
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                connection.close()
        with self._lock:
            if not self._closed and not connection.closed:
                self._idle.append(connection)
                return
        connection.close()

    def drop_idle(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close those that are not in use, and the others when they are given back."""
        self._closed = True
        self.drop_idle()

    def _connect(self) -> Connection:
        location = self._location
        conninfo = location.fallback if self._is_fallback else location.conninfo
        try:
            connection, lossy = connect(conninfo or "", location.seconds, location.shown)
        except psycopg.Error as error:
            raise connection_failure(error, location.shown) from error
        connection.is_fallback = self._is_fallback
        if lossy is not None:
            try:
                self._tell_lossy(lossy)
            except Refused:
                connection.close()
                raise
        return connection

    def _tell_lossy(self, lossy: str) -> None:
        """Say once that acknowledged writes may be lost, or refuse to go on."""
        told = f"{self._location.shown} may lose writes that it has acknowledged: {lossy}"
        if self._require_sync:
            raise Refused(f"{told}; BEARING_REQUIRE_SYNC forbids that, see docs/postgresql.md")
        if not self._has_told:
            self._has_told = True
            _log.warning("%s", told)
