"""Who may come in: API keys, the guard of an unkeyed loopback, and the headers of every answer."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import problem_document, respond
from app.settings import is_loopback

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE: Final = {"www-authenticate": 'Bearer realm="bearing"'}


class Keys:
    """The keys that let a client in; only their digests are kept."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, key: str) -> bool:
        """Whether a key is one of these, in a time that does not tell how nearly."""
        given = _digest(key)
        # Not any(): it would stop at the first match.
        return sum(hmac.compare_digest(given, digest) for digest in self._digests) > 0


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def key_of(headers: Headers) -> str | None:
    """The key that a request carries, as ``Authorization: Bearer`` or as ``X-API-Key``."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key")


class Envelope:
    """Gives every request an id and every answer the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_enveloped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_enveloped)


class Gate:
    """Lets in requests for open paths, and others only with a key, before their body is read."""

    def __init__(self, app: ASGIApp, keys: Keys, open_paths: Collection[str]) -> None:
        self.app = app
        self._keys = keys
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or answer it."""
        if scope["type"] != "http" or _path(scope) in self._open_paths:
            await self.app(scope, receive, send)
            return
        key = key_of(Headers(scope=scope))
        if key is not None and self._keys.admit(key):
            await self.app(scope, receive, send)
            return
        given = "no key was given" if key is None else "the key that was given is not known"
        detail = f"{given}: send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
        document = problem_document(scope, HTTPStatus.UNAUTHORIZED, detail)
        await respond(document, CHALLENGE)(scope, receive, send)


class LoopbackGuard:
    """Keeps web pages of other sites out of a service that needs no key on this machine.

    A page may reach loopback through a name of its own that resolves to it (DNS rebinding), and
    may post to it blindly; the first shows in the Host header, the second in Origin.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on, or answer it."""
        complaint = self._complaint(scope) if scope["type"] == "http" else None
        if complaint is None:
            await self.app(scope, receive, send)
            return
        document = problem_document(scope, HTTPStatus.FORBIDDEN, complaint)
        await respond(document)(scope, receive, send)

    def _complaint(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        name = _host_name(f"//{host}")
        if name != self._host and not is_loopback(name):
            return (
                f"the request is for host {host[:200]!r}, but without keys only loopback names "
                "are served (localhost, 127.0.0.1, [::1]): set BEARING_API_KEYS"
            )
        if scope["method"] not in SAFE_METHODS and origin and _authority(origin) != host:
            return (
                f"the request comes from a page of {origin[:200]!r}, and without keys only pages "
                "of this service may write to it: set BEARING_API_KEYS"
            )
        return None


def _path(scope: Scope) -> str:
    """The path as routes know it, without that under which a proxy serves the service."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _authority(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
