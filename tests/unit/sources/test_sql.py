"""Rows of SQL queries as documents, and the cursor from which the next run goes on."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from called import run_bearing
from postgres import postgres

from indexer.config import Config
from indexer.documents import Document
from indexer.errors import InvalidInput, Unreadable
from indexer.ingestion.cursor import Cursor
from indexer.library import Library
from indexer.readers import USUAL, Read
from indexer.sources.sql import Database, Query

sqlalchemy = pytest.importorskip("sqlalchemy")

SELECT = "select id, body as text, at, stars from notes"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A SQLite database of three notes."""
    path = tmp_path / "notes.db"
    change(path, "create table notes (id integer primary key, body text, at text, stars real)")
    change(path, "insert into notes values (1, 'the moon', 'a', 1.5), (2, 'the sun', 'b', null)")
    change(path, "insert into notes values (3, 'the tide', 'b', 4)")
    return path


def change(path: Path, statement: str) -> None:
    """Carry out a statement."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def index(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The figures of a run over the notes, and what it said."""
    given = ["index", "--json", "--data", str(folder / "data"), "--model", "hashing"]
    url = f"sqlite:///{folder / 'notes.db'}"
    done = run_bearing([*given, "--sql", url, *words])
    assert done.exit_code == code, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr}


def stored(folder: Path) -> dict[str, Document]:
    """The stored documents by id."""
    with Library(Config(data=str(folder / "data"))) as library:
        return {one.id: one for one in library.open("default").page().documents}


def test_rows_are_documents(tmp_path: Path, notes: Path) -> None:
    """Columns are fields, others metadata without nulls; colons and comments stay."""
    query = f"{SELECT} where body <> ' :x' and '%' <> '::' -- all;\n;"
    assert index(tmp_path, "--query", query)["written"] == 3
    assert stored(tmp_path) == {
        "1": Document("1", "the moon", metadata={"at": "a", "stars": 1.5}),
        "2": Document("2", "the sun", metadata={"at": "b"}),
        "3": Document("3", "the tide", metadata={"at": "b", "stars": 4.0}),
    }


def test_a_run_goes_on_from_the_last_value(tmp_path: Path, notes: Path) -> None:
    """Rows from there on are read, with those of the very same value and those without one."""
    words = "--query", SELECT, "--cursor-column", "AT"
    first = index(tmp_path, *words)
    assert (first["written"], first["unchanged"]) == (3, 0)
    change(notes, "update notes set body = 'unseen' where id = 1")
    change(notes, "insert into notes values (4, 'the ebb', 'b', 1), (5, 'a star', 'c', 1)")
    change(notes, "insert into notes values (6, 'no time', null, 1)")
    second = index(tmp_path, *words)
    assert (second["written"], second["unchanged"]) == (3, 2)
    assert "going on from at = b" in second["said"]
    third = index(tmp_path, *words)
    assert (third["written"], third["unchanged"]) == (0, 2)
    assert stored(tmp_path)["1"].text == "the moon"
    assert index(tmp_path, "--query", SELECT)["written"] == 1
    other = index(tmp_path, "--query", f"{SELECT} where 1", "--cursor-column", "at")
    assert other["unchanged"] == 6


def test_a_cursor_stops_before_what_is_not_stored(tmp_path: Path) -> None:
    """It is the value of the last row up to the one that is durable, of whatever kind it is."""
    with Library(Config(data=str(tmp_path), model="hashing")) as library:
        origins = library.create("c").origins
        cursor = Cursor(origins, "sql:x", "place")
        for number, value in enumerate((1, 2, None, 2, 3), start=1):
            cursor.passed(number, value)
        cursor.stored(0)
        assert Cursor(origins, "sql:x", "place").last() is None
        cursor.stored(3)
        assert Cursor(origins, "sql:x", "place").last() == 1
        cursor.stored(5)
        assert Cursor(origins, "sql:x", "place").last() == 3
        with pytest.raises(Unreadable, match="cursor column holds"):
            cursor.passed(6, float("nan"))


