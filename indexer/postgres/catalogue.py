"""The collections in a database: a list of them, and a schema each."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from psycopg import errors as pg

from indexer.embedding.embedder import Identity
from indexer.errors import AlreadyExists, NotFound, OtherFormat, Unsupported
from indexer.index_choice import IndexChoice, Language
from indexer.postgres.database import Connection, Database
from indexer.postgres.engine import ADVICE, PostgresEngine
from indexer.postgres.generations import add_generation
from indexer.postgres.location import location_of
from indexer.postgres.schema import CATALOGUE, CATALOGUE_TABLES, VERSION, VERSIONS, Tables

_LIST: Final = f"{CATALOGUE}.collection"


class PostgresCatalogue:
    """See indexer.engine.Catalogue."""

    def __init__(self, url: str) -> None:
        self._database = Database(location_of(url))

    @property
    def place(self) -> str:
        """The database, without a password."""
        return self._database.location.shown

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        return [name for (name,) in self._listed("SELECT name FROM @ ORDER BY name")]

    def version(self, name: str) -> object:
        """The collection's number: no other ever has it."""
        rows = self._listed("SELECT number FROM @ WHERE name = %s", [name])
        return rows[0][0] if rows else None

    def open(self, name: str, choice: IndexChoice | None = None) -> PostgresEngine:
        """An engine for a collection that exists; raises NotFound or OtherFormat."""
        rows = self._listed("SELECT number, version, language FROM @ WHERE name = %s", [name])
        if not rows:
            there = ", ".join(self.names()) or "none"
            raise NotFound(f"there is no collection {name!r} (there are: {there})")
        number, version, language = rows[0]
        if version != VERSION:
            raise OtherFormat(
                f"collection {name!r} in {self.place} has tables of version {version}, and this "
                f"Bearing reads version {VERSION}: use a later Bearing for it"
            )
        tables = Tables(number)
        return PostgresEngine(self._database, name, tables, Language(language), choice)

    def create(self, name: str, identity: Identity, language: Language) -> None:
        """Create an empty collection, durably; raises AlreadyExists."""
        if not self._is_there():
            self._database.write(self._make_list)
        self._database.write(lambda one: self._create(one, name, identity, language))

    def _create(
        self, connection: Connection, name: str, identity: Identity, language: Language
    ) -> None:
        row = connection.execute(
            f"INSERT INTO {_LIST}(name, version, language) VALUES (%s, %s, %s) "  # noqa: S608
            "ON CONFLICT (name) DO NOTHING RETURNING number",
            [name, VERSION, language.value],
        ).fetchone()
        if row is None:
            raise AlreadyExists(f"collection {name!r} already exists")
        tables = Tables(row[0])
        connection.execute(f"CREATE SCHEMA {tables.schema}")
        for statements in VERSIONS:
            connection.execute(tables.sql(statements))
        add_generation(connection, tables, identity, live=True)

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it; raises NotFound."""
        self._there(name)
        self._database.write(lambda one: self._delete(one, name))

    def _delete(self, connection: Connection, name: str) -> None:
        statement = f"DELETE FROM {_LIST} WHERE name = %s RETURNING number"  # noqa: S608
        row = connection.execute(statement, [name]).fetchone()
        if row is not None:
            connection.execute(f"DROP SCHEMA IF EXISTS {Tables(row[0]).schema} CASCADE")

    def verify(self, *_: object, **__: object) -> NoReturn:
        """Refuse: there is no verification yet of collections in a database."""
        raise Unsupported("verification", "postgresql", ADVICE)

    def back_up(self, *_: object, **__: object) -> NoReturn:
        """Refuse: there is no backup yet of collections in a database."""
        raise Unsupported("backup", "postgresql", ADVICE)

    def restore(self, *_: object, **__: object) -> NoReturn:
        """Refuse: there is no backup yet of collections in a database."""
        raise Unsupported("restoring", "postgresql", ADVICE)

    def collection_of(self, *_: object) -> NoReturn:
        """Refuse: there is no backup yet of collections in a database."""
        raise Unsupported("restoring", "postgresql", ADVICE)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _there(self, name: str) -> None:
        if self.version(name) is None:
            there = ", ".join(self.names()) or "none"
            raise NotFound(f"there is no collection {name!r} (there are: {there})")

    def _listed(self, statement: str, arguments: tuple[Any, ...] | list[Any] = ()) -> list[Any]:
        with self._database.plain() as connection:
            try:
                return connection.execute(statement.replace("@", _LIST), arguments).fetchall()
            except (pg.UndefinedTable, pg.InvalidSchemaName):
                return []  # nobody has created a collection here yet

    def _is_there(self) -> bool:
        with self._database.plain() as connection:
            row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [_LIST]).fetchone()
        return row == (True,)

    def _make_list(self, connection: Connection) -> None:
        # Of two processes that are first, one waits here: IF NOT EXISTS alone lets both go on.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('bearing'))")
        connection.execute(CATALOGUE_TABLES)
