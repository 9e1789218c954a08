"""How a request reaches a route: a bounded body, strict JSON, and the service it is for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Path, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.problems import Problem
from app.service import Service
from indexer.config import DEFAULT_COLLECTION
from indexer.errors import InvalidInput, Unreadable
from indexer.readers.records import check_exact

T = TypeVar("T")


def service_of(request: Request) -> Service:
    """The service that the lifespan opened."""
    service: Service = request.state.service
    return service


ServiceNeeded = Annotated[Service, Depends(service_of)]


def declare_collection(collection: Annotated[str, Path(description="A collection.")]) -> None:
    """Put the path parameter of ``/collections/{collection}/...`` into the OpenAPI document."""


def collection_name(request: Request) -> str:
    """The collection in the path; ``default`` for routes without one."""
    name: str = request.path_params.get("collection", DEFAULT_COLLECTION)
    return name


CollectionName = Annotated[str, Depends(collection_name)]


class BoundedRequest(Request):
    """A request whose body is at most ``max_body_bytes`` long and whose JSON is strict.

    Strict: no NaN or infinity, no lone surrogates, valid UTF-8, no bottomless nesting, no field
    twice, no integer that would be rounded.
    """

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces; raises HTTPException (413) as soon as it is known to be too long."""
        limit = service_of(self).settings.max_body_bytes
        self._refuse_over(limit, int(self.headers.get("content-length", 0)))
        length = 0
        async for piece in super().stream():
            length += len(piece)
            self._refuse_over(limit, length)
            yield piece

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
                # What is left of the body would be read as the next request.
                headers={"connection": "close"},
            )


class BoundedRoute(APIRoute):
    """A route whose requests are BoundedRequests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given bounded requests."""
        answer = super().get_route_handler()

        async def answer_bounded(request: Request) -> Response:
            self._refuse_unread(request)
            return await answer(BoundedRequest(request.scope, request.receive))

        return answer_bounded

    def _refuse_unread(self, request: Request) -> None:
        """Refuse what the route would not look at: parameters, or a body in another format."""
        if request.query_params and not self.dependant.query_params:
            name = next(iter(request.query_params))[:80]
            raise InvalidInput(f"query parameter {name!r} is unknown: this route takes none")
        if self.body_field and _has_body(request) and not _is_json(request):
            given = request.headers.get("content-type", "none")[:80]
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"content-type: {given}; this route takes 'Content-Type: application/json'",
            )


def _has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns; it is cancelled, and ClientDisconnect raised, if the client leaves.

    To be awaited after the body was read: nothing but the client's leaving can be received then.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_leave(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()


async def _leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
