"""Problems, callers and the service's state, as sent over HTTP."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.access.roles import Role
from app.schemas.base import Returned
from indexer.engine import Availability


class ProblemView(Returned):
    """An error, as a problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None


class CallerView(Returned):
    """The name and role of the caller's key."""

    name: str
    role: Role
    guarded: bool = Field(description="Whether a key is needed here.")
    collections: list[str] | None = Field(
        None, description="The collections that the key may use; null for all."
    )
    filtered: bool | None = Field(
        None, description="True for a key that sees only the documents that pass a filter."
    )
    expires: str | None = Field(None, description="When the key ends; null if it does not.")
    token: str | None = Field(None, description="The number of the token, if it is one.")
    feedback: bool = Field(False, description="Whether judgements on hits are taken here.")


class StatusView(Returned):
    """The state of the service, and of the database that keeps its collections, if one does."""

    status: Literal["ok", "ready"]
    database: Availability | None = None
