"""Places elsewhere, each as files that give documents: a folder, a website, the rows of a query.

A place tells whether all of it was seen, so that one may conclude what is no longer there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeAlias

from indexer.readers.paths import read_file
from indexer.readers.reading import Fields, Read, Rejection
from indexer.sources.crawl_bounds import Bounds
from indexer.sources.fetched import Fetched, Unchanged
from indexer.sources.remote import Folder
from indexer.sources.sql import Passed, Query
from indexer.sources.website import Crawl

ROWS: Final = "rows"
"""The one file of a query."""


@dataclass(frozen=True, slots=True)
class PlaceFile:
    """A file of a place, with its documents; without ``whole`` they are only a part of them.

    Its reads can be gone through once, before the next file is asked for.
    """

    name: str
    stamp: str
    reads: Iterable[Read]
    whole: bool = True


Found: TypeAlias = PlaceFile | Unchanged | Rejection


class Place(Protocol):
    """A place by its name; ``what`` its files are called, and whether pictures are ``fetched``.

    ``unreadable`` says, once all is found, what was not seen, ``notes`` what else is to be told.
    """

    @property
    def name(self) -> str:
        """Its name, the same in every run."""
        ...

    @property
    def what(self) -> str:
        """The word for one of its files."""
        ...

    @property
    def unreadable(self) -> list[str]:
        """The parts of it that were not seen."""
        ...

    @property
    def notes(self) -> list[str]:
        """All else that is to be told of it."""
        ...

    @property
    def has_pictures(self) -> bool:
        """Return whether it may have pictures."""
        ...

    def check(self) -> None:
        """Raise Unreadable if nothing is there."""
        ...

    def found(self, known: Mapping[str, str], fields: Fields) -> Iterator[Found]:
        """Its files; ``known`` are the stamps of those of the last run, by name."""
        ...

    def stored(self, consumed: int) -> None:
        """Note that all up to there is durable."""
        ...


@dataclass(slots=True)
class FolderPlace:
    """A folder by its URL."""

    url: str
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    what: str = "file"
    has_pictures: bool = True

    @property
    def name(self) -> str:
        """The URL without keys and options."""
        return Folder(self.url).name

    def check(self) -> None:
        """Raise Unreadable if nothing is there."""
        Folder(self.url).check()

    def found(self, known: Mapping[str, str], fields: Fields) -> Iterator[Found]:
        """The files that its listing has."""
        folder = Folder(self.url, known)
        yield from _files(folder.found(), fields)
        self.unreadable.extend(folder.unreadable)

    def stored(self, consumed: int) -> None:
        """Need nothing."""


@dataclass(slots=True)
class WebsitePlace:
    """A website by the URL that a crawl begins at."""

    url: str
    bounds: Bounds = field(default_factory=Bounds)
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    what: str = "page"
    has_pictures: bool = False

    @property
    def name(self) -> str:
        """The URL."""
        return Folder(self.url).name

    def check(self) -> None:
        """Need nothing: a crawl without its first page ends with an error."""

    def found(self, known: Mapping[str, str], fields: Fields) -> Iterator[Found]:
        """The pages that links lead to, and those of the last run that are still there."""
        crawl = Crawl(self.url, self.bounds, known, revisits=True)
        yield from _files(crawl.found(), replace(fields, pictures=False))
        self.unreadable.extend(crawl.unreadable)
        if crawl.stopped:
            self.unreadable.append(crawl.stopped)
        if crawl.forbidden:
            self.notes.append(f"{crawl.forbidden:,} left out as the site's robots.txt asks")

    def stored(self, consumed: int) -> None:
        """Need nothing."""


@dataclass(slots=True)
class QueryPlace:
    """The rows of a query; ``after`` a value of its cursor column only a part of them is read."""

    query: Query
    after: object = None
    passed: Passed | None = None
    on_stored: Callable[[int], None] = lambda _: None
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    what: str = "query"
    has_pictures: bool = False

    @property
    def name(self) -> str:
        """The database, and a digest of the query."""
        digest = hashlib.blake2b(self.query.text.encode(), digest_size=4).hexdigest()
        return f"{self.query.database.absolute_name}#{digest}"

    def check(self) -> None:
        """Need nothing: the query was checked."""

    def found(self, known: Mapping[str, str], fields: Fields) -> Iterator[Found]:  # noqa: ARG002
        """The rows, as one file."""
        reads = self.query.reads(replace(fields, pictures=False), self.after, self.passed)
        whole = self.after is None
        yield PlaceFile(ROWS, "", self._watched(reads), whole)
        if not whole:
            column = self.query.cursor
            self.unreadable.append(
                f"rows before {column} = {self.after} were not asked for (a run without "
                "--cursor-column asks for all)"
            )

    def stored(self, consumed: int) -> None:
        """Note it with the cursor."""
        self.on_stored(consumed)

    def _watched(self, reads: Iterable[Read]) -> Iterator[Read]:
        rejected = 0
        for read in reads:
            rejected += isinstance(read.item, Rejection)
            yield read
        if rejected:
            self.unreadable.append(f"{rejected:,} rows were rejected")


def _files(
    found: Generator[Fetched | Unchanged | Rejection, None, None], fields: Fields
) -> Iterator[Found]:
    with closing(found):  # what was fetched is deleted also where nobody reads on
        for one in found:
            yield _file(one, fields)


def _file(one: Fetched | Unchanged | Rejection, fields: Fields) -> Found:
    if not isinstance(one, Fetched):
        return one
    return PlaceFile(one.name, one.stamp, read_file(one.path, one.name, fields, one.called))
