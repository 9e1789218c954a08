"""API keys: what each may do, how they are written, and a file of them that may change.

A key is given as ``[[NAME:]ROLE:]SECRET [RATE]``::

    s3same-openU-7                        a key that may do everything
    search:s3same-openU-7                 a key that may search
    shop:search:sha256:0d3f... 20/second  the digest of a key, with a name and a rate of its own

A file may also hold a key as an object on a line of its own, which says more of it::

    {"name": "acme", "role": "search", "key": "sha256:0d3f...", "rate": "20/second",
     "collections": ["news"], "filter": {"tenant": "acme"}, "expires": "2027-01-01T00:00:00Z"}

(in one line). Such a key may use those collections only, in them only the documents that pass the
filter, and only until then. One that is bound to a part may search and write, not administer.

The digest is SHA-256 and not a slow function such as scrypt: slow functions protect passwords
that people choose, which keys are not. Trying the 2^256 keys that ``bearing key`` draws from is
out of reach at any speed, while a slow function would let strangers burn a core with rubbish.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.access.bounds import UNBOUNDED, Bounds
from app.access.rate_limit import Rate, parse_rate
from app.access.roles import Role
from indexer.errors import InvalidFilter, InvalidInput, Unreadable
from indexer.filters import parse_filter
from indexer.readers.records import parse_json

log = logging.getLogger(__name__)

PREFIX: Final = "bearing_"
"""The prefix of keys made here, by which a leaked one is recognised."""

LOOK_SECONDS: Final = 1.0
"""The file of keys is looked at no more often than this."""

SETTLED_NANOSECONDS: Final = 2_000_000_000
"""Once a file is this old, a further change shows in its time on every file system."""

MAX_FILE_BYTES: Final = 2**20

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ENTRY: Final = re.compile(
    rf"(?:(?:(?P<name>{_NAME.pattern}):)?(?P<role>{'|'.join(Role)}):)?"
    r"(?P<secret>\S+)(?:\s+(?P<rate>.+))?"
)
_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)
_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}
_OBJECT: Final = re.compile(r'\s*\{\s*"')
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")

Signature: TypeAlias = tuple[int, int, int]
"""A file's modification time, inode and length."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored: its digest, not its secret. ``rate`` is None for the default one.

    ``expires`` is in seconds since 1970; None for a key that does not. With the number of a
    ``token``, it is what that token makes of a key, and has a rate of its own besides, or none.
    """

    name: str
    role: Role
    digest: bytes = field(repr=False)
    rate: Rate | None = None
    bounds: Bounds = UNBOUNDED
    expires: float | None = None
    token: str | None = None
    token_rate: Rate | None = None

    def has_expired(self, now: float) -> bool:
        """Return whether it is of no use any more, at a time in seconds since 1970."""
        return self.expires is not None and now >= self.expires


class KeysBroken(ValueError):
    """The keys cannot be read; the message says where and why, and reveals no secret."""


def digest_of(secret: str) -> bytes:
    """The SHA-256 digest of a key, 32 bytes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def make_secret() -> str:
    """A new key, with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def write_entry(secret: str, role: Role, name: str = "", **more: object) -> str:
    """The entry of a key, by its digest; an object if there is ``more`` to say: see KeyLine.

    Raises InvalidInput for an invalid name, or for what the object may not say.
    """
    if name and not _NAME.fullmatch(name):
        raise InvalidInput(
            f"name {name[:80]!r}: a key's name is of 1 to 64 letters, digits and ._@-, and begins "
            "with a letter or digit"
        )
    digest = f"sha256:{digest_of(secret).hex()}"
    if not more:
        return f"{name + ':' if name else ''}{role}:{digest}"
    said = ({"name": name} if name else {}) | {"role": role.value, "key": digest} | more
    line = json.dumps(said)
    try:
        parse_lines([line])
    except KeysBroken as error:
        raise InvalidInput(str(error).removeprefix("line-1: ")) from error
    return line


def parse_moment(text: str) -> float:
    """A moment in seconds since 1970: a date, or a date and a time with its offset (or Z).

    A date is its first moment in UTC. Raises ValueError.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) > len("2027-01-01"):
            raise ValueError("a time needs its offset, such as Z")
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def end_of(text: str) -> str:
    """The moment at which a time from now ends (30d, 12h, 15m), or the moment given, as text.

    Raises InvalidInput.
    """
    span = _SPAN.fullmatch(text)
    if span:
        return moment_text(time.time() + int(span[1]) * _SECONDS[span[2]])
    try:
        return moment_text(parse_moment(text))
    except ValueError as error:
        raise InvalidInput(
            f"{text[:80]!r} is no time at which a key may end: give 30d, 12h or 15m, a date, or a "
            "time with its offset, such as 2027-01-01T00:00:00Z"
        ) from error


