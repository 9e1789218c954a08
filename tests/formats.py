"""Stores of other formats, made of those of this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

FIRST: Final = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE generations(
    generation INTEGER PRIMARY KEY, identity TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE documents(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL,
    truncated INTEGER NOT NULL, title TEXT, metadata TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE chunks(
    generation INTEGER NOT NULL, row INTEGER NOT NULL, document INTEGER NOT NULL,
    position INTEGER NOT NULL, "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY(generation, row)) WITHOUT ROWID;
CREATE INDEX chunks_of_document ON chunks(document, generation, row);
CREATE TABLE blocks(
    generation INTEGER NOT NULL, block INTEGER NOT NULL, sequence INTEGER NOT NULL,
    checksum INTEGER NOT NULL, owners BLOB NOT NULL,
    PRIMARY KEY(generation, block)) WITHOUT ROWID;
CREATE INDEX blocks_by_sequence ON blocks(generation, sequence);
CREATE TABLE drafts(
    document INTEGER PRIMARY KEY, hash BLOB NOT NULL, truncated INTEGER NOT NULL);
CREATE TABLE fields(field INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE facets(
    field INTEGER NOT NULL, kind INTEGER NOT NULL, value NOT NULL, document INTEGER NOT NULL,
    PRIMARY KEY(field, kind, value, document)) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""The tables of format 1, as they were written."""

FIRST_FACTS: Final = "'generation', 'sequence', 'documents', 'chunks', 'truncated'"


def make_first(store: Path) -> None:
    """Write a store anew as the first version had it, with what it holds."""
    old = store.rename(store.with_name("later.sqlite"))
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; {FIRST}")
        connection.execute("ATTACH ? AS later", (str(old),))
        tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table == "sqlite_sequence":
                continue
            columns = ", ".join(
                f'"{name}"'
                for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})")
            )
            some = f"WHERE name IN ({FIRST_FACTS})" if table == "facts" else ""
            connection.execute(
                f"INSERT INTO {table}({columns}) SELECT {columns} FROM later.{table} {some}"
            )
        connection.execute("DETACH later")
    old.unlink()


def make_newer(store: Path) -> None:
    """Number a store as a later version would."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_foreign(store: Path) -> None:
    """Put another program's file in a store's place."""
    store.unlink()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE bookmarks(url)")


def make_numbered_foreign(store: Path) -> None:
    """Put another program's file in a store's place, with a number like a store's."""
    make_foreign(store)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 2")


OTHERS: Final[Mapping[str, tuple[Callable[[Path], None], str]]] = {
    "newer": (
        make_newer,
        r"'default'.*newer version of Bearing.*99.*make install.*bearing restore",
    ),
    "foreign": (make_foreign, r"'default' holds no store of Bearing.*bearing index"),
    "numbered": (make_numbered_foreign, r"'default' holds no store of Bearing.*bearing index"),
}
"""Stores that this version does not read, and what is said of each."""
