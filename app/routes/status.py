"""Health: liveness and readiness of the process, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.middleware.metrics import MEDIA_TYPE
from app.routing.requests import GuardedRoute, ServiceNeeded
from app.schemas.status import StatusView
from indexer.reports import Description

router = APIRouter(tags=["health"], route_class=GuardedRoute)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def check_health() -> StatusView:
    """The process is alive."""
    return StatusView(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz")
async def check_readiness(_: ServiceNeeded) -> StatusView:
    """Collections and models are open; the port is not open before that."""
    return StatusView(status="ready")


@router.get("/metrics", response_class=Response)
async def show_metrics(request: Request, service: ServiceNeeded) -> Response:
    """Counts, times and sizes, in Prometheus' text format."""
    found = await service.reads.run(service.describe_all)
    descriptions = [one for one in found if isinstance(one, Description)]
    content = request.state.telemetry.render(descriptions)
    return Response(content, media_type=MEDIA_TYPE)
