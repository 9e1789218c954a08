"""One connection: with a limit to every wait for an answer, prepared, and checked once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Cursor
from psycopg import errors as pg
from psycopg.abc import PQGen

from indexer.errors import Refused
from indexer.postgres.vectors import register_vectors

OLDEST_PGVECTOR: Final = (0, 8, 2)
"""Versions before it wrote past the end of a buffer (CVE-2026-3172)."""

_INTERVAL: Final = 0.1

_SETTINGS: Final = {
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "work_mem": "'64MB'",
    "hnsw.scan_mem_multiplier": "8",
    "client_connection_check_interval": "'5s'",
}
_FACTS: Final = """
SELECT e.extversion, quote_ident(n.nspname), t.oid,
    pg_is_in_recovery(),
    current_setting('fsync') = 'on', current_setting('synchronous_commit'),
    current_setting('synchronous_standby_names') <> '',
    (SELECT count(*) FROM pg_stat_replication), pg_backend_pid(), to_regtype('vector') = t.oid
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = 'vector' WHERE e.extname = 'vector'
"""

_Result = TypeVar("_Result")


class Overdue(psycopg.OperationalError):
    """The server did not answer in time, and the connection was closed."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for an answer ``seconds`` at most; None waits for ever."""

    seconds: float | None = None
    is_fallback = False
    """True if it may be to a standby, for want of a primary."""

    is_pooled = False
    """True if a pooler is between, which may give each transaction to another session."""

    unconfirmed = False
    """True if a commit was not confirmed by a standby that it should have waited for."""

    def wait(
        self, gen: PQGen[_Result], interval: float = _INTERVAL, timeout: float | None = None
    ) -> _Result:
        """See psycopg; raises Overdue."""
        limit = self.seconds if timeout is None else timeout
        begun = time.monotonic()
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if limit is None or time.monotonic() < begun + limit:
                raise
            self.pgconn.finish()  # who knows what it would answer to the next question
            raise Overdue(f"no answer in {limit:g} seconds") from error

    view: int | None = None
    """The chunks that a search of a graph keeps in view, if the session was told."""

    def begin(self, how: str, first: str = "") -> Cursor[tuple[Any, ...]]:
        """Begin a transaction, and return what a first statement found in it."""
        parts = [how]
        if self.is_pooled:
            self.view = None
            parts += [f"SET LOCAL {name} = {value}" for name, value in _SETTINGS.items()]
        if first:
            parts.append(first)
        cursor = self.execute("; ".join(parts))
        while cursor.nextset():
            pass
        return cursor

    def keep_in_view(self, chunks: int) -> None:
        """Let searches of a graph keep so many chunks in view from now on."""
        if self.view != chunks:
            local = "LOCAL " if self.is_pooled else ""
            self.execute(f"SET {local}hnsw.ef_search = {chunks}")
            self.view = chunks

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Wait for answers as long as they take, meanwhile."""
        seconds, self.seconds = self.seconds, None
        try:
            yield
        finally:
            self.seconds = seconds

    def notice(self, told: psycopg.errors.Diagnostic) -> None:
        """Take note of a wait for a standby that somebody has cancelled: PostgreSQL only warns."""
        if told.sqlstate == pg.QueryCanceled.sqlstate and told.severity_nonlocalized == "WARNING":
            self.unconfirmed = True


def connect(conninfo: str, seconds: float | None, shown: str) -> tuple[Connection, str | None]:
    """A connection, and why what it acknowledges may be lost, if it may.

    Raises psycopg.Error if there is none, and Refused where the server is not as it must be.
    """
    connection = Connection.connect(conninfo, autocommit=True)
    try:
        connection.seconds = seconds
        connection.add_notice_handler(connection.notice)
        return connection, _prepare(connection, shown)
    except BaseException:
        connection.close()
        raise


def _prepare(connection: Connection, shown: str) -> str | None:
    found = connection.execute(_FACTS).fetchone()
    if found is None:
        raise Refused(
            f"{shown} lacks pgvector: install it on the server, and let an administrator of the "
            "database run CREATE EXTENSION vector"
        )
    version, schema, oid, *durability, process, is_found = found
    check_pgvector(version, shown)
    register_vectors(connection, oid)
    if process != connection.info.backend_pid:
        _expect_a_pooler(connection, shown, schema, is_found)
        return why_lossy(*durability)
    settings = [f"SET {name} = {value}" for name, value in _SETTINGS.items()]
    connection.execute("; ".join([*settings, f"SET search_path = {schema}, pg_catalog"]))
    return why_lossy(*durability)


def _expect_a_pooler(connection: Connection, shown: str, schema: str, is_found: bool) -> None:
    """Use no prepared statement, and no setting that is to outlive a transaction."""
    connection.is_pooled = True
    connection.prepare_threshold = None
    if not is_found:
        raise Refused(
            f"{shown} is reached through a pooler, and the extension vector is in the schema "
            f"{schema}, which is not searched: run ALTER ROLE ... SET search_path = {schema}, "
            "public for the role"
        )


def check_pgvector(version: str, shown: str) -> None:
    """Raise Refused if this version of pgvector is too old."""
    if tuple(int(one) for one in version.split(".") if one.isdigit()) < OLDEST_PGVECTOR:
        oldest = ".".join(map(str, OLDEST_PGVECTOR))
        raise Refused(
            f"{shown} has pgvector {version}, and {oldest} is needed: install it on the server, "
            "then run ALTER EXTENSION vector UPDATE"
        )


def why_lossy(is_standby: bool, fsync: bool, commit: str, waits: bool, standbys: int) -> str | None:
    """The reason why writes that are acknowledged may be lost; None if they are not."""
    if is_standby:
        return None  # it is not written to
    if not fsync:
        return "fsync is off, so that a power cut may lose everything"
    if commit in ("off", "local") and (commit == "off" or standbys):
        return f"synchronous_commit is {commit}"
    if standbys and not waits:
        return (
            "its standbys replicate asynchronously (synchronous_standby_names is empty), so that "
            "the last writes are lost with the primary"
        )
    return None
