"""A store of an earlier format, upgraded in place to the present one; any other is refused.

Each step leads from a format to the next. All steps that a store needs run in one transaction, when
a version that has them first opens it.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from indexer import installation
from indexer.errors import Damaged, OtherFormat
from indexer.filters import Kind
from indexer.storage.sqlite.facets import KIND_NUMBERS, moment_line
from indexer.storage.sqlite.schema import FORMAT, ORIGINS, STORE

Step: TypeAlias = Callable[[sqlite3.Connection], None]

_OURS: Final = frozenset({"facts", "generations", "documents", "chunks", "blocks"})
"""Tables that a store has in every format."""


def _keep_changes(connection: sqlite3.Connection) -> None:
    """From 1 to 2: record changes and deletions of documents, so that derived data can follow.

    All count as changed by the last write. Stores had no language but English until then.
    """
    for statement in (
        "CREATE TABLE traits(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "ALTER TABLE documents ADD COLUMN changed INTEGER NOT NULL DEFAULT 0",
        "UPDATE documents SET changed = (SELECT value FROM facts WHERE name = 'sequence')",
        "CREATE INDEX documents_by_change ON documents(changed)",
        "CREATE TABLE deletions(document INTEGER PRIMARY KEY, sequence INTEGER NOT NULL)",
        "CREATE INDEX deletions_by_sequence ON deletions(sequence)",
        "INSERT INTO facts VALUES ('forgotten', 0)",
    ):
        connection.execute(statement)
    traits = [("instance", uuid.uuid4().hex), ("language", "english")]
    connection.executemany("INSERT INTO traits VALUES (?, ?)", traits)


def _tell_moments(connection: sqlite3.Connection) -> None:
    """From 2 to 3: moments become a kind of their own among the facets, no longer strings."""
    connection.create_function("moment_line", 1, moment_line, deterministic=True)
    connection.execute(
        "UPDATE facets SET kind = ?, value = moment_line(value) WHERE kind = ?"
        " AND value GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
        " AND moment_line(value) IS NOT NULL",
        (KIND_NUMBERS[Kind.MOMENT], KIND_NUMBERS[Kind.STRING]),
    )


def _tell_unknown(connection: sqlite3.Connection) -> None:
    """From 2 to 3 too: of which chunks the model knows no word; nothing is known of those there.

    To tell them takes the model: it is told of what is embedded from now on.
    """
    connection.execute("ALTER TABLE chunks ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0")
    connection.execute("CREATE INDEX unknown_chunks ON chunks(generation, document) WHERE unknown")


def _to_3(connection: sqlite3.Connection) -> None:
    _tell_moments(connection)
    _tell_unknown(connection)


def _keep_pictures(connection: sqlite3.Connection) -> None:
    """From 3 to 4: documents may have a picture; none there has."""
    for statement in (
        "ALTER TABLE documents ADD COLUMN picture TEXT",
        "CREATE INDEX pictured_documents ON documents(number) WHERE picture IS NOT NULL",
        "CREATE TABLE pictures("
        "document INTEGER PRIMARY KEY, thumbnail BLOB NOT NULL, original BLOB)",
    ):
        connection.execute(statement)


def _keep_origins(connection: sqlite3.Connection) -> None:
    """From 3 to 4: of which sources documents are; nothing is known of those there."""
    for statement in ORIGINS:
        connection.execute(statement)


def _to_4(connection: sqlite3.Connection) -> None:
    _keep_pictures(connection)
    _keep_origins(connection)


STEPS: Final[Mapping[int, Step]] = {1: _keep_changes, 2: _to_3, 3: _to_4}
"""From each earlier format to the next."""


def upgrade(connection: sqlite3.Connection, what: str) -> None:
    """Bring a store to the present format, durably or not at all; a present one is unchanged.

    ``what`` is the name of the file in a refusal. Raises OtherFormat, which says what to do.
    """
    if require_known(connection, what) == FORMAT:
        return
    try:
        _take_steps(connection, what)
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
            raise
        raise OtherFormat(
            f"{what} was written by an older version of Bearing, and is brought up to date when it "
            "is opened where its folder can be written to: do that once, by `bearing stats`"
        ) from error


def _take_steps(connection: sqlite3.Connection, what: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for format in range(require_known(connection, what), FORMAT):  # another may be first
            STEPS[format](connection)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def require_known(connection: sqlite3.Connection, what: str) -> int:
    """The format of a store that this version can read or upgrade.

    Raises OtherFormat for any other, Damaged for an empty file.
    """
    format = int(connection.execute("PRAGMA user_version").fetchone()[0])
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = {name for (name,) in rows}
    if not tables and not format:
        raise Damaged(
            f"{what}: {STORE} is empty, which a store never is: delete the collection and fill it "
            "again by `bearing index`, or from a backup by `bearing restore`"
        )
    if not _OURS.issubset(tables) or format < min(STEPS):
        raise OtherFormat(
            f"{what} holds no store of Bearing, but an SQLite file of something else: move its "
            "folder out of the data directory, then fill it again by `bearing index`, or from a "
            "backup by `bearing restore`"
        )
    if format > FORMAT:
        raise OtherFormat(newer(what, format, FORMAT))
    return format


def newer(what: str, format: int, known: int) -> str:
    """The message about something that a newer version of Bearing wrote, with the remedy."""
    return (
        f"{what} was written by a newer version of Bearing (format {format}; this is "
        f"{installation.version()}, which reads {known}): update Bearing "
        f"({installation.how_to_update()}), or make another collection of a backup that this "
        "version wrote: `bearing restore FILE --collection NAME`"
    )
