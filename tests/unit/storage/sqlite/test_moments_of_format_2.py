"""A store of format 2, as the version that wrote it left it.

``written_in_format_2.tar.gz`` is a backup that the last version with format 2 made, packed.
"""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from local import open_local

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.filters import Kind, parse_filter
from indexer.queries import Query
from indexer.storage.maintenance.backup import restore
from indexer.storage.maintenance.verification import verify
from indexer.storage.sqlite.schema import FORMAT, STORE

BACKUP = Path(__file__).parent / "written_in_format_2.tar.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection that was restored of the backup, and that nothing has opened since."""
    backup = tmp_path / "backup"
    backup.write_bytes(gzip.decompress(BACKUP.read_bytes()))
    restore(backup, tmp_path / "things", lambda _: None)
    return tmp_path / "things"


def format_of(folder: Path) -> int:
    """The format that a store says it has."""
    store = sqlite3.connect(folder / STORE)
    (version,) = store.execute("PRAGMA user_version").fetchone()
    store.close()
    return version


def found(folder: Path, condition: dict[str, Any]) -> list[str]:
    """The documents that pass a filter."""
    with open_local(folder) as collection:
        return [one.id for one in collection.page(parse_filter(condition)).documents]


@pytest.mark.parametrize(
    ("condition", "passing"),
    [
        ({"at": "2024-02-29T23:30:00Z"}, ["paris", "utc"]),
        ({"at": {"$lt": "2024-03-01T00:00:00Z"}}, ["paris", "utc"]),
        ({"at": {"$gt": "2024-03-01T01:00:00+01:00"}}, ["lima"]),
        ({"at": {"$lte": "2024-03-01"}}, ["paris", "utc", "day"]),
        ({"at": "unknown"}, ["lima", "none"]),
        ({"name": {"$gte": "2024-03"}}, ["day", "none"]),
    ],
    ids=str,
)
def test_moments_of_an_earlier_store_compare(
    folder: Path, condition: dict[str, Any], passing: list[str]
) -> None:
    """Texts that were stored before moments were told are compared as moments."""
    assert found(folder, condition) == passing


def test_an_earlier_store_becomes_one_of_this_version(folder: Path) -> None:
    """It carries the present format, nothing in it is wrong, and fields count its moments."""
    with open_local(folder) as collection:
        at, name = collection.fields()
    assert format_of(folder) == FORMAT
    assert (at.kinds, at.distinct) == ((Kind.STRING, Kind.MOMENT), 4)
    assert (at.smallest, at.largest) == ("2024-02-29T23:30:00Z", "2024-02-29T19:30:00-05:00")
    assert name.kinds == (Kind.STRING,)
    assert verify(folder, None, lambda _: None).findings == ()


def test_an_earlier_store_tells_what_its_model_does_not_know_from_now_on(folder: Path) -> None:
    """Nothing is said of what was there, and of what is written it is."""
    with open_local(folder) as collection:
        assert collection.describe().unknown == 0
        chunks, vectors = (Chunk(0, 0, 3, unknown=True),), collection.sample(1)
        collection.put([EmbeddedDocument(Document("dashes", "---"), chunks, vectors)])
    with open_local(folder) as collection:
        assert collection.describe().unknown == 1
        (answer,) = collection.search([Query(vector=vectors[0], k=99)])
        assert {hit.document.id for hit in answer.hits if hit.unknown} == {"dashes"}
        assert len(answer.hits) > 1
        collection.delete(["dashes"])
        assert collection.describe().unknown == 0
    assert verify(folder, None, lambda _: None).findings == ()


def test_an_earlier_store_is_written_to(folder: Path) -> None:
    """Documents that it held are amended and deleted, and nothing is left of what they held."""
    with open_local(folder) as collection:
        collection.amend([Document("utc", "the same moment in UTC", None, {"at": "2025-01-01"})])
        collection.delete(["paris", "lima"])
    assert found(folder, {"at": {"$exists": True}}) == ["utc", "day", "none"]
    assert found(folder, {"at": {"$lt": "2024-03-01"}}) == []
    assert verify(folder, None, lambda _: None).findings == ()
