"""Questions to one state of a collection, within a transaction that sees no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.postgres.connection import Connection
from indexer.postgres.schema import Tables


@dataclass(frozen=True, slots=True)
class Reading:
    """A collection's tables, by a connection in a transaction; ``generation`` is the live one."""

    connection: Connection
    tables: Tables
    generation: int

    def rows(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; ``@chunk`` is the table of the live generation's chunks."""
        cursor = self.connection.cursor(binary=True)
        return cursor.execute(self.sql(statement), arguments).fetchall()

    def row(self, statement: str, arguments: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The only row of a statement."""
        (found,) = self.rows(statement, arguments)
        return found

    def stream(
        self, statement: str, arguments: Sequence[Any], rows: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a statement, so many at a time."""
        with self.connection.cursor("stream", binary=True) as cursor:
            cursor.execute(self.sql(statement), arguments)
            while found := cursor.fetchmany(rows):
                yield found

    def sql(self, statement: str) -> str:
        """A statement with the names of tables in their schema."""
        return self.tables.sql(statement.replace("@chunk ", f"@chunk_{self.generation} "))
