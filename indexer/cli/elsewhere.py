"""Websites and remote folders into a collection, by the command ``index``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from indexer.cli import messages
from indexer.cli.index import Indexed, index_reads
from indexer.collection import Collection
from indexer.errors import InvalidInput
from indexer.index_choice import Language
from indexer.ingestion.file_state import reading_of
from indexer.ingestion.gathering import Gathering
from indexer.library import Library
from indexer.readers import USUAL, Fields, Read
from indexer.sources.crawl_bounds import Bounds
from indexer.sources.places import FolderPlace, Place, WebsitePlace
from indexer.sources.remote import Folder, is_remote
from indexer.sources.web_requests import host_of
from indexer.sources.website import Crawl

_WEB: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class ElsewhereOptions:
    """A place's URL, and the options it is indexed by."""

    url: str
    fields: Fields = USUAL
    bounds: Bounds = field(default_factory=Bounds)
    model: str | None = None
    language: Language | None = None
    rejects: Path | None = None

    def gathering(self, library: Library, name: str) -> Gathering:
        """A run over the place; read by other options it is another source."""
        collection = library.obtain(name, self.model, self.language)
        place = Folder(self.url).name
        parts = place, reading_of(self.fields)
        digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
        return Gathering(collection.origins, f"url:{digest}", place)


def website_of(paths: list[str], crawl: bool) -> str | None:
    """The URL that is to be crawled, if one is; raises InvalidInput for anything else."""
    urls = [one for one in paths if one.startswith(_WEB)]
    if urls and not crawl:
        raise InvalidInput(
            f"{urls[0]!r} is on the web: --crawl fetches it and what it links to, or it alone with "
            "--max-depth 0"
        )
    if not crawl:
        return None
    if len(paths) != 1 or not urls:
        raise InvalidInput("--crawl takes one URL, such as https://host/docs/ or .../sitemap.xml")
    host_of(urls[0])
    return urls[0]


def folder_of(paths: list[str]) -> str | None:
    """The URL of the folder that is to be read, if one is; raises InvalidInput for several."""
    urls = [one for one in paths if is_remote(one)]
    if urls and len(paths) > 1:
        raise InvalidInput("a URL is indexed by itself: one at a time, and no other PATH")
    return urls[0] if urls else None


def place_of(options: ElsewhereOptions, *, crawl: bool) -> Callable[[Collection], Place]:
    """The place as what a collection is kept in step with; raises Unreadable if it is not there."""
    if crawl:
        return lambda _: WebsitePlace(options.url, options.bounds)
    place = FolderPlace(options.url)
    place.check()
    return lambda _: place


def index_folder(library: Library, name: str, options: ElsewhereOptions) -> Indexed:
    """Store the documents of a remote folder's files that have changed since the last run."""
    Folder(options.url).check()
    gathering = options.gathering(library, name)
    folder = Folder(options.url, gathering.known())

    def reads(pictures: bool) -> Iterator[Read]:
        return gathering.reads(folder.found(), replace(options.fields, pictures=pictures))

    done = _indexed(library, name, options, gathering, reads)
    found = messages.counted(folder.files, "file")
    messages.note(f"{found} found: {gathering.read:,} read, {gathering.unchanged:,} unchanged")
    return done


def index_website(library: Library, name: str, options: ElsewhereOptions) -> Indexed:
    """Store the pages of a website that have changed since the last crawl from there."""
    gathering = options.gathering(library, name)
    crawl = Crawl(options.url, options.bounds, gathering.known())

    def reads(pictures: bool) -> Iterator[Read]:  # noqa: ARG001 - pictures are not fetched
        return gathering.reads(crawl.found(), replace(options.fields, pictures=False))

    done = _indexed(library, name, options, gathering, reads)
    visited = messages.counted(crawl.pages, "page")
    messages.note(f"{visited} visited: {gathering.read:,} read, {gathering.unchanged:,} unchanged")
    if crawl.forbidden:
        messages.note(f"{crawl.forbidden:,} left out as the site's robots.txt asks")
    if crawl.stopped:
        messages.note(crawl.stopped)
    return done


def _indexed(
    library: Library,
    name: str,
    options: ElsewhereOptions,
    gathering: Gathering,
    reads: Callable[[bool], Iterator[Read]],
) -> Indexed:
    return index_reads(
        library,
        name,
        reads,
        None,
        model=options.model,
        language=options.language,
        rejects=options.rejects,
        on_committed=lambda now: gathering.stored(now.consumed),
    )
