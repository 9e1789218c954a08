"""Authentication: a key with its rate, or the guards of a service that needs none.

Also the headers of every answer. The role a route needs is checked in
:mod:`app.routing.requests`, where the route is known.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import tokens
from app.access.bounds import UNBOUNDED, Bounds
from app.access.keys import Key, Keyring, moment_text
from app.access.rate_limit import Counter, Rate, Standing, closest
from app.access.roles import Role
from app.http.foreign_errors import route_path
from app.http.headers import header_of
from app.http.problems import fault_document, problem_document, respond
from app.logs import REQUEST_ID
from app.settings import PREFIX, Settings, is_loopback

log = logging.getLogger(__name__)

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE: Final = {"www-authenticate": 'Bearer realm="bearing"'}

_RAW_HEADERS: Final = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The client behind a request; ``rate`` is None for the default one.

    One with a token has its number, and the token's own rate, if it has one.
    """

    name: str
    role: Role
    rate: Rate | None = None
    bounds: Bounds = UNBOUNDED
    expires: float | None = None
    token: str | None = None
    token_rate: Rate | None = None


ANYONE: Final = Caller("anyone", Role.ADMIN)
"""Any client of a service that needs no key."""


def caller_of(scope: Scope) -> Caller:
    """The client behind a request, as the Gate found it."""
    caller: Caller = scope["state"].get("caller", ANYONE)
    return caller


def status_of(scope: Scope) -> int:
    """The status that a request was answered with, as the Envelope saw it; 500 if with none yet."""
    status: int = scope["state"].get("status", HTTPStatus.INTERNAL_SERVER_ERROR.value)
    return status


def key_of(scope: Scope) -> str | None:
    """The key a request carries, as ``Authorization: Bearer`` or as ``X-API-Key``; else None."""
    scheme, _, credentials = (header_of(scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return header_of(scope, b"x-api-key")


def _new_request_id() -> str:
    """A unique id.

    Not uuid4: reading the system's randomness releases the interpreter lock, and a busy process
    waits long to get it back.
    """
    return f"{random.getrandbits(128):032x}"


class Envelope:
    """Gives every request an id and every answer the security headers, also after a fault.

    The id is the client's X-Request-ID where that is safe to log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on; a fault is answered here, and raised again."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = header_of(scope, b"x-request-id")
        request_id = given if given and _REQUEST_ID.fullmatch(given) else _new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST_ID.set(request_id)
        started = False

        async def send_enveloped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                scope["state"]["status"] = message["status"]
                own = (b"x-request-id", request_id.encode())
                message["headers"] = [*message.get("headers", ()), own, *_RAW_HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, send_enveloped)
        except Exception as error:
            log.error("request %s failed: %s", request_id, type(error).__name__)  # noqa: TRY400 -- the server logs its traceback
            if not started:
                await respond(fault_document(scope))(scope, receive, send_enveloped)
            raise


class HeadBounds:
    """Refuses a request with more or longer headers than allowed (RFC 6585)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or refuse it."""
        complaint = self._complaint(scope) if scope["type"] == "http" else None
        if complaint is None:
            await self.app(scope, receive, send)
            return
        document = problem_document(scope, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, complaint)
        await respond(document, {"connection": "close"})(scope, receive, send)

    def _complaint(self, scope: Scope) -> str | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        most, longest = self._settings.max_headers, self._settings.max_head_bytes
        if len(headers) > most:
            return f"{len(headers)} headers, at most {most} ({PREFIX}MAX_HEADERS)"
        length = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
        for name, value in headers:
            length += len(name) + len(value)
        if length > longest:
            return f"URL and headers of {length} bytes, at most {longest} ({PREFIX}MAX_HEAD_BYTES)"
        return None


class Gate:
    """Lets in requests for open paths, and others only with a key, before their body is read."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Keyring,
        open_paths: Collection[str],
        token_secret: bytes | None = None,
    ) -> None:
        self.app = app
        self._keys = keys
        self._token_secret = token_secret
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or refuse it."""
        if scope["type"] != "http" or _is_open(scope, self._open_paths):
            await self.app(scope, receive, send)
            return
        given = key_of(scope)
        key = None if given is None else self._find(given)
        if key is not None and not key.has_expired(time.time()):
            scope["state"]["caller"] = Caller(
                key.name,
                key.role,
                key.rate,
                key.bounds,
                key.expires,
                key.token,
                key.token_rate,
            )
            await self.app(scope, receive, send)
            return
        detail = (
            f"{_refusal(given, key)}: send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
        )
        document = problem_document(scope, HTTPStatus.UNAUTHORIZED, detail)
        await respond(document, CHALLENGE)(scope, receive, send)

    def _find(self, given: str) -> Key | None:
        """The key, or what a token makes of its key."""
        found = self._keys.find(given)
        if found is not None or self._token_secret is None:
            return found
        name = tokens.key_named(given)
        key = None if name is None else self._keys.named(name)
        return None if key is None else tokens.narrowed(self._token_secret, given, key)


def _refusal(given: str | None, key: Key | None) -> str:
    if given is None:
        return "no key was given"
    if key is None or key.expires is None:
        return "the key that was given is not known"
    what = "key" if key.token is None else "token of the key"
    return f"the {what} {key.name!r} expired at {moment_text(key.expires)}"


class Throttle:
    """Refuses requests over the rate of a key, or of an address where no key is needed.

    Each answer to a client with a rate states what is left of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        rate: Rate,
        open_paths: Collection[str],
        on_refusal: Callable[[], object],
    ) -> None:
        self.app = app
        self._on_refusal = on_refusal
        self._rate = rate
        self._open_paths = frozenset(open_paths)

    @cached_property
    def _counter(self) -> Counter:
        """The counter of all clients, made for the first that has a rate."""
        return Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = caller_of(scope)
        rate = self._rate if caller.rate is None else caller.rate
        if not (rate or caller.token_rate) or _is_open(scope, self._open_paths):
            await self.app(scope, receive, send)
            return
        standing = await self._count(_client(caller, scope), rate, caller)
        if standing is None:
            await self.app(scope, receive, send)
            return

        async def send_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in standing.headers():
                    headers.setdefault(name, value)
            await send(message)

        if standing.admitted:
            await self.app(scope, receive, send_standing)
            return
        self._on_refusal()
        detail = (
            f"more than {standing.limit} requests in {standing.window_seconds} s, which is the "
            f"rate of {caller.name!r}: try again in {standing.reset_seconds} s"
        )
        document = problem_document(scope, HTTPStatus.TOO_MANY_REQUESTS, detail)
        await respond(document)(scope, receive, send_standing)

    async def _count(self, client: str, rate: Rate, caller: Caller) -> Standing | None:
        """The standing after one more request, of a token by its own rate and by its key's."""
        standing = await self._counter.count(client, rate)
        if not caller.token_rate or (standing and not standing.admitted):
            return standing
        # No key's name holds a space.
        own = await self._counter.count(f"{client} {caller.token}", caller.token_rate)
        return closest([one for one in (standing, own) if one])


