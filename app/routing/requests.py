"""A request's way to its route: a key with the role, a bounded body, strict JSON, the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import Depends, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.roles import Role
from app.http.headers import header_of
from app.http.problems import Problem
from app.middleware.security import SAFE_METHODS, caller_of
from app.routing.reach import reach_of
from app.serving.service import Service
from indexer.errors import InvalidInput, Unreadable
from indexer.library import DEFAULT_COLLECTION
from indexer.readers.records import check_exact

T = TypeVar("T")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

SECURITY_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""The ways to give a key, for the OpenAPI document."""

COLLECTION_PREFIX: Final = "/collections/{collection}"

LOOK_SECONDS: Final = 0.02
"""Work that takes less is not stopped when its client leaves: looking would cost more."""

_ROLE: Final = "__role_needed__"


# Dependencies are coroutines: the framework would send plain functions to a thread each.


async def service_of(request: Request) -> Service:
    """The service that the lifespan opened, within the bounds of the caller."""
    service: Service = request.state.service
    return service.within(caller_of(request.scope).bounds)


ServiceNeeded = Annotated[Service, Depends(service_of)]


async def declare_collection(collection: Annotated[str, Path(description="A collection.")]) -> None:
    """Declare the path parameter of ``/collections/{collection}/...`` in the OpenAPI document."""


async def collection_name(request: Request) -> str:
    """The collection in the path; ``default`` for routes without one."""
    name: str = request.path_params.get("collection", DEFAULT_COLLECTION)
    return name


CollectionName = Annotated[str, Depends(collection_name)]


def needs(role: Role) -> Callable[[Endpoint], Endpoint]:
    """Decorate an endpoint: only keys of this role or a higher one may call it.

    Without it, methods that change nothing need ``search``, and others ``admin``.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ROLE, role)
        return endpoint

    return mark


class GuardedRoute(APIRoute):
    """A route for keys of a role, which is checked before the body is read."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:  # noqa: ANN401 -- the framework's
        extra = given.pop("openapi_extra", None) or {}
        role = _role_needed(endpoint, given.get("methods"))
        security = [{scheme: [role.value]} for scheme in SECURITY_SCHEMES]
        super().__init__(path, endpoint, openapi_extra={"security": security} | extra, **given)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the check of the role."""
        answer = self.unguarded_handler()
        role = _role_needed(self.endpoint, self.methods)
        reach = reach_of(self.endpoint)
        has_collection = any(one.call is collection_name for one in self.dependant.dependencies)
        usual = DEFAULT_COLLECTION if has_collection else None

        async def answer_guarded(request: Request) -> Response:
            request.scope["state"] |= {
                "role_needed": role,
                "route": _template(request),
                "collection": request.path_params.get("collection", usual),
            }
            caller = caller_of(request.scope)
            if not caller.role.covers(role):
                raise Problem(
                    HTTPStatus.FORBIDDEN,
                    f"the key {caller.name!r} may {caller.role}; this route needs a key that may "
                    f"{role}",
                )
            if not reach.admits(caller.bounds):
                raise Problem(
                    HTTPStatus.FORBIDDEN,
                    f"the key {caller.name!r} is bound to a part of what is kept here; this route "
                    "answers from all of it",
                )
            return await answer(request)

        return answer_guarded

    def unguarded_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler for callers that have the role."""
        return super().get_route_handler()


def _template(request: Request) -> str:
    """The pattern of a request's path, with the prefix its router was included under."""
    pattern: str = request.scope["route"].path
    if "collection" in request.path_params and "{collection}" not in pattern:
        return COLLECTION_PREFIX + pattern
    return pattern


def _role_needed(endpoint: Callable[..., Any], methods: Iterable[str] | None) -> Role:
    changes = not SAFE_METHODS.issuperset(methods or {"GET"})
    role: Role = getattr(endpoint, _ROLE, Role.ADMIN if changes else Role.SEARCH)
    return role


