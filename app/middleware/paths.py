"""Paths that begin with two slashes, as when a client joins a path to a base URL ending in one."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Paths:
    """Treats ``//v1/embeddings`` as ``/v1/embeddings``.

    It stands behind the guards, which know no path with two slashes, so it opens none of them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with a single slash before its path."""
        path = scope.get("path", "")
        if path.startswith("//") and path.strip("/"):
            raw = scope.get("raw_path") or b""
            single = {"path": "/" + path.lstrip("/"), "raw_path": b"/" + raw.lstrip(b"/")}
            scope = {**scope, **single}
        await self.app(scope, receive, send)
