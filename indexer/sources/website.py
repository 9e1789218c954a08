"""A website's pages, found by its links or its sitemap, within bounds; robots.txt is honoured.

Requests go one after another to one host. A page that the site says has not changed since the
last run is not read again; its links are followed as they were then.
"""

from __future__ import annotations

import gzip
import html
import re
import time
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urljoin, urlsplit

import orjson

from indexer.errors import MissingExtra, Unreadable
from indexer.readers.links import Links, links_of
from indexer.readers.reading import Rejection
from indexer.sources.crawl_bounds import Bounds
from indexer.sources.fetched import Fetched, Unchanged
from indexer.sources.web_requests import (
    AGENT,
    MOST_PATIENCE_SECONDS,
    Answer,
    NoAnswer,
    Site,
    client,
    fetch,
)

if TYPE_CHECKING:
    import httpx2
    from protego import Protego

REDIRECTS: Final = 5
ROBOTS_BYTES: Final = 512_000
SITEMAP_BYTES: Final = 64 * 2**20
REMEMBERED_LINKS: Final = 2_000
SEEN_PER_PAGE: Final = 100
"""Addresses that are kept in mind for each page that may be fetched."""

PAUSE_SECONDS: Final = 0.1
"""The least time between two requests to a public site that asks for no other."""

