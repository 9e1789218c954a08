"""The identity of a generation's model in the store, and its essence beside it."""

from __future__ import annotations

import sqlite3

from indexer.embedding.embedder import Identity


def write_generation(connection: sqlite3.Connection, number: int, identity: Identity) -> None:
    """Create a generation for a model, without rows."""
    connection.execute("INSERT INTO generations VALUES (?, ?, 0)", (number, identity.encode()))
    if identity.essence:
        # Beside the identity, not in it, so that versions without essences open it too.
        known = "INSERT OR REPLACE INTO traits VALUES (?, ?)"
        connection.execute(known, (essence_of(identity.setup), identity.essence))


def essence_of(setup: str) -> str:
    """The name under which the essence of a set-up is stored."""
    return f"essence of {setup}"
