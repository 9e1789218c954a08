"""Health: whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter

from app.requests import ServiceNeeded
from app.schemas import StatusView

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def check_health() -> StatusView:
    """The process lives."""
    return StatusView(status="ok")


@router.get("/readyz")
async def check_readiness(_: ServiceNeeded) -> StatusView:
    """Collections are open and models warm; the port is not even open before."""
    return StatusView(status="ready")