def _is_open(scope: Scope, paths: Collection[str]) -> bool:
    """Return whether a request only reads an open path: a page is open, a POST to it is not."""
    return scope["method"] in SAFE_METHODS and route_path(scope) in paths


def _client(caller: Caller, scope: Scope) -> str:
    """The name a client is counted under; an address begins with a slash, no key's name does."""
    if caller is not ANYONE:
        return caller.name
    address = scope.get("client")
    return f"/{address[0]}" if address else "/"


class OriginGuard:
    """Keeps web pages of other sites from writing to a service that needs no key.

    A page may post to any address blindly. A browser says where the page is from in
    Sec-Fetch-Site, which holds behind a proxy too, or else in Origin; other clients send neither.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self.app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or self._is_ours(scope):
            await self.app(scope, receive, send)
            return
        origin = header_of(scope, b"origin") or "another site"
        detail = (
            f"the request comes from a page of {origin[:200]!r}, and without keys only pages of "
            "this service may write to it: set BEARING_API_KEYS, or BEARING_CORS_ORIGINS to let "
            "pages of that origin in"
        )
        document = problem_document(scope, HTTPStatus.FORBIDDEN, detail)
        await respond(document)(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        origin, site = header_of(scope, b"origin"), header_of(scope, b"sec-fetch-site")
        if origin in self._origins:
            return True
        if site is not None:
            return site in ("same-origin", "none")
        return not origin or _authority(origin) == (header_of(scope, b"host") or "")


class LoopbackGuard:
    """Keeps pages of other sites out of a service that needs no key on this machine.

    A page may reach loopback by a name of its own that resolves to it (DNS rebinding); the Host
    header shows that.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or refuse it."""
        complaint = self._complaint(scope) if scope["type"] == "http" else None
        if complaint is None:
            await self.app(scope, receive, send)
            return
        document = problem_document(scope, HTTPStatus.FORBIDDEN, complaint)
        await respond(document)(scope, receive, send)

    def _complaint(self, scope: Scope) -> str | None:
        host = header_of(scope, b"host") or ""
        if _is_local(host, self._host):
            return None
        return (
            f"the request is for host {host[:200]!r}, but without keys only loopback names "
            "are served (localhost, 127.0.0.1, [::1]): set BEARING_API_KEYS"
        )


@lru_cache(maxsize=16)  # few, since clients may invent long ones
def _is_local(host: str, own: str) -> bool:
    """Return whether a Host header names loopback, or the service's own name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    return name == own or is_loopback(name)


def _authority(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
