"""The judgements of users, in a table beside the documents; see indexer.engine.Lines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from indexer.admission import LINE_BYTES, newest_lines
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.schema import Tables

_LOCK: Final = "LOCK TABLE @line IN SHARE ROW EXCLUSIVE MODE"
_ADD: Final = "INSERT INTO @line(content) VALUES (%s)"
_SIZE: Final = "SELECT count(*), coalesce(sum(length(content) + 1), 0) FROM @line"
_ALL: Final = "SELECT number, content FROM @line ORDER BY number"
_DROP: Final = "DELETE FROM @line WHERE number <= %s"
_CLEAR: Final = "DELETE FROM @line"

_SALT: Final = "salt of judgements"
_SALT_BYTES: Final = 32
_READ_SALT: Final = "SELECT content FROM @kept WHERE what = %s"
_WRITE_SALT: Final = """
INSERT INTO @kept VALUES (%s, '', nextval('@stamp'), %s) ON CONFLICT DO NOTHING
"""
_DROP_SALT: Final = "DELETE FROM @kept WHERE what = %s"


@dataclass(frozen=True, slots=True)
class PostgresLines:
    """See indexer.engine.Lines. Writers to the documents do not hold it up."""

    database: Database
    tables: Tables

    def append(self, line: bytes, most: int) -> None:
        """Keep one more, durably; beyond ``most``, or 2 kB of each, the oldest go.

        After a lost primary it may be there twice, which says no more than once.
        """

        def keep(connection: Connection) -> None:
            connection.execute(self.tables.sql(_LOCK))
            connection.execute(self.tables.sql(_ADD), [line])
            ((count, size),) = connection.execute(self.tables.sql(_SIZE)).fetchall()
            if count > most or size > most * LINE_BYTES:
                self._drop_oldest(connection, most - most // 10)

        self.database.write(keep)

    def _drop_oldest(self, connection: Connection, most: int) -> None:
        rows = connection.execute(self.tables.sql(_ALL)).fetchall()
        kept = len(newest_lines([bytes(content) for _, content in rows], most))
        if kept < len(rows):
            connection.execute(self.tables.sql(_DROP), [rows[-kept - 1][0]])

    def read(self) -> list[bytes]:
        """All that are kept, the oldest first."""
        return [bytes(content) for _, content in self.database.ask(self.tables.sql(_ALL), [])]

    def secret(self) -> bytes:
        """Random bytes, the same until the lines are cleared."""
        if (found := self._salt()) is None:
            made = os.urandom(_SALT_BYTES)
            self.database.write(lambda one: self._keep_salt(one, made))
            found = self._salt() or made
        return found

    def _salt(self) -> bytes | None:
        rows = self.database.ask(self.tables.sql(_READ_SALT), [_SALT])
        return bytes(rows[0][0]) if rows else None

    def _keep_salt(self, connection: Connection, salt: bytes) -> None:
        connection.execute(self.tables.sql(_WRITE_SALT), [_SALT, salt])

    def clear(self) -> int:
        """Forget all, and return their number."""
        return self.database.write(self._clear)

    def _clear(self, connection: Connection) -> int:
        connection.execute(self.tables.sql(_LOCK))
        connection.execute(self.tables.sql(_DROP_SALT), [_SALT])
        return int(connection.execute(self.tables.sql(_CLEAR)).rowcount)

    def fill(self, lines: Sequence[bytes], secret: bytes) -> None:
        """Keep these in place of all, with this secret."""

        def keep(connection: Connection) -> None:
            self._clear(connection)
            self._keep_salt(connection, secret)
            connection.cursor().executemany(self.tables.sql(_ADD), [[line] for line in lines])

        self.database.write(keep)
