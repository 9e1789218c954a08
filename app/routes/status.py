"""Health: liveness and readiness of the process, and its metrics."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from app.middleware.metrics import MEDIA_TYPE
from app.routing.requests import GuardedRoute, ServiceNeeded
from app.schemas.status import StatusView
from indexer.reports import Description

router = APIRouter(tags=["health"], route_class=GuardedRoute)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model_exclude_none=True)
async def check_health() -> StatusView:
    """The process is alive."""
    return StatusView(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model_exclude_none=True)
async def check_readiness(service: ServiceNeeded) -> StatusView:
    """Collections and models are open, and a database, where one is used, answers.

    The port is not open before that. 503 if no part of the database can be reached.
    """
    # on a thread of its own, since searches that wait say nothing of the database
    database = await anyio.to_thread.run_sync(service.library.availability)
    return StatusView(status="ready", database=database)


@router.get("/metrics", response_class=Response)
async def show_metrics(request: Request, service: ServiceNeeded) -> Response:
    """Counts, times and sizes, in Prometheus' text format."""
    found = await service.reads.run(service.describe_all)
    descriptions = [one for one in found if isinstance(one, Description)]
    telemetry = request.state.telemetry
    telemetry.note(service.load)
    return Response(telemetry.render(descriptions), media_type=MEDIA_TYPE)
