"""Other names of collections, as sent over HTTP."""

from __future__ import annotations

from pydantic import Field

from app.schemas.base import Given, Returned


class AliasBody(Given):
    """The collection that an alias is to name."""

    collection: str


class AliasView(Returned):
    """An alias, and the collection that it names."""

    name: str
    collection: str


class PointedView(AliasView):
    """An alias as it is now, and the collection that it named before."""

    before: str | None = Field(description="Null if the alias is new.")


class AliasesView(Returned):
    """All aliases, sorted by name."""

    aliases: list[AliasView]
