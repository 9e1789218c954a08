"""How a generation's model is told in the store: its identity, and what stands beside it."""

from __future__ import annotations

import sqlite3

from indexer.embedding.embedder import Identity


def write_generation(connection: sqlite3.Connection, number: int, identity: Identity) -> None:
    """Begin a generation of a model, without rows."""
    connection.execute("INSERT INTO generations VALUES (?, ?, 0)", (number, identity.encode()))
    if identity.essence:
        # Beside the identity, and by its set-up alone: what knows no essences opens it as well.
        known = "INSERT OR REPLACE INTO traits VALUES (?, ?)"
        connection.execute(known, (essence_of(identity.setup), identity.essence))


def essence_of(setup: str) -> str:
    """The name of the fact that says what is known of a setup beside its digest."""
    return f"essence of {setup}"
