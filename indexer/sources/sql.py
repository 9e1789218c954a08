"""The rows of a SQL query, each a record, streamed; by SQLAlchemy, for any database it knows.

With a cursor column a query is read in the order of that column, behind a value of it. Nothing is
written to the database, and its password is in no message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from indexer.errors import InvalidInput, MissingExtra, Unreadable
from indexer.readers import Fields, Read, Rejection
from indexer.readers.records import (
    ID_FIELDS,
    TEXT_FIELD,
    document_or_rejection,
    missing_field,
    plain,
)
from indexer.readers.vectors import VectorFields

if TYPE_CHECKING:
    from sqlalchemy import URL, ColumnElement, Connection, Engine, Executable
    from sqlalchemy.engine import RowMapping

BATCH_ROWS: Final = 500
"""Rows that are fetched at once."""

Passed: TypeAlias = Callable[[int, Any], None]
"""Told each row's number and its value in the cursor column, before the row is read."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database by its URL, such as ``postgresql://user@host/name``; raises InvalidInput."""

    url: URL

    @classmethod
    def at(cls, url: str) -> Database:
        """The database at a URL; a SQLite file must exist."""
        try:
            from sqlalchemy import make_url
            from sqlalchemy.exc import ArgumentError
        except ImportError as error:
            raise MissingExtra("SQLAlchemy", "sql") from error
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:
            form = "postgresql://user@host/name or sqlite:///file.db"
            raise InvalidInput(f"not the URL of a database: it is like {form}") from error
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise Unreadable(f"no such file: {parsed.database!r}, which the URL names")
        return cls(parsed)

    @classmethod
    def of_file(cls, path: Path) -> Database:
        """The SQLite database in a file."""
        try:
            from sqlalchemy import URL
        except ImportError as error:
            raise MissingExtra("SQLAlchemy", "sql") from error
        return cls(URL.create("sqlite", database=str(path)))

    @property
    def name(self) -> str:
        """Its URL without a password."""
        return self.url.set(password=None, query={}).render_as_string()

    @property
    def absolute_name(self) -> str:
        """The same from every folder: with the whole path of SQLite's file."""
        if self.url.get_backend_name() != "sqlite":
            return self.name
        path = Path(self.url.database or "").resolve()
        return self.url.set(database=str(path), query={}).render_as_string()

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection that commits nothing; raises Unreadable for whatever the database says."""
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        engine = self._engine()
        try:
            with engine.connect() as connection:
                yield connection.execution_options(**self._options())
        except DBAPIError as error:
            raise Unreadable(f"{self.name}: {self._hidden(str(error.orig).strip())}") from error
        except SQLAlchemyError as error:
            raise Unreadable(f"{self.name}: {self._hidden(str(error))}") from error
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        from sqlalchemy import NullPool, create_engine
        from sqlalchemy.exc import NoSuchModuleError

        try:
            return create_engine(self.url, poolclass=NullPool, hide_parameters=True)
        except NoSuchModuleError as error:
            kind = self.url.drivername
            raise InvalidInput(
                f"SQLAlchemy knows no database {kind!r}: install its dialect, or give the URL of "
                "a database it knows, such as postgresql://, mysql+pymysql:// or sqlite://"
            ) from error
        except ModuleNotFoundError as error:
            raise InvalidInput(
                f"the driver for {self.url.drivername} is not installed: pip install {error.name}, "
                "or name another one, as in mysql+pymysql://"
            ) from error

    def _options(self) -> dict[str, Any]:
        streamed = {"stream_results": True, "yield_per": BATCH_ROWS}
        reads = self.url.get_backend_name() == "postgresql"
        return {**streamed, "postgresql_readonly": True} if reads else streamed

    def _hidden(self, message: str) -> str:
        """A message without the password, should a driver repeat it."""
        password = str(self.url.password or "")
        return message.replace(password, "***") if password else message


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a database, and the column by whose values it is read in order, if any.

    Made by ``checked``, so that the columns are there.
    """

    database: Database
    text: str
    cursor: str | None = None

    @classmethod
    def checked(cls, database: Database, text: str, fields: Fields, cursor: str | None) -> Query:
        """The query, once the database has told its columns.

        Raises InvalidInput for columns that are missing or named twice, Unreadable for what the
        database refuses.
        """
        query = cls(database, text.strip().rstrip(";").strip(), cursor)
        if not query.text:
            raise InvalidInput('an empty query: give one, such as "select id, text from notes"')
        with database.connected() as on, closing(on.execute(query._columns())) as result:
            names = list(result.keys())
        _check_columns(names, fields)
        if cursor is None or cursor in names:
            return query
        alike = [name for name in names if name.lower() == cursor.lower()]
        if len(alike) != 1:
            there = ", ".join(map(repr, names))
            raise InvalidInput(f"the query has no column {cursor!r} for a cursor, but {there}")
        return cls(database, query.text, alike[0])

    def reads(
        self, fields: Fields, after: object = None, passed: Passed | None = None
    ) -> Iterator[Read]:
        """The document of each row, or the reason why there is none; ``consumed`` counts rows.

        ``after`` is a value of the cursor column: rows from there on are read, and those without a
        value.
        """
        vectors = VectorFields(self.database.name, fields)
        with (
            self.database.connected() as connection,
            closing(connection.execute(self._rows(after))) as result,
        ):
            _check_columns(list(result.keys()), fields)  # a subquery may have named them apart
            for number, row in enumerate(result.mappings(), start=1):
                if passed is not None and self.cursor is not None:
                    passed(number, row[self.cursor])
                yield from _reads(row, number, fields, vectors)

    def _columns(self) -> Executable:
        from sqlalchemy import false, select, text

        return select(text("*")).select_from(text(self._inner())).where(false())

    def _rows(self, after: object) -> Executable:
        from sqlalchemy import column, select, text

        if self.cursor is None:
            return text(_literal(self.text))
        rows = select(text("*")).select_from(text(self._inner()))
        ordered: ColumnElement[Any] = column(self.cursor)
        if after is not None:
            rows = rows.where(ordered.is_(None) | (ordered >= after))
        return rows.order_by(ordered)

    def _inner(self) -> str:
        """The query as a table; a comment at its end hides nothing behind it."""
        return f"({_literal(self.text)}\n) bearing_rows"


def _literal(text: str) -> str:
    """The text with colons that name no parameters."""
    return re.sub(r":", r"\\:", text)


def _check_columns(names: Sequence[str], fields: Fields) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"two columns are called {twice!r}: name one otherwise, by AS")
    for given, usual, option in (
        (fields.text, (TEXT_FIELD,), "--text-field"),
        (fields.id, ID_FIELDS, "--id-field"),
    ):
        wanted = (given.split(".")[0],) if given else usual
        if not any(name in names for name in wanted):
            missing = missing_field(given or usual[-1], names, option)
            raise InvalidInput(f"{missing}; or name one so in the query, by AS {usual[-1]}")


def _reads(row: RowMapping, number: int, fields: Fields, vectors: VectorFields) -> Iterator[Read]:
    place = f"row {number}"
    try:
        parted = vectors.apart({name: plain(value) for name, value in row.items()}, place)
    except Unreadable as error:
        yield Read(Rejection(place, str(error)), number)
        return
    yield from (Read(one, number) for one in parted.told)
    record = parted.record
    assert isinstance(record, dict)
    roles = {fields.id, fields.text or TEXT_FIELD, fields.title, *ID_FIELDS}
    there = {name: value for name, value in record.items() if value is not None or name in roles}
    item = document_or_rejection(there, fields, place, None)
    yield Read(item, number, brought=parted.brought)