def moment_text(moment: float) -> str:
    """A moment in seconds since 1970 as text, in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _moment(given: object) -> float:
    try:
        return parse_moment(given if isinstance(given, str) else "")
    except ValueError as error:
        raise ValueError(
            "must be a date, or a time with its offset, such as 2027-01-01T00:00:00Z"
        ) from error


class KeyLine(BaseModel):
    """A key as an object on a line of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str | None = Field(None, pattern=f"^(?:{_NAME.pattern})$")
    role: Annotated[Role, Field(strict=False)] = Role.SEARCH
    key: str = Field(pattern=r"^[!-~]+$")
    rate: str | None = None
    collections: list[str] | None = Field(None, min_length=1)
    filter: dict[str, Any] | None = Field(None, min_length=1)
    expires: Annotated[float, BeforeValidator(_moment)] | None = None

    def to_key(self, place: str) -> Key:
        """The key; raises KeysBroken."""
        bounds = self._bounds(place)
        if bounds and self.role is Role.ADMIN:
            raise KeysBroken(
                f"{place}: a key with collections or a filter may search or write, and not be of "
                "role admin"
            )
        return Key(
            self.name or place,
            self.role,
            _digest(self.key, place),
            _rate(self.rate, place),
            bounds,
            self.expires,
        )

    def _bounds(self, place: str) -> Bounds:
        try:
            condition = parse_filter(self.filter)
        except InvalidFilter as error:
            raise KeysBroken(f"{place}: {error}") from error
        names = None if self.collections is None else frozenset(self.collections)
        return Bounds(names, condition)


def parse_keys(entries: Iterable[str]) -> tuple[Key, ...]:
    """The keys in these entries; one without a name is named after its place.

    Raises KeysBroken, also if there is none, or two share a name or a secret.
    """
    return _checked([_parse(entry, f"key-{n}") for n, entry in enumerate(entries, start=1)])


def check_distinct(keys: Sequence[Key]) -> None:
    """Raise KeysBroken if two keys share a name or a secret."""
    for name, times in Counter(key.name for key in keys).items():
        if times > 1:
            raise KeysBroken(f"the name {name!r} is there {times} times")
    by_digest: dict[bytes, str] = {}
    for key in keys:
        other = by_digest.setdefault(key.digest, key.name)
        if other != key.name:
            raise KeysBroken(f"{other!r} and {key.name!r} are the same key")


def _parse(entry: str, place: str) -> Key:
    if _OBJECT.match(entry):
        raise KeysBroken(f"{place}: a key as an object goes into the file of keys")
    # An entry may be a secret from end to end, so no message quotes it.
    found = _ENTRY.fullmatch(entry.strip())
    if not found or not (entry.isascii() and entry.replace("\t", " ").isprintable()):
        raise KeysBroken(f"{place}: a key must be of printable ASCII characters without spaces")
    return Key(
        name=found["name"] or place,
        role=Role(found["role"] or Role.ADMIN),
        digest=_digest(found["secret"], place),
        rate=_rate(found["rate"], place),
    )


def _parse_object(entry: str, place: str) -> Key:
    try:
        said = KeyLine.model_validate(parse_json(entry.encode("utf-8", "surrogateescape")))
        return said.to_key(place)
    except Unreadable:
        raise KeysBroken(f"{place}: it is not JSON, or has a field twice") from None
    except ValidationError as error:
        # Neither the input nor names that are not known are quoted: a key may be among them.
        raise KeysBroken(f"{place}: {_complaint(error)}") from None


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "extra_forbidden":
        return f"a field is unknown; there are {', '.join(KeyLine.model_fields)}"
    field = first["loc"][0] if first["loc"] else "the object"
    said = "must be of printable ASCII characters without spaces"
    about = said if first["type"] == "string_pattern_mismatch" else first["msg"]
    return f"{field}: {about.removeprefix('Value error, ')}"


