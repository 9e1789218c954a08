"""Short-lived tokens, as sent over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from app.access.roles import Role
from app.access.tokens import MOST_MINUTES, Grant
from app.schemas.base import Given, Returned


class TokenBody(Given):
    """The rights of a new token: at most those of the key that asks for it."""

    minutes: float = Field(
        15, gt=0, le=MOST_MINUTES, description="How long it is good for, or until its key ends."
    )
    role: Annotated[Role, Field(strict=False)] = Role.SEARCH
    collections: list[str] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="The only ones it may use; its key's if null.",
    )
    filter: dict[str, Any] | None = Field(
        None, description="Only documents that pass; the key's own filter holds as well."
    )
    rate: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Requests that it may make, such as `5/second`; they count for its key, too.",
    )

    def to_grant(self) -> Grant:
        """The rights asked for."""
        names = None if self.collections is None else tuple(self.collections)
        return Grant(self.minutes, self.role, names, self.filter, self.rate)


class TokenView(Returned):
    """A token. It is shown once, and kept nowhere."""

    token: str
    number: str = Field(description="What the audit log calls it.")
    role: Role
    expires: str
