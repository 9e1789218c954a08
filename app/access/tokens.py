"""Tokens: short-lived rights to a part of what a key may, signed, and kept nowhere.

A token is ``bearing.PAYLOAD.SIGNATURE``. The payload is JSON: the name of its key, a role, bounds
and an end; the signature is HMAC-SHA256 (RFC 2104) of the payload and the key's digest, by the
service's secret. So a token ends with its key, and never may more than that may at the time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from app.access.bounds import Bounds
from app.access.keys import Key
from app.access.rate_limit import Rate, parse_rate
from app.access.roles import Role
from indexer.errors import Forbidden, InvalidInput
from indexer.filters import parse_filter

PREFIX: Final = "bearing."
MOST_MINUTES: Final = 1_440
LONGEST: Final = 4_096
"""Characters of a token at most, so that it fits a header."""

_PURPOSE: Final = b"bearing token 1\0"
"""Signed too, so that no other use of the secret gives a signature of a token."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights that a token is asked for; ``condition`` is a filter as JSON."""

    minutes: float
    role: Role = Role.SEARCH
    collections: tuple[str, ...] | None = None
    condition: Mapping[str, Any] | None = None
    rate: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was made, with its number and its end in seconds since 1970."""

    text: str
    number: str
    expires: float


def issue(secret: bytes, key: Key, grant: Grant, now: float) -> Token:
    """A token of a key.

    Raises Forbidden for rights that the key has not, InvalidInput for a filter or a rate that does
    not parse, or for too long a token.
    """
    _check(key, grant)
    parse_filter(grant.condition)
    if grant.rate is not None:
        _rate(grant.rate)
    end = now + 60.0 * grant.minutes
    number, expires = secrets.token_hex(8), end if key.expires is None else min(end, key.expires)
    said = {
        "key": key.name,
        "number": number,
        "role": grant.role.value,
        "collections": grant.collections,
        "filter": grant.condition,
        "rate": grant.rate,
        "expires": int(expires),
    }
    payload = json.dumps({name: one for name, one in said.items() if one is not None}).encode()
    text = f"{PREFIX}{_text(payload)}.{_text(_sign(secret, payload, key))}"
    if len(text) > LONGEST:
        raise InvalidInput(
            f"a token of {len(text)} characters, at most {LONGEST}: name fewer collections, or "
            "give a shorter filter"
        )
    return Token(text, number, float(int(expires)))


def key_named(token: str) -> str | None:
    """The name of the key that a token says it is of; None for what is no token."""
    said = _said(token)
    name = None if said is None else said.get("key")
    return name if isinstance(name, str) else None


def narrowed(secret: bytes, token: str, key: Key) -> Key | None:
    """The key with no more rights than its token gives; None if the token is not of this key.

    It may have expired: see :meth:`Key.has_expired`.
    """
    payload, signature = _parts(token)
    if not hmac.compare_digest(signature, _sign(secret, payload, key)):
        return None
    said = json.loads(payload)
    role, expires = Role(said["role"]), float(said["expires"])
    names = said.get("collections")
    bounds = Bounds(None if names is None else frozenset(names), parse_filter(said.get("filter")))
    return replace(
        key,
        role=role if key.role.covers(role) else key.role,
        bounds=bounds.within(key.bounds),
        expires=expires if key.expires is None else min(expires, key.expires),
        token=said["number"],
        token_rate=_rate(said["rate"]) if "rate" in said else None,
    )


def _check(key: Key, grant: Grant) -> None:
    """Raise Forbidden unless the key has the rights that are asked for."""
    if not key.role.covers(grant.role):
        raise Forbidden(f"role: the key {key.name!r} may {key.role}, and so may its tokens")
    for name in grant.collections or ():
        if not key.bounds.admits(name):
            raise Forbidden(f"collections: {name[:80]!r} is none that the key {key.name!r} may use")


def _rate(text: str) -> Rate:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise InvalidInput(f"rate: {error}") from error


def _sign(secret: bytes, payload: bytes, key: Key) -> bytes:
    # The digest is of fixed length, so that nothing can be moved between it and the payload.
    return hmac.digest(secret, _PURPOSE + key.digest + payload, "sha256")


def _said(token: str) -> Mapping[str, Any] | None:
    payload, _ = _parts(token)
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _parts(token: str) -> tuple[bytes, bytes]:
    """The payload and the signature of a token; empty for what is none."""
    payload, _, signature = token.removeprefix(PREFIX).partition(".")
    if not token.startswith(PREFIX) or len(token) > LONGEST:
        return b"", b""
    return _bytes(payload), _bytes(signature)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if _text(found) == text else b""  # one text for each token
