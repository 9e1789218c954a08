"""Requests to one website: to the address it had at first, paced, bounded, redirects told."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from indexer import installation
from indexer.errors import InvalidInput, Unreadable

if TYPE_CHECKING:
    import httpx2

AGENT: Final = "Bearing"
"""The name by which robots.txt may speak of these requests."""

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
MOST_PATIENCE_SECONDS: Final = 60.0
"""The longest wait that a site may ask for by Retry-After or Crawl-delay."""

TRIES: Final = 3
_PORTS: Final = {"http": 80, "https": 443}
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class NoAnswer(Unreadable):
    """The site did not answer, or was at fault: it may answer later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, its head, and the number of bytes that were written to a file."""

    status: int
    head: Mapping[str, str]
    size: int

    @property
    def leads_to(self) -> str | None:
        """The target of a redirect, as written."""
        moved = self.status in (301, 302, 303, 307, 308)
        return self.head.get("location") if moved else None

    @property
    def is_permanent(self) -> bool:
        """Return whether a redirect is for ever."""
        return self.status in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT)

    @property
    def is_busy(self) -> bool:
        """Return whether the site asks to come again later."""
        return self.status in _BUSY

    @property
    def media_type(self) -> str:
        """Its media type, in lower case; empty if it has none."""
        return self.head.get("content-type", "").partition(";")[0].strip().lower()


def host_of(url: str) -> tuple[str, int]:
    """The host and port of a URL; raises InvalidInput for one that is not of the web."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"not a URL: {url[:200]!r}") from error
    if parts.scheme not in _PORTS or not host:
        raise InvalidInput(f"a website's URL is like https://host/path, not {url[:200]!r}")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("a URL with a name and password is not crawled: leave them out")
    return host, port or _PORTS[parts.scheme]


@dataclass(slots=True)
class Site:
    """One host: its name, the port it was asked at first, and the address it had then.

    The address stays for the whole crawl, so that no later answer of a name server leads elsewhere.
    """

    host: str
    port: int
    address: str
    pause: float = 0.0
    _asked: float = field(default=float("-inf"))

    @classmethod
    def of(cls, url: str, *, private: bool) -> Site:
        """The site of a URL; raises Unreadable for a private address, unless that is allowed."""
        host, port = host_of(url)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unreadable(f"no address of {host!r} is known: {error}") from error
        addresses = [str(one[4][0]) for one in found]
        able = [one for one in addresses if private or is_public(one)]
        if not able:
            raise Unreadable(
                f"{host!r} is at {addresses[0]}, a private address, to which only a crawl that "
                "began there may go"
            )
        return cls(host, port, able[0])

    @property
    def is_private(self) -> bool:
        """Return whether it is at an address that is not of the public internet."""
        return not is_public(self.address)

    def has(self, url: str) -> bool:
        """Return whether a URL is of this site: of the host, at its port or the usual ones."""
        try:
            host, port = host_of(url)
        except InvalidInput:
            return False
        usual = self.port in _PORTS.values() and port in _PORTS.values()
        return host == self.host and (port == self.port or usual)

    def pinned(self, parts: SplitResult) -> str:
        """A URL with the address in place of the host."""
        port = parts.port or _PORTS[parts.scheme]
        address = f"[{self.address}]" if ":" in self.address else self.address
        return parts._replace(netloc=f"{address}:{port}", fragment="").geturl()

    def wait(self) -> None:
        """Wait until the next request may be sent."""
        time.sleep(max(0.0, self._asked + self.pause - time.monotonic()))
        self._asked = time.monotonic()


def is_public(address: str) -> bool:
    """Return whether an IP address is of the public internet."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_global) and not parsed.is_multicast


@contextmanager
def client() -> Iterator[httpx2.Client]:
    """A client that follows no redirects, and takes no proxies from the environment."""
    import httpx2

    agent = f"{AGENT}/{installation.version()} (bearing index --crawl)"
    timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    with httpx2.Client(headers={"user-agent": agent}, timeout=timeout, trust_env=False) as opened:
        yield opened


def fetch(
    http: httpx2.Client, site: Site, url: str, path: Path, most: int, head: Mapping[str, str]
) -> Answer:
    """The answer to a GET, its body written to a file; a busy site is asked again.

    Raises Unreadable for a body of more than ``most`` bytes, and for no answer.
    """
    for left in reversed(range(TRIES)):
        site.wait()
        answer = _once(http, site, url, path, most, head)
        if not answer.is_busy or not left:
            return answer
        time.sleep(_patience(answer.head.get("retry-after"), TRIES - left))
    raise AssertionError


def _once(
    http: httpx2.Client, site: Site, url: str, path: Path, most: int, head: Mapping[str, str]
) -> Answer:
    import httpx2

    parts = urlsplit(url)
    request = http.build_request(
        "GET",
        site.pinned(parts),
        headers={**head, "host": parts.netloc},
        extensions={"sni_hostname": site.host},
    )
    try:
        answer = http.send(request, stream=True)
        try:
            return Answer(answer.status_code, dict(answer.headers), _save(answer, path, most))
        finally:
            answer.close()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NoAnswer(f"no answer: {str(error) or type(error).__name__}") from error


def _save(answer: httpx2.Response, path: Path, most: int) -> int:
    size, end = 0, time.monotonic() + 10 * ANSWER_SECONDS
    with path.open("wb") as file:
        for block in answer.iter_bytes(65_536):
            size += file.write(block)
            if size > most:
                raise Unreadable(f"larger than {most:,} bytes, the most that is fetched at once")
            if time.monotonic() > end:
                raise NoAnswer("it comes too slowly")
    return size


def _patience(asked: str | None, tries: int) -> float:
    """The seconds to wait before a busy site is asked again."""
    try:
        seconds = float(asked or 2.0**tries)
    except ValueError:  # a date
        seconds = 2.0**tries
    return min(max(seconds, 0.0), MOST_PATIENCE_SECONDS)
