"""The models of a collection: the live one, and one that is being filled beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from indexer.embedding.embedder import Identity
from indexer.postgres.connection import Connection
from indexer.postgres.schema import Tables

_ADD: Final = """
INSERT INTO @generation(number, identity, essence, fingerprint, live, kind)
SELECT coalesce(max(number), 0) + 1, %s, %s, %s, %s, max(kind) FILTER (WHERE live)
FROM @generation RETURNING number
"""
_RETIRE: Final = "UPDATE @generation SET live = NULL, retired = now() WHERE number = %s"
_RETIRE_DRAFT: Final = "UPDATE @generation SET live = NULL, retired = now() WHERE NOT live"
_RETIRED: Final = """
SELECT number, EXISTS (SELECT FROM pg_stat_activity WHERE xact_start <= retired
    AND pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user)
FROM @generation WHERE live IS NULL
"""


def add_generation(
    connection: Connection, tables: Tables, identity: Identity, *, live: bool
) -> int:
    """Create an empty generation, and return its number."""
    given = (identity.encode(), identity.essence, identity.fingerprint, live)
    row = connection.execute(tables.sql(_ADD), given).fetchone()
    assert row is not None
    number = int(row[0])
    connection.execute(tables.generation(number, identity.dimension))
    return number


def retire_generation(connection: Connection, tables: Tables, number: int) -> None:
    """Let no state begin with a generation any more; those that did may still read it."""
    connection.execute(tables.sql(_RETIRE), [number])


def retire_draft(connection: Connection, tables: Tables) -> None:
    """Retire the vectors of another model, unless a migration is using them."""
    hold_generations(connection, tables, "EXCLUSIVE")
    lease = "SELECT FROM @lease WHERE job = 'migration' AND until > now()"
    statement = f"{_RETIRE_DRAFT} AND NOT EXISTS ({lease})"
    connection.execute(tables.sql(statement))


def drop_retired(connection: Connection, tables: Tables) -> bool:
    """Drop the generations that no state can read any more; False if there are others."""
    connection.execute("SET LOCAL lock_timeout = '5s'")
    retired = connection.execute(tables.sql(_RETIRED)).fetchall()
    for number, is_read in retired:
        if not is_read:
            connection.execute(tables.sql(f"DROP TABLE IF EXISTS @chunk_{number}"))
            statement = "DELETE FROM @generation WHERE number = %s"
            connection.execute(tables.sql(statement), [number])
    return not any(is_read for _, is_read in retired)


def identity_of(connection: Connection, tables: Tables, number: int) -> Identity:
    """The model of a generation."""
    statement = tables.sql("SELECT identity, essence FROM @generation WHERE number = %s")
    row = connection.execute(statement, [number]).fetchone()
    assert row is not None
    return replace(Identity.decode(row[0]), essence=row[1])


def hold_generations(
    connection: Connection, tables: Tables, mode: str = "ROW EXCLUSIVE"
) -> tuple[int, int | None]:
    """The numbers of the live generation and of the draft, held until the transaction ends.

    Writers hold them together; in mode ``EXCLUSIVE`` one alone, while others may read.
    """
    connection.execute(tables.sql(f"LOCK TABLE @generation IN {mode} MODE"))
    rows = connection.execute(tables.sql("SELECT live, number FROM @generation")).fetchall()
    found: dict[bool | None, int] = dict(rows)
    return found[True], found.get(False)
