"""The audit log: who changed what and when, one line of JSON each; never a text, never a key."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.roles import Role
from app.logs import now
from app.middleware.security import caller_of, status_of

log = logging.getLogger(__name__)

STANDARD_ERROR: Final = "-"
OFF: Final = "off"


class AuditLog:
    """An append-only log on standard error or in a file; each line is written in one piece.

    If the file is moved away, as logrotate does, a new one is opened under its name.
    """

    def __init__(self, target: str) -> None:
        self._path = None if target in (STANDARD_ERROR, OFF) else Path(target).expanduser()
        self._is_off = target == OFF
        self._file = _appending(self._path) if self._path else None

    def __bool__(self) -> bool:
        return not self._is_off

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line; a failure is logged, and the service goes on."""
        content = orjson.dumps(line) + b"\n"
        try:
            if self._path is None:
                sys.stderr.write(content.decode())
            else:
                # One unbuffered write each, so that lines of several processes do not mix.
                os.write(self._current(self._path), content)
        except OSError as error:
            lost = content.decode().rstrip()
            log.error("the audit log lacks this line (%s): %s", error.strerror, lost)  # noqa: TRY400 -- the reason says it all

    def close(self) -> None:
        """Close the file, if it is one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _current(self, path: Path) -> int:
        if self._file is None or not _is_same(path, self._file):
            fresh = _appending(path)
            self.close()
            self._file = fresh
        return self._file


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _is_same(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def note_counts(scope: Scope, **counts: int) -> None:
    """Note for the audit log how many documents a request changed."""
    scope["state"]["counts"] = counts


def note_token(scope: Scope, number: str) -> None:
    """Note for the audit log that a request made a token of this number."""
    scope["state"]["made_token"] = number


class Auditor:
    """Middleware that logs each call that needs the role write or admin, or that made a token.

    Refused and failed calls are logged too. A request that met no such route, or whose key is
    unknown, is counted in the metrics only.
    """

    def __init__(self, app: ASGIApp, log: AuditLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it once it is answered or has failed."""
        if scope["type"] != "http" or not self._log:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            state = scope["state"]
            is_change = state.get("role_needed") in (Role.WRITE, Role.ADMIN)
            if is_change or "made_token" in state:
                self._log.write(_line(scope, status_of(scope), time.perf_counter() - started))


def _line(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    state, caller = scope["state"], caller_of(scope)
    client = scope.get("client")
    made = state.get("made_token")
    return {
        "audit": state["role_needed"] if made is None else "token",
        "time": now(),
        "request_id": state["request_id"],
        "key": caller.name,
        "role": caller.role,
        **({} if caller.token is None else {"token": caller.token}),
        **({} if made is None else {"made_token": made}),
        "address": client[0] if client else None,
        "method": scope["method"],
        "route": state.get("route"),
        "collection": state.get("collection"),
        "status": status,
        "counts": state.get("counts", {}),
        "ms": round(1e3 * seconds, 1),
    }