class BoundedRequest(Request):
    """A request whose body is at most ``max_body_bytes`` long and whose JSON is strict.

    Strict: no NaN or infinity, no lone surrogates, valid UTF-8, bounded nesting, no duplicate
    field, no integer that would be rounded.
    """

    async def body(self) -> bytes:
        """The whole body.

        Raises HTTPException as soon as it is known to be too long (413), or takes too long (408).
        """
        if not hasattr(self, "_body"):
            seconds = self.state.service.settings.body_seconds
            try:
                async with asyncio.timeout(seconds):
                    self._body = await self._read()
            except TimeoutError as error:
                raise _too_slow(seconds) from error
        return self._body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces; it is first read whole."""
        await self.body()
        async for piece in super().stream():
            yield piece

    async def _read(self) -> bytes:
        limit = self.state.service.settings.max_body_bytes
        told = self.headers.get("content-length", "0")
        if len(told) > 20 or not (told.isascii() and told.isdigit()):
            raise HTTPException(
                HTTPStatus.BAD_REQUEST,
                f"content-length: {told[:40]!r} is not a number of bytes",
                headers={"connection": "close"},
            )
        self._refuse_over(limit, int(told))
        length, pieces, more = 0, [], True
        while more:  # not by the framework's generator, which costs as much again
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece: bytes = message.get("body", b"")
            length += len(piece)
            self._refuse_over(limit, length)
            pieces.append(piece)
            more = message.get("more_body", False)
        _require_announced(self, length)
        return b"".join(pieces)

    async def json(self) -> Any:  # noqa: ANN401 -- the framework's signature
        """The body as JSON; orjson's error is the standard library's, as the framework expects."""
        body = await self.body()
        value = orjson.loads(body)
        try:
            check_exact(body, value)
        except Unreadable as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"body: {error}") from error
        return value

    def _refuse_over(self, limit: int, length: int) -> None:
        if length > limit:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body has {length} bytes or more, at most {limit} are allowed "
                "(BEARING_MAX_BODY_BYTES); documents/import takes a body of any length",
                # Else the rest of the body would be read as the next request.
                headers={"connection": "close"},
            )


async def pieces_before(request: Request, seconds: float) -> AsyncGenerator[bytes, None]:
    """The pieces of a body, read as they come.

    Raises HTTPException if one does not come within this time (408), or if the body is not as long
    as announced (400).
    """
    body, length = request.stream(), 0
    while True:
        try:
            async with asyncio.timeout(seconds):
                piece = await anext(body)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise _too_slow(seconds) from error
        length += len(piece)
        yield piece
    _require_announced(request, length)


def _require_announced(request: Request, length: int) -> None:
    """Raise HTTPException (400) if a body is not as long as announced.

    A server may drop the body behind an offer of another protocol, as uvicorn's own does, and
    that must not pass for an empty one. Chunks announce no length, but hardly an empty body with
    such an offer.
    """
    told = request.headers.get("content-length")
    is_offer = "transfer-encoding" in request.headers and "upgrade" in request.headers
    is_lost = is_offer and not length
    if is_lost or told not in (None, str(length)):
        raise HTTPException(
            HTTPStatus.BAD_REQUEST,
            f"a body was announced ({told or 'in chunks'}), but {length} bytes of it arrived",
            headers={"connection": "close"},
        )


def _too_slow(seconds: float) -> HTTPException:
    return HTTPException(
        HTTPStatus.REQUEST_TIMEOUT,
        f"the body did not come within {seconds} s (BEARING_BODY_SECONDS)",
        headers={"connection": "close"},
    )


class BoundedRoute(GuardedRoute):
    """A guarded route whose requests are BoundedRequests."""

    def unguarded_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given bounded requests."""
        answer = super().unguarded_handler()

        async def answer_bounded(request: Request) -> Response:
            self._refuse_unread(request)
            return await answer(BoundedRequest(request.scope, request.receive))

        return answer_bounded

    def _refuse_unread(self, request: Request) -> None:
        """Refuse what the route would ignore: parameters, or a body in another format."""
        if request.scope["query_string"] and not self.dependant.query_params:
            name = next(iter(request.query_params), None)
            if name is not None:
                raise InvalidInput(
                    f"query parameter {name[:80]!r} is unknown: this route takes none"
                )
        given = header_of(request.scope, b"content-type") or ""
        if self.body_field and not _is_json(given) and _has_body(request.scope):
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"content-type: {given[:80] or 'none'}; this route takes "
                "'Content-Type: application/json'",
            )


