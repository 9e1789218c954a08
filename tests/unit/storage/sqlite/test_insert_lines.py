"""Many lines in one statement are the lines that were given."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from indexer.storage.sqlite.transaction import LINES, insert_lines


@pytest.mark.parametrize("count", [0, 1, LINES - 1, LINES, LINES + 1, 2 * LINES + 3])
def test_every_line_is_stored_once_and_in_order(count: int) -> None:
    """Whether they fill statements or not; texts, bytes and nulls stay what they are."""
    lines = [(number, f"it's {number}; ?", bytes([number % 256]), None) for number in range(count)]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE things(number, name, content, empty)")
        insert_lines(connection, "INSERT INTO things", lines)
        assert connection.execute("SELECT * FROM things ORDER BY rowid").fetchall() == lines


def test_a_line_that_is_there_can_be_ignored() -> None:
    """The beginning of the statement says so, and it holds for lines of one statement, too."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE things(number PRIMARY KEY)")
        insert_lines(connection, "INSERT OR IGNORE INTO things", [(1,), (2,), (1,)])
        insert_lines(connection, "INSERT OR IGNORE INTO things", [(2,), (3,)])
        found = connection.execute("SELECT number FROM things ORDER BY number").fetchall()
        assert found == [(1,), (2,), (3,)]
        with pytest.raises(sqlite3.IntegrityError):
            insert_lines(connection, "INSERT INTO things", [(4,), (1,)])
