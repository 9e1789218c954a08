"""Small derived items, in a table beside the documents; see indexer.engine.Keeper."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class PostgresKeeper:
    """Keeps one item for each model."""

    database: Database
    tables: Tables
    what: Kept

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """The item last kept for a model; ``known`` itself if that has not changed."""
        stamp = None if known is None else known.stamp
        given = [stamp, self.what.value, identity.fingerprint]
        rows = self.database.ask(self.tables.sql(_READ), given)
        if not rows:
            return None
        ((now, content),) = rows
        return known if now == stamp else KeptBytes(now, bytes(content))

    def write(self, identity: Identity, content: bytes) -> None:
        """Keep this in place of the last item, durably."""

        def keep(connection: Connection) -> None:
            what = self.what.value
            if self.what is not Kept.ADAPTER:  # that is not derived: it may be wanted again
                connection.execute(self.tables.sql(_FORGET), [what])
            connection.execute(self.tables.sql(_WRITE), [what, identity.fingerprint, content])

        self.database.write(keep)
