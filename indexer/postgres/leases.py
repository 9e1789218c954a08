"""Leases: heavy jobs on a collection are done by one process at a time.

A lease lasts some seconds and is renewed by a thread as long as the job goes on, so that one whose
process is gone passes to another. The clock is the server's.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from typing import Final

from indexer.errors import BearingError, CollectionBusy
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.schema import Tables

SECONDS: Final = 30.0
"""A lease that was not renewed for so long is lost."""

_TAKE: Final = """
INSERT INTO @lease AS l VALUES (%s, %s, %s, now() + make_interval(secs => %s))
ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, purpose = excluded.purpose,
    until = excluded.until WHERE l.until < now() OR l.holder = excluded.holder
RETURNING holder
"""
_RENEW: Final = """
UPDATE @lease SET until = now() + make_interval(secs => %s)
WHERE job = %s AND holder = %s RETURNING holder
"""
_TELL: Final = "UPDATE @lease SET purpose = %s WHERE job = %s AND holder = %s"
_RELEASE: Final = "DELETE FROM @lease WHERE job = %s AND holder = %s"


class Lease:
    """The right to do a job alone, taken when made, until it is released; raises CollectionBusy."""

    def __init__(
        self, database: Database, tables: Tables, job: str, purpose: str, seconds: float = SECONDS
    ) -> None:
        self._database = database
        self._tables = tables
        self._job = job
        self._seconds = seconds
        self.holder = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        self._lost = False
        self._released = threading.Event()
        database.write(lambda connection: self._take(connection, purpose))
        self._renewing = threading.Thread(target=self._renew, name=f"lease {job}", daemon=True)
        self._renewing.start()

    def require(self) -> None:
        """Raise CollectionBusy if another has the lease by now."""
        if self._lost:
            raise CollectionBusy(
                f"the {self._job} was taken over by another process, since this one could not "
                "reach the database for some time: begin again"
            )

    def tell(self, purpose: str) -> None:
        """Say anew what the lease is for, to those who look at it."""
        given = [purpose, self._job, self.holder]
        self._database.write(lambda one: one.execute(self._tables.sql(_TELL), given))

    def release(self) -> None:
        """Let another do the job."""
        self._released.set()
        self._renewing.join()
        try:
            self._database.write(
                lambda one: one.execute(self._tables.sql(_RELEASE), [self._job, self.holder])
            )
        except BearingError:
            return  # it runs out by itself

    def _take(self, connection: Connection, purpose: str) -> None:
        given = [self._job, self.holder, purpose, self._seconds]
        if connection.execute(self._tables.sql(_TAKE), given).fetchone():
            return
        statement = self._tables.sql("SELECT purpose, holder FROM @lease WHERE job = %s")
        found = connection.execute(statement, [self._job]).fetchone() or ("done", "another")
        host, _, process = found[1].partition(" ")
        raise CollectionBusy(
            f"the collection is being {found[0]} by process {process.partition(' ')[0]} of {host}: "
            "wait until that is done"
        )

    def _renew(self) -> None:
        while not self._released.wait(self._seconds / 3):
            given = [self._seconds, self._job, self.holder]
            try:
                with self._database.plain() as connection:
                    kept = connection.execute(self._tables.sql(_RENEW), given).fetchone()
            except BearingError:
                continue  # it may yet be reached in time
            if kept is None:
                self._lost = True
                return
