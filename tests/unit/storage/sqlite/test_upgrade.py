"""Stores of other formats: earlier ones are brought up to date, others refused."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from formats import OTHERS, make_first
from local import create_local, open_local
from samples import make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import OtherFormat, StorageFailed
from indexer.filters import parse_filter
from indexer.index_choice import Language
from indexer.queries import Mode, Query
from indexer.storage.maintenance.verification import verify
from indexer.storage.sqlite.schema import FORMAT
from indexer.storage.sqlite.store import Store
from indexer.storage.sqlite.upgrade import STEPS, upgrade

VECTORS = random_units(100)


def embedded(number: int) -> EmbeddedDocument:
    """A document of a number, which its text has as a word."""
    document = Document(f"d{number}", f"text number{number}", None, {"number": number})
    return EmbeddedDocument(document, (Chunk(0, 0, 4),), VECTORS[number : number + 1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of 90 documents, closed."""
    with create_local(tmp_path / "default", make_identity()) as collection:
        collection.put([embedded(number) for number in range(90)])
        collection.delete(["d3"])
    return tmp_path / "default"


def shape(store: Path) -> tuple[int, set[tuple[str, str]]]:
    """A store's format, and the names of what is in it."""
    with closing(sqlite3.connect(store)) as connection:
        names = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        return connection.execute("PRAGMA user_version").fetchone()[0], set(names)


def test_from_each_format_a_step_leads_to_the_next() -> None:
    """No earlier format is left out."""
    assert sorted(STEPS) == list(range(1, FORMAT))


def test_a_store_of_the_first_format_is_brought_up_to_date(folder: Path) -> None:
    """It keeps its documents and vectors, finds words, and is written to, searched and sound."""
    present = shape(folder / "store.sqlite")
    make_first(folder / "store.sqlite")
    assert shape(folder / "store.sqlite")[0] == 1
    with open_local(folder) as collection:
        assert shape(folder / "store.sqlite") == present
        assert collection.language is Language.ENGLISH
        assert {one.id for one in collection.page(limit=999).documents} == {
            f"d{number}" for number in range(90) if number != 3
        }
        for number in (0, 89):
            query = Query(vector=VECTORS[number], k=1, filter=parse_filter({"number": number}))
            (hit,) = collection.search([query])[0].hits
            assert (hit.document.id, round(hit.score, 5)) == (f"d{number}", 1)
        word = Query(text="number7", k=1, mode=Mode.LEXICAL)
        assert collection.search([word])[0].hits[0].document.id == "d7"
        collection.put([embedded(95), embedded(0)])
        collection.delete(["d1"])
        assert collection.describe().documents == 89
        stored = collection.vectors(["d95"])[0]
        assert stored is not None
        np.testing.assert_array_equal(stored.vectors, VECTORS[95:96])
    assert verify(folder, None, lambda _: None).sound


def test_many_may_open_an_earlier_store_at_once(folder: Path) -> None:
    """One brings it up to date, the others wait for it."""
    make_first(folder / "store.sqlite")

    def read(_: int) -> int:
        store = Store(folder / "store.sqlite")
        with store.reading() as snapshot:
            documents = snapshot.counts().documents
        store.close()
        return documents

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(8))) == [89] * 8


def test_a_step_that_fails_changes_nothing(folder: Path) -> None:
    """The store is of its earlier format then, with the tables that it had."""
    make_first(folder / "store.sqlite")
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        connection.execute("CREATE TABLE deletions(hindrance)")
    before = shape(folder / "store.sqlite")
    with pytest.raises(StorageFailed, match="deletions"):
        open_local(folder)
    assert shape(folder / "store.sqlite") == before


def test_what_cannot_be_written_to_is_not_brought_up_to_date(folder: Path) -> None:
    """The refusal says where it can be."""
    store = folder / "store.sqlite"
    make_first(store)
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        connection.isolation_level = None
        with pytest.raises(OtherFormat, match=r"the thing was.*older version.*bearing stats"):
            upgrade(connection, "the thing")


@pytest.mark.parametrize("kind", OTHERS)
def test_a_store_of_another_kind_is_refused_and_left_alone(folder: Path, kind: str) -> None:
    """The error says what it is and what to do, and the file is as it was."""
    change, said = OTHERS[kind]
    store = folder / "store.sqlite"
    change(store)
    before = store.read_bytes()
    with pytest.raises(OtherFormat, match=said):
        open_local(folder)
    assert store.read_bytes() == before
