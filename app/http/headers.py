"""The headers of a request, which are read several times for every request."""

from __future__ import annotations

from starlette.types import Scope


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, given in lower case; None if there is none.

    Read from the server's own list: building a mapping takes longer than looking once.
    """
    for given, value in scope["headers"]:
        if given == name:
            text: str = value.decode("latin-1")
            return text
    return None
