"""Problems, callers and the service's state, as they travel."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.access.roles import Role
from app.schemas.base import Returned


class ProblemView(Returned):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None


class CallerView(Returned):
    """Whose key asks, and what it may do."""

    name: str
    role: Role
    guarded: bool = Field(description="Whether a key is needed here.")


class StatusView(Returned):
    """How the service is."""

    status: Literal["ok", "ready"]
