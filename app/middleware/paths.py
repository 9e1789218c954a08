"""Paths that begin with two slashes, as of clients that join a base URL that ends with one."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Paths:
    """Takes ``//v1/embeddings`` for ``/v1/embeddings``.

    It stands behind the guards, which know no such path: so none is open by it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with one slash in front of its path."""
        path = scope.get("path", "")
        if path.startswith("//") and path.strip("/"):
            raw = scope.get("raw_path") or b""
            single = {"path": "/" + path.lstrip("/"), "raw_path": b"/" + raw.lstrip(b"/")}
            scope = {**scope, **single}
        await self.app(scope, receive, send)
