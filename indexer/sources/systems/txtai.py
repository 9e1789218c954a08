"""txtai: a folder that its index was saved to, with content; read from its files, by no model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from indexer.errors import Unreadable
from indexer.readers.records import TEXT_FIELD
from indexer.sources.sql import Database
from indexer.sources.systems.faiss_files import vectors_by_number
from indexer.sources.systems.holding import Entry, Holding, Place

_DOCUMENTS: Final = "documents"
_EMBEDDINGS: Final = "embeddings"
_QUERY: Final = """
SELECT s.indexid, s.id, s.text, s.tags, d.data
FROM sections s LEFT JOIN documents d ON d.id = s.id ORDER BY s.indexid
"""


@contextmanager
def open_txtai(place: Place) -> Iterator[Holding]:
    """The texts and data of an index, with its vectors where FAISS keeps them as they are."""
    folder = Path(place.at)
    if not (folder / _DOCUMENTS).is_file():
        raise Unreadable(
            f"{place.at!r} is no folder of txtai's with texts: it holds no file {_DOCUMENTS!r}, as "
            "one that is saved with content=True does"
        )
    database = Database.of_file(folder / _DOCUMENTS)
    vectors = vectors_by_number(folder / _EMBEDDINGS)

    def entries() -> Iterator[Entry]:
        for row in _rows(database):
            yield Entry(str(row["id"]), _record(row), vectors(int(row["indexid"])))

    yield Holding(folder.name, _count(database), entries)


def _count(database: Database) -> int:
    from sqlalchemy import text

    with database.connected() as on:
        return int(on.execute(text("SELECT count(*) FROM sections")).scalar_one())


def _rows(database: Database) -> Iterator[dict[str, Any]]:
    from sqlalchemy import text

    with database.connected() as on, closing(on.execute(text(_QUERY))) as result:
        for row in result.mappings():
            yield dict(row)


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a section: its data if it has some, its text, and its tags."""
    try:
        told = orjson.loads(row["data"] or "{}")
    except ValueError:
        told = {}
    record: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
    record[TEXT_FIELD] = row["text"] or ""
    return record if row["tags"] is None else {"tags": row["tags"], **record}