SUFFIXES: Final[Mapping[str, str]] = {
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
"""The media types that are read, each with the suffix of its format."""

_PASSED_OVER: Final = re.compile(
    r"\.(png|jpe?g|gif|webp|svg|ico|css|js|mjs|json|woff2?|ttf|mp[34]|webm|avi|mov|zip|gz|tgz|bz2|"
    r"xz|7z|exe|dmg|iso|whl|jar)$",
    re.IGNORECASE,
)
_LOCATIONS: Final = re.compile(
    rb"<(?:\w+:)?loc>\s*(?:<!\[CDATA\[)?\s*(.*?)\s*(?:\]\]>)?\s*</", re.S
)
_SITEMAP: Final = re.compile(rb"<(?:\w+:)?(?:urlset|sitemapindex)\b")

Found: TypeAlias = Fetched | Unchanged | Rejection


@dataclass(frozen=True, slots=True)
class Stamp:
    """The marks of a page by which to ask whether it has changed, and the page's links."""

    etag: str | None
    modified: str | None
    links: tuple[str, ...]

    @classmethod
    def decode(cls, text: str) -> Stamp | None:
        """The stamp from ``encode``; None for text that is none."""
        try:
            told: dict[str, Any] = orjson.loads(text)
            return cls(told["etag"], told["modified"], tuple(told["links"]))
        except (ValueError, KeyError, TypeError):
            return None

    def encode(self) -> str:
        """The stamp as text."""
        return orjson.dumps(self).decode()

    @property
    def head(self) -> dict[str, str]:
        """The head of a request for the page if it has changed."""
        named = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class _Address:
    """An address to visit: links from the start, redirects to it, and the address they began at."""

    url: str
    depth: int
    redirects: int = 0
    moved_from: str | None = None


@dataclass(slots=True)
class Crawl:
    """One crawl from a URL; ``known`` are the stamps of pages by their names.

    ``stopped`` says which bound ended it, if one did; ``forbidden`` addresses are left out as the
    site's robots.txt asks. One that ``revisits`` asks for all known pages, whether or not links
    lead there; those that the site says are gone are left out. ``unreadable`` are the pages that
    gave no answer to go by, at first or where they led.
    """

    start: str
    bounds: Bounds = field(default_factory=Bounds)
    known: Mapping[str, str] = field(default_factory=dict)
    revisits: bool = False
    unreadable: list[str] = field(default_factory=list)
    stopped: str | None = None
    forbidden: int = 0
    pages: int = 0
    _bytes: int = 0
    _seen: set[str] = field(default_factory=set)
    _failed: set[str] = field(default_factory=set)
    _given: set[str] = field(default_factory=set)
    _waiting: deque[_Address] = field(default_factory=deque)

    def found(self) -> Generator[Found, None, None]:
        """The pages, in the order in which links lead to them; raises Unreadable for no start."""
        site = Site.of(self.start, private=True)
        site.pause = 0.0 if site.is_private else PAUSE_SECONDS
        end = time.monotonic() + self.bounds.seconds
        with client() as http, TemporaryDirectory() as folder:
            path = Path(folder) / "page"
            robots = _robots(http, site, self.start, path)
            asked = robots.crawl_delay(AGENT) or 0.0
            site.pause = min(max(site.pause, asked), MOST_PATIENCE_SECONDS)
            self._follow(site, [self.start], 0)
            while self._has_more(site) and not self._ended(end):
                here = self._waiting.popleft()
                try:
                    if self._may_visit(robots, here.url):
                        yield from self._visit(http, site, here, path)
                except Unreadable as error:
                    if here.url == self._start_url:
                        raise Unreadable(f"{here.url}: {error}") from error
                    self._failed.add(here.url)
                    if isinstance(error, NoAnswer) or here.moved_from in self.known:
                        self.unreadable.append(here.url)
                    yield Rejection(here.url, str(error))

    def _has_more(self, site: Site) -> bool:
        """Return whether an address waits; in the end known pages do that no link led to."""
        if not self._waiting and self.revisits:
            left = [one for one in self.known if one not in self._seen and site.has(one)]
            self._seen.update(left)
            self._waiting.extend(_Address(one, self.bounds.depth) for one in left)
        return bool(self._waiting)

    def _may_visit(self, robots: Protego, url: str) -> bool:
        able = bool(robots.can_fetch(url, AGENT))
        if not able and url == self._start_url:
            raise Unreadable("its robots.txt keeps robots from it")
        self.forbidden += not able
        return able

    @property
    def _start_url(self) -> str:
        return normalised(self.start)

    def _ended(self, end: float) -> bool:
        """Return whether a bound is reached, and note which."""
        left = f"{len(self._waiting):,} known addresses were not visited"
        if self.pages >= self.bounds.pages:
            self.stopped = f"stopped at {self.pages:,} pages (--max-pages): {left}"
        elif self._bytes >= self.bounds.bytes:
            self.stopped = f"stopped at {self._bytes:,} bytes: {left}"
        elif time.monotonic() > end:
            self.stopped = f"stopped after {self.bounds.seconds / 3600:.0f} hours: {left}"
        return self.stopped is not None

    def _visit(
        self, http: httpx2.Client, site: Site, here: _Address, path: Path
    ) -> Iterator[Found]:
        """The page at an address, its links put in line."""
        url = here.url
        self.pages += 1
        stamp = Stamp.decode(self.known.get(url, ""))
        most = max(self.bounds.page_bytes, SITEMAP_BYTES if _may_be_sitemap(url) else 0)
        answer = fetch(http, site, url, path, most, stamp.head if stamp else {})
        self._bytes += answer.size
        if answer.status == HTTPStatus.NOT_MODIFIED and stamp is not None:
            self._follow(site, stamp.links, here.depth + 1)
            yield Unchanged(url)
        elif self.revisits and url in self.known and self._is_gone(site, url, answer):
            return
        elif answer.leads_to is not None:
            self._redirect(site, here, answer.leads_to)
        elif answer.status != HTTPStatus.OK:
            at_fault = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            problem = NoAnswer if at_fault or answer.is_busy else Unreadable
            raise problem(f"the site answers {answer.status}")
        elif _may_be_sitemap(url) and (locations := _locations(path)) is not None:
            self._follow(site, locations, here.depth)
        else:
            yield from self._page(site, here, answer, path)

    def _is_gone(self, site: Site, url: str, answer: Answer) -> bool:
        """Return whether a known page is no longer there: missing, or for ever on another host."""
        if url == self._start_url:
            return False
        if answer.leads_to is not None and answer.is_permanent:
            return not site.has(urljoin(url, answer.leads_to))
        return answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)

    def _redirect(self, site: Site, here: _Address, target: str) -> None:
        """Put the place where a redirect leads in line; the start may lead to another host."""
        there = normalised(urljoin(here.url, target))
        if here.url == self._start_url and not site.has(there):
            moved = Site.of(there, private=site.is_private)
            site.host, site.port, site.address = moved.host, moved.port, moved.address
        if not site.has(there):
            raise Unreadable(f"it leads to another host, {urlsplit(there).netloc}")
        if here.redirects >= REDIRECTS:
            raise Unreadable("it leads on and on")
        if there in self._failed:
            raise Unreadable(f"it leads to {there}, which cannot be read")
        self._follow(site, [there], here.depth, here.redirects + 1, here.moved_from or here.url)

    def _page(self, site: Site, here: _Address, answer: Answer, path: Path) -> Iterator[Found]:
        url = here.url
        suffix = SUFFIXES.get(answer.media_type)
        if suffix is None:
            raise Unreadable(f"not read: {answer.media_type or 'of no media type'}")
        of_links = links_of(path) if suffix in (".html", ".xhtml") else Links()
        base = urljoin(url, of_links.base or "")
        links = [urljoin(base, one) for one in of_links.links]
        if "nofollow" in of_links.robots or "none" in of_links.robots:
            links = []
        links = list(dict.fromkeys(normalised(one) for one in links if site.has(one)))
        self._follow(site, links, here.depth + 1)
        name = normalised(urljoin(base, of_links.canonical)) if of_links.canonical else url
        name = name if site.has(name) else url
        if {"noindex", "none"} & of_links.robots or name in self._given:
            return
        self._given.add(name)
        head = answer.head
        kept = tuple(links) if len(links) <= REMEMBERED_LINKS else None
        stamp = Stamp(head.get("etag"), head.get("last-modified"), kept or ())
        able = kept is not None and stamp.head and name == url
        yield Fetched(name, f"page{suffix}", path, stamp.encode() if able else "")

    def _follow(
        self,
        site: Site,
        links: Iterable[str],
        depth: int,
        redirects: int = 0,
        moved_from: str | None = None,
    ) -> None:
        """Put links in line that are of the site, not too deep, and new."""
        most = SEEN_PER_PAGE * self.bounds.pages
        if depth > self.bounds.depth:
            return
        for link in links:
            there = normalised(link)
            if there in self._seen or len(self._seen) >= most or not site.has(there):
                continue
            if _PASSED_OVER.search(urlsplit(there).path) and not _may_be_sitemap(there):
                continue
            self._seen.add(there)
            self._waiting.append(_Address(there, depth, redirects, moved_from))