def test_rows_are_streamed(notes: Path) -> None:
    """A row is fetched when it is asked for: no more than a few batches come before."""
    endless = "with recursive n(id) as (select 1 union all select id + 1 from n limit 100000000) "
    query = Query.checked(
        Database.at(f"sqlite:///{notes}"), f"{endless}select id, 'x' text from n", USUAL, None
    )
    reads = query.reads(USUAL)
    assert [next(reads) for _ in range(2)] == [
        Read(Document("1", "x"), 1),
        Read(Document("2", "x"), 2),
    ]
    reads.close()


@pytest.mark.parametrize(
    ("query", "cursor", "told"),
    [
        ("select id, body from notes", None, "no field 'text', but 'id', 'body'"),
        ("select body as text from notes", None, "no field 'id'"),
        (SELECT, "updated", "no column 'updated' for a cursor, but 'id', 'text', 'at', 'stars'"),
        (" ; ", None, "an empty query"),
    ],
)
def test_a_wrong_query_is_told(
    tmp_path: Path, notes: Path, query: str, cursor: str | None, told: str
) -> None:
    """Before anything is made, with what there is."""
    words = ["--cursor-column", cursor] if cursor else []
    assert told in index(tmp_path, "--query", query, *words, code=2)["error"]
    assert not (tmp_path / "data" / "default").exists()


def test_two_columns_of_one_name_are_told(tmp_path: Path, notes: Path) -> None:
    """Neither is stored in place of the other."""
    query = "select id, body as text, 1 as n, 2 as n from notes"
    assert "two columns are called 'n'" in index(tmp_path, "--query", query, code=2)["error"]


def test_what_the_database_refuses_is_told(tmp_path: Path, notes: Path) -> None:
    """In its own words; a file that is not there is not made."""
    assert (
        "no such table: note" in index(tmp_path, "--query", "select * from note", code=1)["error"]
    )
    with pytest.raises(Unreadable, match="no such file"):
        Database.at(f"sqlite:///{tmp_path}/missing.db")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(InvalidInput, match="not the URL of a database"):
        Database.at("nonsense")
    with (
        pytest.raises(InvalidInput, match="knows no database 'nosuch'"),
        Database.at("nosuch://h/d").connected(),
    ):
        pass


def test_a_row_that_is_no_document_is_rejected_by_number(tmp_path: Path, notes: Path) -> None:
    """The others are stored."""
    change(notes, "insert into notes values (4, null, 'c', 1), (5, 'a star', x'ff', 1)")
    figures = index(tmp_path, "--query", SELECT, code=3)
    assert (figures["written"], figures["rejected"]) == (3, 2)
    assert [one["first"] for one in figures["reasons"]] == ["row 4", "row 5"]


def test_options_that_do_not_go_together_are_refused(tmp_path: Path, notes: Path) -> None:
    """Each error says what to give."""
    assert "--sql needs a query" in index(tmp_path, code=2)["error"]
    assert "leave out PATH" in index(tmp_path, "x", "--query", SELECT, code=2)["error"]
    words = "--query", SELECT, "--sync", "--watch"
    assert "tells of no changes to --watch" in index(tmp_path, *words, code=2)["error"]
    assert "give --sync" in index(tmp_path, "--query", SELECT, "--dry-run", code=2)["error"]
    alone = run_bearing(["index", "--query", SELECT])
    assert alone.exit_code == 2
    assert "give --sql URL" in alone.stderr


def kept(folder: Path, *words: str, query: str = SELECT, code: int = 0) -> dict[str, Any]:
    """The figures of keeping in step with a query, with those of its only source."""
    done = index(folder, "--query", query, "--sync", *words, code=code)
    return {**done, **done["sources"][0]}


