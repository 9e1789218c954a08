"""The collections in a database: a list of them, and a schema each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from psycopg import errors as pg

from indexer import installation
from indexer.aliases import aliases_of, missing, require_free, require_unnamed, taken
from indexer.embedding.embedder import Identity
from indexer.engine import Availability, Embedders
from indexer.errors import AlreadyExists, NotFound, OtherFormat
from indexer.index_choice import IndexChoice, Language
from indexer.postgres.backup import InFolder, back_up, unpacked
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.engine import PostgresEngine
from indexer.postgres.generations import add_generation
from indexer.postgres.location import location_of
from indexer.postgres.schema import (
    ALIAS_TABLE,
    CATALOGUE,
    CATALOGUE_TABLES,
    VERSION,
    VERSIONS,
    Tables,
)
from indexer.reports import Backup, Tell, Verification
from indexer.transfer import copy_collection

_LIST: Final = f"{CATALOGUE}.collection"
_ALIASES: Final = f"{CATALOGUE}.alias"
_NAMED: Final = f"SELECT a.name, c.name FROM {_ALIASES} a JOIN {_LIST} c ON c.number = a.collection"  # noqa: S608
_HIDDEN: Final = "."
"""So begin the names of collections that are not complete yet."""


class PostgresCatalogue:
    """See indexer.engine.Catalogue."""

    def __init__(self, url: str, in_folder: InFolder, *, require_sync: bool = False) -> None:
        """The database at a URL; backups are made and read by the engine of folders."""
        self._database = Database(location_of(url), require_sync=require_sync)
        self._in_folder = in_folder

    @property
    def place(self) -> str:
        """The database, without a password."""
        return self._database.location.shown

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        return [
            name
            for (name,) in self._listed("SELECT name FROM @ ORDER BY name")
            if not name.startswith(_HIDDEN)
        ]

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
            raise OtherFormat(self._other(name, version))
        tables = Tables(number)
        return PostgresEngine(self._database, name, tables, Language(language), choice)

    def availability(self) -> Availability:
        """The part of the cluster that answers now; raises EngineUnavailable if none does."""
        (answer,) = self._database.ask("SHOW transaction_read_only")
        return Availability.STANDBY if answer == ("on",) else Availability.PRIMARY

    def upgrade(self, name: str) -> bool:
        """Bring a collection's tables to the present version in one transaction; False if they are.

        No process of another version may use it meanwhile. Raises NotFound or OtherFormat.
        """
        self._there(name)
        return self._database.write(lambda one: self._upgrade(one, name))

    def _upgrade(self, connection: Connection, name: str) -> bool:
        statement = f"SELECT number, version FROM {_LIST} WHERE name = %s FOR UPDATE"  # noqa: S608
        row = connection.execute(statement, [name]).fetchone()
        if row is None:
            raise NotFound(f"collection {name!r} was deleted meanwhile")
        number, version = row
        if version > VERSION:
            raise OtherFormat(self._other(name, version))
        with connection.patiently():
            for statements in VERSIONS[version:]:
                connection.execute(Tables(number).sql(statements))
        connection.execute(
            f"UPDATE {_LIST} SET version = %s WHERE number = %s",  # noqa: S608
            [VERSION, number],
        )
        return bool(version < VERSION)

    def _other(self, name: str, version: int) -> str:
        """The message about a collection of another version, with what to do."""
        told = f"collection {name!r} in {self.place} has tables of version {version}, and this "
        told += f"Bearing reads version {VERSION}: "
        if version > VERSION:
            return f"{told}update Bearing ({installation.how_to_update()})"
        return f"{told}stop the processes of the version before, then run bearing upgrade"

    def create(self, name: str, identity: Identity, language: Language) -> None:
        """Create an empty collection, durably; raises AlreadyExists."""
        if not self._is_there():
            self._database.write(self._make_list)
        self._database.write(lambda one: self._create(one, name, identity, language))

    def _create(
        self, connection: Connection, name: str, identity: Identity, language: Language
    ) -> None:
        self._lock_names(connection)
        require_free(name, self._aliases_in(connection))
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
        self._lock_names(connection)
        require_unnamed(name, aliases_of(name, self._aliases_in(connection)))
        statement = f"DELETE FROM {_LIST} WHERE name = %s RETURNING number"  # noqa: S608
        row = connection.execute(statement, [name]).fetchone()
        if row is not None:
            connection.execute(f"DROP SCHEMA IF EXISTS {Tables(row[0]).schema} CASCADE")

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        try:
            return dict(self._database.ask(_NAMED))
        except NotFound:
            return {}  # nobody has made an alias here yet

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before."""
        self._there(collection)
        return self._database.write(lambda one: self._point(one, alias, collection))

    def _point(self, connection: Connection, alias: str, collection: str) -> str | None:
        self._lock_names(connection)
        connection.execute(ALIAS_TABLE)
        find = f"SELECT number FROM {_LIST} WHERE name = %s"  # noqa: S608
        if connection.execute(find, [alias]).fetchone() is not None:
            raise taken(alias)
        row = connection.execute(find, [collection]).fetchone()
        if row is None:
            raise NotFound(f"collection {collection!r} was deleted meanwhile")
        before = self._aliases_in(connection).get(alias)
        connection.execute(
            f"INSERT INTO {_ALIASES}(name, collection) VALUES (%s, %s) "  # noqa: S608
            "ON CONFLICT (name) DO UPDATE SET collection = excluded.collection",
            [alias, row[0]],
        )
        return before

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        known = self.aliases()
        if alias not in known:
            raise missing(alias, known)
        statement = f"DELETE FROM {_ALIASES} WHERE name = %s"  # noqa: S608
        self._database.write(lambda one: one.execute(statement, [alias]) and None)

    def _aliases_in(self, connection: Connection) -> Mapping[str, str]:
        """The same within a transaction."""
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [_ALIASES]).fetchone()
        there = row is not None and row[0]
        return dict(connection.execute(_NAMED).fetchall()) if there else {}

    def _lock_names(self, connection: Connection) -> None:
        """Let no other transaction change names until this one ends."""
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('bearing'))")

    def verify(self, name: str, embedders: Embedders | None, tell: Tell) -> Verification:
        """The findings of a check of a collection."""
        with self._opened(name) as engine:
            return engine.verify(embedders, tell)

    def back_up(self, name: str, target: Path, tell: Tell) -> Backup:
        """Write one state to a new file, of which either engine restores a collection."""
        with self._opened(name) as engine:
            return back_up(engine, target, self._in_folder, tell)

    def restore(self, source: Path, name: str, tell: Tell) -> Backup:
        """Make a new collection from a backup, which has its name once it is complete."""
        if self.version(name) is not None:
            raise AlreadyExists(f"collection {name!r} already exists: restore by another name")
        require_free(name, self.aliases())
        hidden = f"{_HIDDEN}{uuid.uuid4().hex}"
        with unpacked(source, name, self._in_folder, tell) as found:
            self.create(hidden, found.identity, found.language)
            try:
                with self._opened(hidden) as engine:
                    copy_collection(found, engine, tell)
                    counts = engine.describe()
                self._database.write(lambda one: self._rename(one, hidden, name))
            except BaseException:
                self.delete(hidden)
                raise
        return Backup(
            str(source),
            name,
            counts.model,
            counts.documents,
            counts.chunks or 0,
            source.stat().st_size,
        )

    def collection_of(self, source: Path) -> str:
        """The name of the collection that a backup was made of."""
        return self._in_folder(source.parent).collection_of(source)

    @contextmanager
    def _opened(self, name: str) -> Iterator[PostgresEngine]:
        engine = self.open(name)
        try:
            yield engine
        finally:
            engine.close()

    def _rename(self, connection: Connection, hidden: str, name: str) -> None:
        try:
            connection.execute(f"UPDATE {_LIST} SET name = %s WHERE name = %s", [name, hidden])  # noqa: S608
        except pg.UniqueViolation as error:
            raise AlreadyExists(f"collection {name!r} was created meanwhile") from error

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _there(self, name: str) -> None:
        if self.version(name) is None:
            there = ", ".join(self.names()) or "none"
            raise NotFound(f"there is no collection {name!r} (there are: {there})")

    def _listed(self, statement: str, arguments: tuple[Any, ...] | list[Any] = ()) -> list[Any]:
        try:
            return self._database.ask(statement.replace("@", _LIST), arguments)
        except NotFound:
            return []  # nobody has created a collection here yet

    def _is_there(self) -> bool:
        return self._database.ask("SELECT to_regclass(%s) IS NOT NULL", [_LIST]) == [(True,)]

    def _make_list(self, connection: Connection) -> None:
        # Of two processes that are first, one waits here: IF NOT EXISTS alone lets both go on.
        self._lock_names(connection)
        connection.execute(CATALOGUE_TABLES)