class DirectRoute(BoundedRoute):
    """A bounded route whose endpoint takes a body, and answers with a response of its own.

    The framework reads the endpoint's signature for the OpenAPI document, but does not solve its
    dependencies for each request, since that takes longer than a search. So whatever else the
    endpoint takes must come from the request alone.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:  # noqa: ANN401 -- the framework's
        super().__init__(path, endpoint, **given)
        self._given = given
        self.app = _answering(self.get_route_handler())

    def under(self, prefix: str, **more: Any) -> DirectRoute:  # noqa: ANN401 -- the framework's
        """The same route for an app itself: a router's are looked up twice for each request."""
        return DirectRoute(prefix + self.path, self.endpoint, **self._given | more)

    def unguarded_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given bounded requests, which it reads itself."""
        endpoint, dependant, field = self.endpoint, self.dependant, self.body_field
        assert field is not None
        model: Any = field.field_info.annotation
        needed: list[tuple[str, Any]] = [
            (one.name, one.call) for one in dependant.dependencies if one.name
        ]

        async def answer_directly(given: Request) -> Response:
            self._refuse_unread(given)
            request = BoundedRequest(given.scope, given.receive)
            taken: dict[str, Any] = {field.name: await _read_body(request, model)}
            taken |= {name: await call(request) for name, call in needed}
            if dependant.request_param_name:
                taken[dependant.request_param_name] = request
            response: Response = await endpoint(**taken)
            return response

        return answer_directly


def _answering(answer: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """An app that sends the answer; the app around it answers what it raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


async def _read_body(request: BoundedRequest, model: type[BaseModel]) -> BaseModel:
    """The body as the endpoint's model; raises RequestValidationError, as the framework would."""
    if not await request.body():
        raise RequestValidationError(
            [{"type": "missing", "loc": ("body",), "msg": "Field required"}]
        )
    try:
        return model.model_validate(await request.json(), from_attributes=True)
    except json.JSONDecodeError as error:
        place, context = ("body", error.pos), {"error": error.msg}
        fault = {"type": "json_invalid", "loc": place, "ctx": context}
        raise RequestValidationError([fault]) from error
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in faults]
        ) from error


def _has_body(scope: Scope) -> bool:
    length = header_of(scope, b"content-length")
    return length not in (None, "0") or header_of(scope, b"transfer-encoding") is not None


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    is_other_json = media_type.startswith("application/") and media_type.endswith("+json")
    return media_type == "application/json" or is_other_json


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled with ClientDisconnect raised if the client leaves.

    To be awaited after the body was read: the client's leaving is then all that can be received.
    It is looked for once the work has taken LOOK_SECONDS.
    """
    own = asyncio.current_task()
    assert own is not None
    leaving = _Leaving(request, own)
    look = asyncio.get_running_loop().call_later(LOOK_SECONDS, leaving.watch)
    try:
        return await work
    except asyncio.CancelledError as error:
        if leaving.has_happened and not own.uncancel():
            raise ClientDisconnect from error
        raise
    finally:
        look.cancel()
        leaving.ignore()


class _Leaving:
    """The client's leaving, which cancels the task that works for it."""

    def __init__(self, request: Request, waiting: asyncio.Task[Any]) -> None:
        self._request = request
        self._waiting = waiting
        self._watching: asyncio.Task[None] | None = None

    @property
    def has_happened(self) -> bool:
        """Return whether it was seen that the client left."""
        watching = self._watching
        return watching is not None and watching.done() and not watching.cancelled()

    def watch(self) -> None:
        """Look out for it from now on."""
        self._watching = asyncio.create_task(self._cancel_on_leave())

    def ignore(self) -> None:
        """Look out for it no longer."""
        if self._watching is not None:
            self._watching.cancel()

    async def _cancel_on_leave(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._waiting.cancel()