def test_rows_that_are_gone_go(tmp_path: Path, notes: Path) -> None:
    """A row with another id keeps its vector; a dry run says so, and changes nothing."""
    assert kept(tmp_path)["written"] == 3
    change(notes, "delete from notes where id = 1")
    change(notes, "update notes set id = 9 where id = 2")
    would = kept(tmp_path, "--dry-run")
    assert (would["deleted"], would["new"], would["reused"]) == (["1", "2"], ["9"], 1)
    assert sorted(stored(tmp_path)) == ["1", "2", "3"]
    done = kept(tmp_path)
    assert (done["deleted"], done["reused"], done["tokens"]) == (2, 1, 0)
    assert sorted(stored(tmp_path)) == ["3", "9"]
    assert kept(tmp_path)["unchanged"] == 2


def test_no_row_goes_unless_all_were_read(tmp_path: Path, notes: Path) -> None:
    """Not behind a cursor, not with rejected rows, and not when the query gives nothing."""
    words = "--cursor-column", "at"
    assert kept(tmp_path, *words)["written"] == 3
    change(notes, "delete from notes where id = 1")
    change(notes, "insert into notes values (4, 'the ebb', 'c', 1)")
    for more in (("--dry-run",), ()):
        done = kept(tmp_path, *words, *more)
        assert "rows before at = b were not asked for" in done["unreadable"][0]
    assert sorted(stored(tmp_path)) == ["1", "2", "3", "4"]
    change(notes, "delete from notes where id = 4")
    change(notes, "insert into notes values (5, null, 'c', 1)")
    assert kept(tmp_path, code=3)["unreadable"] == ["1 rows were rejected"]
    change(notes, "delete from notes")
    assert kept(tmp_path, code=1)["refused"].startswith("4 of 4 documents are no longer there")
    change(notes, "insert into notes values (2, 'the sun', 'b', null)")
    done = kept(tmp_path)
    assert (done["deleted"], sorted(stored(tmp_path))) == (3, ["2"])


def test_a_query_goes_by_a_name_of_its_own(tmp_path: Path, notes: Path) -> None:
    """So that it may be written otherwise; another source's name is refused."""
    kept(tmp_path, "--source", "shop")
    change(notes, "delete from notes where id = 1")
    done = kept(tmp_path, "--source", "shop", query=f"{SELECT} where 1")
    assert (done["source"], done["deleted"]) == ("shop", 1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("words")
    given = ["index", str(other), "--sync", "--source", "shop", "--data", str(tmp_path / "data")]
    refused = run_bearing(given)
    assert (refused.exit_code, "give this folder another name" in refused.stderr) == (2, True)
    given[given.index("shop")] = "mine"
    assert run_bearing(given).exit_code == 0
    error = index(tmp_path, "--query", SELECT, "--sync", "--source", "mine", code=1)["error"]
    assert "give another name by --source" in error


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A PostgreSQL database."""
    with postgres(Path(tempfile.mkdtemp(prefix="bearing-postgres-"))) as url:
        yield url


def test_postgresql_is_read_with_a_moment_as_cursor(database: str) -> None:
    """Types of its own become plain values; nothing can be written; the password is not told."""
    parts = sqlalchemy.make_url(database).set(password="s3cret")
    url = parts.render_as_string(hide_password=False)
    select = (
        "select n as id, 'x' || n as text, '{\"a\": 1}'::jsonb as about, 1.5::numeric as stars, "
        "array['p', 'q'] as tags, timestamptz '2026-01-01Z' + n * interval '1 day' as at "
        "from generate_series(1, 2000) n"
    )
    known = Database.at(url)
    assert "s3cret" not in known.name
    query = Query.checked(known, select, USUAL, "at")
    values: list[Any] = []
    items = [read.item for read in query.reads(USUAL, None, lambda _, at: values.append(at))]
    assert len(items) == 2000
    metadata = {"about.a": 1, "stars": 1.5, "tags": ["p", "q"], "at": "2026-01-02T00:00:00Z"}
    assert items[0] == Document("1", "x1", metadata=metadata)
    assert len(list(query.reads(USUAL, values[-3]))) == 3
    writing = Query.checked(known, "select 1 id, lo_create(0)::text as text", USUAL, None)
    with pytest.raises(Unreadable, match="read-only"):
        list(writing.reads(USUAL))