def normalised(url: str) -> str:
    """A URL without its fragment, its host in lower case, its usual port left out."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return url
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in (None, usual) else f"{shown}:{port}"
    path = parts.path or "/"
    return parts._replace(netloc=netloc, path=path, fragment="").geturl()


def _may_be_sitemap(url: str) -> bool:
    return urlsplit(url).path.lower().endswith((".xml", ".xml.gz"))


def _locations(path: Path) -> list[str] | None:
    """The addresses in a sitemap; None for what is none."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as packed:
                data = packed.read(SITEMAP_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"not gzip that can be read: {error}") from error
    if len(data) > SITEMAP_BYTES or not _SITEMAP.search(data, 0, 65_536):
        return None
    found = (one.decode("utf-8", "replace") for one in _LOCATIONS.findall(data))
    return [html.unescape(one) for one in found]


def _robots(http: httpx2.Client, site: Site, start: str, path: Path) -> Protego:
    """The site's rules for robots; none where it has none."""
    try:
        from protego import Protego
    except ImportError as error:
        raise MissingExtra("Protego", "web") from error
    url = urljoin(start, "/robots.txt")
    for _ in range(REDIRECTS):
        try:
            answer = fetch(http, site, url, path, ROBOTS_BYTES, {})
        except Unreadable as error:
            raise Unreadable(f"{url}: {error}") from error
        if answer.leads_to is None:
            break
        url = urljoin(url, answer.leads_to)
        if not site.has(url):
            return Protego.parse("")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # RFC 9309: then nothing may be fetched
        raise Unreadable(f"{url} answers {answer.status}, so that no rules for robots are known")
    text = path.read_text("utf-8", "replace") if answer.status == HTTPStatus.OK else ""
    return Protego.parse(text)
