"""A migration to another model; see indexer.engine.Migration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from indexer.admission import joined_vectors
from indexer.documents import Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.errors import CollectionBusy
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.generations import add_generation, hold_generations, retire_generation
from indexer.postgres.leases import Lease
from indexer.postgres.rows import document_of
from indexer.postgres.schema import Tables
from indexer.postgres.writing import write_chunks

_PENDING: Final = """
SELECT id, title, text, metadata::text, picture FROM @document d WHERE NOT EXISTS (
    SELECT FROM @chunk_{draft} c
    WHERE c.document = d.number AND c.position = 0 AND c.hash = d.hash)
ORDER BY number LIMIT %s
"""
_RECOUNT: Final = """
UPDATE @counter SET writes = writes + 1, chunks = 0, truncated = 0, unknown = 0;
UPDATE @counter SET (chunks, truncated, unknown) = (
    SELECT count(*), count(DISTINCT document) FILTER (WHERE truncated),
        count(DISTINCT document) FILTER (WHERE unknown) FROM @chunk_{draft})
WHERE slot = 0;
"""


class PostgresMigration:
    """The next generation of a collection, filled by one process."""

    def __init__(
        self, database: Database, tables: Tables, identity: Identity, lease: Lease
    ) -> None:
        self._database = database
        self._tables = tables
        self._identity = identity
        self._lease = lease
        self._draft = database.write(self._begin)

    def _begin(self, connection: Connection) -> int:
        _, draft = hold_generations(connection, self._tables, "EXCLUSIVE")
        if draft is not None:
            statement = self._tables.sql("SELECT fingerprint FROM @generation WHERE number = %s")
            row = connection.execute(statement, [draft]).fetchone()
            if row == (self._identity.fingerprint,):
                return draft
            retire_generation(connection, self._tables, draft)
        return add_generation(connection, self._tables, self._identity, live=False)

    def pending(self, limit: int) -> list[Document]:
        """Some documents whose current content it lacks."""
        self._lease.require()
        return [document_of(row) for row in self._database.ask(self._statement, [limit])]

    @property
    def _statement(self) -> str:
        return self._tables.sql(_PENDING.format(draft=self._draft))

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add documents; those deleted meanwhile are left out."""
        self._lease.require()
        latest = {one.document.id: one for one in documents}
        if latest:
            joined_vectors(list(latest.values()), self._identity)
            self._database.write(lambda connection: self._put(connection, latest))

    def _put(self, connection: Connection, latest: dict[str, EmbeddedDocument]) -> None:
        hold_generations(connection, self._tables)
        statement = "SELECT id, number FROM @document WHERE id = ANY(%s) ORDER BY id FOR SHARE"
        rows = connection.execute(self._tables.sql(statement), [sorted(latest)]).fetchall()
        numbers: dict[str, int] = dict(rows)
        statement = f"DELETE FROM @chunk_{self._draft} WHERE document = ANY(%s)"  # noqa: S608
        connection.execute(self._tables.sql(statement), [list(numbers.values())])
        there = [one for id, one in latest.items() if id in numbers]
        write_chunks(connection, self._tables, self._draft, there, numbers)

    def finish(self, *, keep: bool = False) -> bool:
        """Switch to it in one step; False if documents were added or changed and are pending.

        With ``keep`` the generation before becomes the draft.
        """
        self._lease.require()
        return self._database.write(lambda connection: self._finish(connection, keep=keep))

    def _finish(self, connection: Connection, *, keep: bool) -> bool:
        live, draft = hold_generations(connection, self._tables, "EXCLUSIVE")
        if live == self._draft:
            return True  # it was done, and the answer was lost
        if draft != self._draft:
            raise CollectionBusy("another migration has begun meanwhile: begin again")
        if connection.execute(self._statement, [1]).fetchone():
            return False
        retire_generation(connection, self._tables, live)
        mark = self._tables.sql("UPDATE @generation SET live = %s WHERE number = %s")
        connection.execute(mark, [True, draft])
        if keep:
            connection.execute(mark, [False, live])
        connection.execute(self._tables.sql(_RECOUNT.format(draft=draft)))
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._lease.release()
