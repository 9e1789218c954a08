"""A collection in a database; see indexer.engine.Engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeVar

from indexer.admission import change_of
from indexer.documents import Change, Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.engine import Capabilities, Embedders, Kept
from indexer.filters import Filter
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.lexical.analyzer import Analyzer
from indexer.postgres import header
from indexer.postgres.connection import Connection
from indexer.postgres.database import Database
from indexer.postgres.description import describe
from indexer.postgres.field_values import field_numbers
from indexer.postgres.filtering import Translation
from indexer.postgres.generations import (
    drop_retired,
    hold_generations,
    identity_of,
    retire_draft,
)
from indexer.postgres.header import Header
from indexer.postgres.keeper import Glance, PostgresKeeper
from indexer.postgres.leases import Lease
from indexer.postgres.lines import PostgresLines
from indexer.postgres.maps import PostgresMaps
from indexer.postgres.migration import PostgresMigration
from indexer.postgres.origins import PostgresOrigins
from indexer.postgres.reading import Reading
from indexer.postgres.recall import LiveRecall
from indexer.postgres.schema import Tables
from indexer.postgres.scope import KnownScopes
from indexer.postgres.sealing import KINDS, Sealing
from indexer.postgres.state import PostgresState
from indexer.postgres.verification import verify
from indexer.postgres.words import Words
from indexer.postgres.writing import Writing, take_slot
from indexer.reports import Description, Map, Tell, Verification

CAPABILITIES: Final = Capabilities(
    engine="postgresql",
    durable=True,
    index_kinds=KINDS - {IndexKind.AUTO},
    maps=True,
    backups=True,
    many_writers=True,
)

_Result = TypeVar("_Result")


class PostgresEngine:
    """The documents of one collection, in a schema that any number of processes share."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        database: Database,
        name: str,
        tables: Tables,
        language: Language,
        choice: IndexChoice | None = None,
    ) -> None:
        self.name = name
        self.language = language
        self._database = database
        self._tables = tables
        self._scopes = KnownScopes()
        self._words = Words(database, tables, Analyzer(language), self._patiently)
        self.maps = PostgresMaps(database, name, tables, language, self._patiently)
        self._header = tables.sql(header.QUERY)
        self._glance = Glance()
        self._known: tuple[int, Identity] | None = None
        self._sealing = Sealing(database, tables, self._patiently, choice or IndexChoice())
        self._recall = LiveRecall(
            database,
            tables,
            lambda: self._reading(patient=False),
            lambda: self._sealing.target,
        )
        with self._database.reading(self._header) as (connection, rows):
            self._identity_of(connection, Header.of(rows[0]).generation)

    @property
    def identity(self) -> Identity:
        """The model of the generation that was last seen."""
        with self.reading() as state:
            return state.identity

    @contextmanager
    def reading(self, *, lexical: bool = False) -> Iterator[PostgresState]:
        """The newest state."""
        del lexical  # every state includes its words
        self._sealing.look()
        with self._reading(patient=False) as state:
            yield state

    def _patiently(self) -> AbstractContextManager[PostgresState]:
        return self._reading(patient=True)

    @contextmanager
    def _reading(self, *, patient: bool) -> Iterator[PostgresState]:
        with self._database.reading(self._header, patient=patient) as (connection, rows):
            found = Header.of(rows[0])
            identity = self._identity_of(connection, found.generation)
            reading = Reading(connection, self._tables, found.generation)
            outer, self._glance.stamps = self._glance.stamps, found.kept
            try:
                words, offer = self._words.of, self._recall.offer
                yield PostgresState(reading, found, identity, words, offer, self._scopes)
            finally:
                self._glance.stamps = outer

    def _identity_of(self, connection: Connection, generation: int) -> Identity:
        known = self._known
        if known is None or known[0] != generation:
            known = generation, identity_of(connection, self._tables, generation)
            self._known = known
        return known[1]

    @contextmanager
    def writing(self, purpose: str) -> Iterator[None]:
        """Nothing to hold: any number of processes write at once."""
        del purpose
        yield

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """The change that storing each of these documents would make."""
        statement = "SELECT id, hash, metadata::text, picture FROM @document WHERE id = ANY(%s)"
        with self.reading() as state:
            rows = state.rows(statement, [[one.id for one in documents]])
        old = {id: (bytes(digest), (metadata, picture)) for id, digest, metadata, picture in rows}
        return [change_of(one, old.get(one.id)) for one in documents]

    def put(self, documents: Sequence[EmbeddedDocument], within: Filter | None = None) -> None:
        """Add or replace documents, all or none."""
        latest = list({one.document.id: one for one in documents}.values())
        if latest:
            self._write(lambda writing, identity: writing.put(latest, identity, within))

    def amend(self, documents: Sequence[Document], within: Filter | None = None) -> None:
        """Replace the metadata of documents."""
        latest = list({one.id: one for one in documents}.values())
        if latest:
            self._write(lambda writing, _: writing.amend(latest, within))

    def delete(self, ids: Sequence[str], within: Filter | None = None) -> int:
        """Delete those of these documents that exist and pass, and return their number."""
        return self._write(lambda writing, _: writing.delete(ids, within))

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter, and return their number."""

        def delete(writing: Writing, _: Identity) -> int:
            fields = field_numbers(writing.rows, condition)
            return writing.delete_matching(Translation(condition, "number", fields))

        return self._write(delete)

    def _write(self, work: Callable[[Writing, Identity], _Result]) -> _Result:
        def write(connection: Connection) -> _Result:
            live, draft = hold_generations(connection, self._tables)
            identity = self._identity_of(connection, live)
            stamp = take_slot(connection, self._tables)
            return work(Writing(connection, self._tables, live, draft, stamp), identity)

        return self._database.write(write)

    def migrate(self, identity: Identity) -> PostgresMigration:
        """Begin a migration to another model, or continue one."""
        lease = Lease(self._database, self._tables, "migration", "filled with another model")
        try:
            return PostgresMigration(self._database, self._tables, identity, lease)
        except BaseException:
            lease.release()
            raise

    # Derived data

    def rebuild(self, choice: IndexChoice | None) -> None:
        """Build the indexes of vectors, if one is to be, and of words; update statistics."""
        if choice is not None:
            self._sealing.choose(choice)
        self._sealing.seal()
        self._words.seal()
        self._vacuum()

    def _vacuum(self) -> None:
        with self.reading() as state:
            generation = state.generation
        tables = f"@document, @picture, @fact, @gone, @counter, @chunk_{generation}"
        with self._database.plain(patient=True) as connection:
            connection.execute(self._tables.sql(f"VACUUM (ANALYZE) {tables}"))

    def compact(self) -> bool:
        """Free the space of deleted documents for others; False if some are still read."""
        self._database.write(lambda one: retire_draft(one, self._tables))
        done = self._database.write(lambda one: drop_retired(one, self._tables))
        self._vacuum()
        return done

    def keeper(self, what: Kept) -> PostgresKeeper:
        """The place where this is kept beside the collection."""
        return PostgresKeeper(self._database, self._tables, what, self._glance)

    @property
    def judgements(self) -> PostgresLines:
        """The judgements of users, in a table beside the documents."""
        return PostgresLines(self._database, self._tables)

    @property
    def origins(self) -> PostgresOrigins:
        """The origins of its documents, in tables beside them."""
        return PostgresOrigins(self._database, self._tables)

    def map(self) -> Map:
        """The collection's map, as far as it is drawn; see the Protocol."""
        with self.reading() as state:
            return self.maps.view(state)

    def draw_map(self, tell: Tell, *, anew: bool) -> None:
        """Bring the map up to date now; see the Protocol."""
        self.maps.draw(tell, anew=anew)

    def describe(self) -> Description:
        """Counts, sizes, and the kind of search."""
        with self.reading() as state:
            return describe(self.name, self.language, state, self._recall.told())

    def verify(self, embedders: Embedders | None, tell: Tell) -> Verification:
        """The findings of a check of everything there is."""
        with self._reading(patient=True) as state:
            return verify(self.name, state, embedders, tell)

    def close(self) -> None:
        """End what is done in the background; connections are the catalogue's."""
        self._sealing.close()
        self._words.close()
        self.maps.close()
        self._recall.close()
