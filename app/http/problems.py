"""Every error as a problem document (RFC 9457): what was given, what is allowed, what to do."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app.http.foreign_errors import dialect_of
from app.serving.batching import Overloaded
from indexer import errors

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:bearing:problem:"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CLIENT_CLOSED_REQUEST: Final = 499
"""The status nginx logs for a client that left; no one is there to receive it."""

Errors: TypeAlias = Sequence[Mapping[str, object]]

STATUSES: Final[Mapping[type[Exception], int]] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Unreadable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Gone: HTTPStatus.GONE,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.ModelError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.MissingExtra: HTTPStatus.NOT_IMPLEMENTED,
    errors.Damaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.StorageFailed: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.Unsupported: HTTPStatus.NOT_IMPLEMENTED,
    errors.EngineUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Refused: HTTPStatus.BAD_GATEWAY,
    errors.TimedOut: HTTPStatus.GATEWAY_TIMEOUT,
    errors.BearingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of each library error, looked up along its ancestors, nearest first."""


class Problem(Exception):
    """A refusal that the service itself decides on."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Errors = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.errors = errors
        self.headers = headers


def status_of(error: Exception) -> int:
    """The HTTP status of a library error: that of its nearest ancestor in STATUSES."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem_document(
    scope: Scope, status: int, detail: str, *, type_: str = "about:blank", errors: Errors = ()
) -> dict[str, object]:
    """The members of a problem; ``about:blank`` means that the status says everything."""
    document: dict[str, object] = {
        "type": type_,
        "title": _title(status),
        "status": int(status),
        "detail": detail,
        "instance": scope["path"],
        "request_id": scope.get("state", {}).get("request_id"),
    }
    return document | ({"errors": list(errors)} if errors else {})


def describe(scope: Scope, error: Exception) -> dict[str, object]:
    """The problem document of a library error."""
    status = status_of(error)
    return problem_document(scope, status, str(error), type_=URN + _kebab(type(error).__name__))


def fault_document(scope: Scope) -> dict[str, object]:
    """The problem document of a fault in the service; it reveals nothing internal."""
    request_id = scope["state"]["request_id"]
    detail = f"a fault in the service, not in the request; its log tells more under {request_id}"
    return problem_document(scope, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


class ProblemResponse(Response):
    """A problem document; on the routes of a tool, in the shape that the tool knows."""

    def __init__(self, document: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        # A path or an input may hold lone surrogates, which orjson refuses.
        self._document = _encodable(document)
        super().__init__(
            orjson.dumps(self._document), document["status"], headers, media_type=MEDIA_TYPE
        )
        self._given = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the problem; the route, and so its shape, is known only here."""
        dialect = dialect_of(scope)
        if dialect is None:
            await super().__call__(scope, receive, send)
            return
        reply = dialect(self._document)
        content = None if reply.body is None else orjson.dumps(reply.body)
        response = Response(content, reply.status, self._given, media_type="application/json")
        await response(scope, receive, send)


def respond(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem document as a response."""
    return ProblemResponse(document, headers or {})


def add_problems(app: FastAPI) -> None:
    """Make every error of a route a problem document, except faults (app.middleware.security)."""
    for kind in (errors.BearingError, Overloaded):
        app.add_exception_handler(kind, _answer_library_error)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


async def _answer_library_error(request: Request, error: Exception) -> Response:
    headers = {}
    if isinstance(error, Overloaded):
        headers["retry-after"] = str(error.retry_after_seconds)
    document = describe(request.scope, error)
    if document["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request %s failed", document["request_id"], exc_info=error)
    return respond(document, headers)


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    document = problem_document(request.scope, error.status, str(error), errors=error.errors)
    return respond(document, error.headers)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names the methods of one route, and several may share a path.
        headers["allow"] = ", ".join(_allowed(request))
    if detail == _title(error.status_code):
        detail = _explain(request, error, headers)
    return respond(problem_document(request.scope, error.status_code, detail), headers)


def _allowed(request: Request) -> list[str]:
    """The methods of the routes at this path; HEAD is included where GET is."""
    routes = request.app.router.routes

    def is_there(method: str) -> bool:
        routed = "GET" if method == "HEAD" else method
        asked = {"type": "http", "method": routed, "headers": []}
        asked |= {name: request.scope[name] for name in ("path", "root_path")}
        return any(route.matches(dict(asked))[0] is Match.FULL for route in routes)

    return [method for method in METHODS if is_there(method)]


def _explain(request: Request, error: HTTPException, headers: Mapping[str, str]) -> str:
    """The framework's own refusal, as a detail that says what was given and what to do."""
    given = f"{request.method} {request.url.path}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        return f"{given}: no such route; the routes are listed at /docs"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{given}: method not allowed; allowed are {headers['allow']}"
    return f"{given}: {error.detail}"


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    complaints = [_complaint(each) for each in error.errors()]
    unparsable = any(each["type"] == "json_invalid" for each in error.errors())
    status = HTTPStatus.BAD_REQUEST if unparsable else HTTPStatus.UNPROCESSABLE_ENTITY
    first = complaints[0]
    detail = f"{first['location']}: {first['allowed']}; got {first['given']}"
    if len(complaints) > 1:
        detail += f" (and {len(complaints) - 1} more)"
    document = problem_document(
        request.scope, status, detail, type_=URN + "invalid-request", errors=complaints[:100]
    )
    return respond(document)


def _complaint(error: Mapping[str, Any]) -> dict[str, object]:
    if error["type"] == "json_invalid":
        place = f"body, character {error['loc'][-1]}"
        return {
            "location": place,
            "given": "text that is not JSON",
            "allowed": f"JSON as in RFC 8259 ({error['ctx']['error']})",
        }
    given = "nothing" if error["type"] == "missing" else shown(error.get("input"))
    allowed = error["msg"].removeprefix("Value error, ")
    return {"location": _location(error["loc"]), "given": given, "allowed": allowed}


def _location(parts: Iterable[object]) -> str:
    """``("body", "a", 0, "<id>", "id")`` as ``body.a[0].id``: without the names of alternatives."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not str(part).startswith("<"):
            text += f".{part}"
    return text.removeprefix(".")


async def _answer_nobody(_: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def shown(value: object) -> str:
    """A value in at most about a hundred characters, however large or deep it is."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = 80
    brief.maxlevel = 3
    return brief.repr(value)[:160]


def _encodable(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {key: _encodable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    return value


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).removeprefix("-")
