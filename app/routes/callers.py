"""The caller's key: its name and role, so that a program offers only what is allowed."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.access.keys import moment_text
from app.middleware.security import caller_of
from app.routing.requests import BoundedRoute, ServiceNeeded
from app.schemas.status import CallerView
from app.settings import Collected

router = APIRouter(tags=["callers"], route_class=BoundedRoute)


@router.get("/whoami", response_model_exclude_none=True)
async def describe_caller(service: ServiceNeeded, request: Request) -> CallerView:
    """The caller's key: its name, its role and its bounds; without keys, anyone is `admin`."""
    caller = caller_of(request.scope)
    settings, bounds = service.settings, caller.bounds
    return CallerView(
        name=caller.name,
        role=caller.role,
        collections=None if bounds.collections is None else sorted(bounds.collections),
        filtered=None if bounds.condition is None else True,
        expires=None if caller.expires is None else moment_text(caller.expires),
        token=caller.token,
        guarded=settings.is_guarded,
        feedback=settings.feedback is not Collected.OFF,
    )
