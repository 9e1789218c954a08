"""The caller's key: its name and role, so that a program offers only what is allowed."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.middleware.security import caller_of
from app.routing.requests import BoundedRoute, ServiceNeeded
from app.schemas.status import CallerView
from app.settings import Collected

router = APIRouter(tags=["callers"], route_class=BoundedRoute)


@router.get("/whoami")
async def describe_caller(service: ServiceNeeded, request: Request) -> CallerView:
    """The name and the role of the caller's key; without keys, anyone is `admin`."""
    caller = caller_of(request.scope)
    settings = service.settings
    return CallerView(
        name=caller.name,
        role=caller.role,
        guarded=settings.is_guarded,
        feedback=settings.feedback is not Collected.OFF,
    )
