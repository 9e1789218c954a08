"""Small derived items, in a table beside the documents; see indexer.engine.Keeper."""

from __future__ import annotations

import threading
from typing import Final

from indexer.embedding.embedder import Identity
from indexer.engine import Kept, KeptBytes
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.schema import Tables

_READ: Final = """
SELECT stamp, CASE WHEN stamp IS DISTINCT FROM %s THEN content END
FROM @kept WHERE what = %s AND fingerprint = %s
"""
_WRITE: Final = """
INSERT INTO @kept VALUES (%s, %s, nextval('@stamp'), %s)
ON CONFLICT (what, fingerprint) DO UPDATE
SET stamp = excluded.stamp, content = excluded.content
"""
_FORGET: Final = """
DELETE FROM @kept WHERE what = %s AND fingerprint <> ALL(
    SELECT fingerprint FROM @generation WHERE live IS NOT NULL)
"""


class Glance(threading.local):
    """The stamps of all kept items in the state that this thread is reading; None in none."""

    stamps: str | None = None


class PostgresKeeper:
    """Keeps one item for each model; it is asked for only where the stamps of all have changed."""

    def __init__(self, database: Database, tables: Tables, what: Kept, glance: Glance) -> None:
        self._database = database
        self._tables = tables
        self._what = what
        self._glance = glance
        self._last: tuple[str, str, KeptBytes | None] = ("?", "", None)

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """The item last kept for a model; ``known`` itself if that has not changed."""
        stamps, (of, fingerprint, item) = self._glance.stamps, self._last
        if stamps is None or (stamps, identity.fingerprint) != (of, fingerprint):
            item = self._read(identity, known)
            if stamps is not None:
                self._last = stamps, identity.fingerprint, item
        return known if known is not None and item == known else item

    def _read(self, identity: Identity, known: KeptBytes | None) -> KeptBytes | None:
        stamp = None if known is None else known.stamp
        given = [stamp, self._what.value, identity.fingerprint]
        rows = self._database.ask(self._tables.sql(_READ), given)
        if not rows:
            return None
        ((now, content),) = rows
        return known if now == stamp else KeptBytes(now, bytes(content))

    def write(self, identity: Identity, content: bytes) -> None:
        """Keep this in place of the last item, durably."""

        def keep(connection: Connection) -> None:
            what = self._what.value
            if self._what is not Kept.ADAPTER:  # that is not derived: it may be wanted again
                connection.execute(self._tables.sql(_FORGET), [what])
            connection.execute(self._tables.sql(_WRITE), [what, identity.fingerprint, content])

        self._database.write(keep)
