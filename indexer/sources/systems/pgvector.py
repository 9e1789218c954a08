"""A table of PostgreSQL with a column of pgvector's, by SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import numpy as np
import orjson

from indexer.errors import InvalidInput, Unreadable
from indexer.readers.records import plain
from indexer.sources.sql import Database
from indexer.sources.systems.holding import Entry, Holding, Place, Vector, one_vector, only

_TABLES: Final = """
SELECT format('%s.%s', n.nspname, c.relname), a.attname, t.typname
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid AND t.typname IN ('vector', 'halfvec', 'sparsevec')
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm')
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT a.attisdropped AND a.attnum > 0
"""


@contextmanager
def open_pgvector(place: Place) -> Iterator[Holding]:
    """A table; its columns are a record's fields, but for those of vectors."""
    database = Database.at(place.at)
    if database.url.get_backend_name() != "postgresql":
        raise InvalidInput(f"pgvector is read from postgresql://..., not {database.name}")
    tables = _tables(database)
    wanted = place.name
    if wanted is not None and "." not in wanted:
        wanted = next((one for one in tables if one.endswith(f".{wanted}")), wanted)
    name = only("table with vectors", tables, wanted)
    own = one_vector(tables[name], place.vector)

    def entries() -> Iterator[Entry]:
        for row in _rows(database, name):
            record = {one: plain(value) for one, value in row.items() if one not in tables[name]}
            there = {one: value for one, value in record.items() if value is not None}
            yield Entry(None, there, _parsed(row[own]) if own else None)

    yield Holding(name, None, entries)


def _tables(database: Database) -> dict[str, list[str]]:
    """The columns of vectors of each table that has some."""
    from sqlalchemy import text

    tables: dict[str, list[str]] = {}
    with database.connected() as on, closing(on.execute(text(_TABLES))) as result:
        for table, column, kind in result:
            if kind != "sparsevec":
                tables.setdefault(table, []).append(column)
    return tables


def _rows(database: Database, name: str) -> Iterator[dict[str, Any]]:
    from sqlalchemy import select, table, text

    schema, _, bare = name.partition(".")
    every = select(text("*")).select_from(table(bare, schema=schema))
    with database.connected() as on, closing(on.execute(every)) as result:
        for row in result.mappings():
            yield dict(row)


def _parsed(given: object) -> Vector | None:
    """The numbers of a vector as PostgreSQL writes it."""
    if given is None:
        return None
    try:
        return np.asarray(orjson.loads(str(given)), np.float32)
    except (ValueError, TypeError) as error:
        raise Unreadable(f"not a vector of pgvector's: {str(given)[:80]!r}") from error
