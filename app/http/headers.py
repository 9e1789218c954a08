"""What the head of a request says, as every request is asked several times."""

from __future__ import annotations

from starlette.types import Scope


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, which is given in lower case; None if there is none.

    Read from the server's own list: to make a mapping of it takes longer than to look once.
    """
    for given, value in scope["headers"]:
        if given == name:
            text: str = value.decode("latin-1")
            return text
    return None
