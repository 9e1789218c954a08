"""The route of the Model Context Protocol, by which assistants search."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from app.access.roles import Role
from app.routing.requests import GuardedRoute, ServiceNeeded, needs
from indexer.errors import MissingExtra

router = APIRouter(route_class=GuardedRoute)


@router.post("/mcp", include_in_schema=False)
@needs(Role.SEARCH)
async def answer_assistant(service: ServiceNeeded) -> Response:
    """A request of the protocol (streamable HTTP), which describes its tools itself."""
    try:
        from app.mcp import Handover
    except ModuleNotFoundError as error:
        raise MissingExtra("mcp", "mcp") from error
    return Handover(service)