def _rate(text: str | None, place: str) -> Rate | None:
    try:
        return parse_rate(text) if text else None
    except ValueError:
        # Not quoted: it may be the rest of a key that was given with a space.
        raise KeysBroken(
            f"{place}: what follows the key is no rate such as 20/second;5000/hour"
        ) from None


def _digest(secret: str, place: str) -> bytes:
    hashed = _DIGEST.fullmatch(secret)
    if hashed:
        return bytes.fromhex(hashed[1])
    if secret.startswith("sha256:"):
        raise KeysBroken(f"{place}: sha256: must be followed by 64 hexadecimal digits")
    return digest_of(secret)


class KeyFile:
    """The keys of a file, one a line; ``#`` begins a comment. Read again when it changes.

    A file that can no longer be read, or has a wrong line, changes nothing: the keys it last held
    stay valid. The log says so once, and ``problem`` until it is repaired.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature, self._keys = self._read()
        self._looked = time.monotonic()
        self.problem: str | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of the file as it was at most a second ago."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self.refresh()
        return self._keys

    def refresh(self) -> None:
        """Look at the file, and read it if it was replaced or changed."""
        try:
            if self.problem is None and _signature(self._path.stat()) == self._signature:
                return
            self._signature, keys = self._read()
        except (OSError, KeysBroken) as error:
            self._complain(error)
            return
        if self.problem or keys != self._keys:
            log.info("keys were read from %s: %s", self._path, ", ".join(k.name for k in keys))
        self._keys, self.problem = keys, None

    def _complain(self, error: OSError | KeysBroken) -> None:
        reason = error.strerror if isinstance(error, OSError) else error
        problem = f"{self._path}: {reason}"
        if problem != self.problem:
            log.error("keys stay as they were until the file is mended: %s", problem)
        self.problem = problem

    def _read(self) -> tuple[Signature, tuple[Key, ...]]:
        with self._path.open("rb") as file:
            # Of the open file: the name may stand for another by now.
            signature = _settled(_signature(os.fstat(file.fileno())))
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise KeysBroken(f"it is longer than {MAX_FILE_BYTES} bytes")
        lines = content.decode("utf-8", "surrogateescape").splitlines()
        return signature, parse_lines(lines)


def parse_lines(lines: Iterable[str]) -> tuple[Key, ...]:
    """The keys of a file's lines; one without a name is named after its line."""
    keys = []
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            parse = _parse_object if _OBJECT.match(entry) else _parse
            keys.append(parse(entry, f"line-{number}"))
    return _checked(keys)


def _checked(keys: Sequence[Key]) -> tuple[Key, ...]:
    if not keys:
        raise KeysBroken("it holds no key")
    check_distinct(keys)
    return tuple(keys)


def _signature(status: os.stat_result) -> Signature:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _settled(signature: Signature) -> Signature:
    """The signature; one that never matches if a change just after this could keep it."""
    return signature if time.time_ns() - signature[0] > SETTLED_NANOSECONDS else (0, 0, 0)


class Keyring:
    """The keys that let clients in: those given, and those of a file."""

    def __init__(self, keys: Iterable[Key] = (), file: KeyFile | None = None) -> None:
        self._given = tuple(keys)
        self._file = file
        check_distinct(self._all())

    def _all(self) -> tuple[Key, ...]:
        return (*self._given, *(self._file.keys if self._file else ()))

    @property
    def problem(self) -> str | None:
        """The reason why the file of keys could not be read last; None if it could."""
        return self._file.problem if self._file else None

    def find(self, secret: str) -> Key | None:
        """The key with this secret, or None; the time taken does not tell how close a guess is."""
        given, found = digest_of(secret), None
        for key in self._all():
            # No early return: its timing would reveal the place of the match.
            if hmac.compare_digest(given, key.digest):
                found = found or key
        return found

    def named(self, name: str) -> Key | None:
        """The key of this name, or None."""
        return next((key for key in self._all() if key.name == name), None)
