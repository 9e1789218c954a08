"""The rows of a SQL query into a collection, by the command ``index``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.cli import messages
from indexer.cli.index import Indexed, index_reads
from indexer.collection import Collection
from indexer.errors import Unreadable
from indexer.index_choice import Language
from indexer.ingestion.cursor import Cursor
from indexer.library import Library
from indexer.readers import USUAL, Fields, Read
from indexer.sources.places import QueryPlace
from indexer.sources.sql import Database, Query


@dataclass(frozen=True, slots=True)
class SqlOptions:
    """A query and the options it is indexed by; ``query`` is its text, or ``@`` and a file."""

    url: str
    query: str
    cursor_column: str | None = None
    fields: Fields = USUAL
    model: str | None = None
    language: Language | None = None
    rejects: Path | None = None

    def checked(self) -> Query:
        """The query, which the database knows."""
        database = Database.at(self.url)
        return Query.checked(database, _text(self.query), self.fields, self.cursor_column)


def query_place(options: SqlOptions) -> Callable[[Collection], QueryPlace]:
    """The rows of a query as what a collection is kept in step with."""
    query = options.checked()

    def of(collection: Collection) -> QueryPlace:
        cursor = _cursor_of(collection, query, options)
        after = cursor.last() if cursor else None
        passed = cursor.passed if cursor else None
        return QueryPlace(query, after, passed, cursor.stored if cursor else lambda _: None)

    return of


def index_query(library: Library, name: str, options: SqlOptions) -> Indexed:
    """Store the rows of a query; with a cursor column, those behind the last that is stored."""
    query = options.checked()
    cursor = _cursor(library, name, query, options)
    after = cursor.last() if cursor else None
    if after is not None:
        messages.note(f"going on from {query.cursor} = {after}")

    def reads(pictures: bool) -> Iterator[Read]:
        passed = cursor.passed if cursor else None
        return query.reads(replace(options.fields, pictures=pictures), after, passed)

    return index_reads(
        library,
        name,
        reads,
        None,
        model=options.model,
        language=options.language,
        rejects=options.rejects,
        on_committed=lambda now: cursor.stored(now.consumed) if cursor else None,
    )


def _cursor(library: Library, name: str, query: Query, options: SqlOptions) -> Cursor | None:
    """The cursor of this very query; another text is another source, read from its beginning."""
    collection = library.obtain(name, options.model, options.language)
    return _cursor_of(collection, query, options)


def _cursor_of(collection: Collection, query: Query, options: SqlOptions) -> Cursor | None:
    if query.cursor is None:
        return None
    fields = options.fields
    parts = query.database.name, query.text, query.cursor, fields.id, fields.text, fields.title
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
    return Cursor(collection.origins, f"sql:{digest}", query.database.name)


def _text(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"the query of {given!r} cannot be read: {error}") from error
