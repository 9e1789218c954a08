"""The driver's errors in Bearing's words: the event, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import psycopg
from psycopg import errors as pg

from indexer.errors import (
    BearingError,
    NotFound,
    OtherFormat,
    Refused,
    StorageFailed,
    TimedOut,
    Unreachable,
)
from indexer.postgres.connection import Overdue

_TOLD: Final[Mapping[type[psycopg.Error], Callable[[str, str], BearingError]]] = {
    pg.UndefinedTable: lambda at, _: NotFound(f"the collection was deleted from {at}"),
    pg.InvalidSchemaName: lambda at, _: NotFound(f"the collection was deleted from {at}"),
    Overdue: lambda at, why: TimedOut(
        f"{at} did not answer in time ({why}): is the server busy, or paused? A write that was "
        "under way may have been done"
    ),
    pg.DiskFull: lambda at, why: StorageFailed(
        f"{at} has no space left ({why}): nothing was written; give the server's disk more space"
    ),
    pg.ReadOnlySqlTransaction: lambda at, _: StorageFailed(
        f"{at} is a standby, which cannot be written to: name the primary, or all hosts "
        "(postgresql://user@host1,host2/database)"
    ),
    pg.UndefinedColumn: lambda at, why: OtherFormat(
        f"{at} has other tables where Bearing's would be ({why}): another version made them, or "
        "something else did. Run bearing upgrade, or take another database"
    ),
    pg.InsufficientPrivilege: lambda at, why: Refused(
        f"{at} does not allow this user that ({why}): see the rights in docs/postgresql.md"
    ),
    pg.QueryCanceled: lambda at, why: TimedOut(f"{at} stopped the request ({why})"),
    pg.LockNotAvailable: lambda at, why: TimedOut(f"{at} was held by another ({why})"),
    pg.TooManyConnections: lambda at, why: Refused(
        f"{at} has no connection left ({why}): raise max_connections, or run fewer processes"
    ),
}


def failure(error: psycopg.Error, shown: str) -> BearingError:
    """The error to raise for one of a database in use."""
    why = _first_line(error)
    for kind in type(error).__mro__:
        told = _TOLD.get(kind)
        if told is not None:
            return told(shown, why)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Unreachable(
            f"{shown} went away ({why}): is the server up, and is there a primary? A write that "
            "was under way may have been done"
        )
    return Refused(f"{shown} refused: {why}")


def connection_failure(error: psycopg.Error, shown: str) -> BearingError:
    """The error to raise where no connection was made."""
    why = _first_line(error)
    text = str(error)
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return Unreachable(f"{shown} does not answer: check the host, the port and the network")
    if "password" in text or "authentication" in text or "role " in text:
        return Refused(f"{shown} does not let this user in ({why}): check the name and password")
    if "database " in text and "does not exist" in text:
        return Refused(f"{shown} has no such database ({why}): let an administrator create it")
    if "too many clients" in text or "connection slots" in text:
        return Refused(f"{shown} has no connection left ({why}): raise max_connections")
    if "pg_hba.conf" in text:
        return Refused(
            f"{shown} does not admit this connection ({why}): check sslmode in the URL, the role, "
            "and what the server's pg_hba.conf says of this host"
        )
    if "does not match host name" in text:
        return Refused(f"{shown} is not who it says ({why}): name it as its certificate does")
    if "SSL" in text or "certificate" in text:
        return Refused(
            f"{shown} cannot be reached as the URL says, by TLS ({why}): the server must offer it, "
            "and sslrootcert name the certificate that its own is verified by"
        )
    if "read-only" in text or "standby" in text:
        return Unreachable(f"none of {shown} is a primary that takes writes ({why})")
    return Unreachable(f"{shown} cannot be reached ({why}): is the server up?")


def _first_line(error: psycopg.Error) -> str:
    told = error.diag.message_primary or str(error).strip()
    return told.splitlines()[0] if told else type(error).__name__
