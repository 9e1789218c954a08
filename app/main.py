"""The service put together: routes, middleware, lifespan; and the process that runs it.

``uvicorn app.main:app`` works too; the app is then made from the environment on first use.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from app.problems import MEDIA_TYPE, add_problems
from app.requests import declare_collection
from app.routes import admin, collections, documents, imports, pages, search, status
from app.schemas import ProblemView
from app.security import Envelope, Gate, Keys, LoopbackGuard
from app.service import OpenLibrary, Service
from app.settings import Settings, load_settings
from indexer.config import Library

SUMMARY = "Documents in, ranked answers out: embedding retrieval with exact cosine scores."
PROBLEM: Mapping[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": ProblemView.model_json_schema()}},
    }
}


def create_app(settings: Settings, open_library: OpenLibrary = Library) -> FastAPI:
    """The service for these settings; its library opens and closes with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Service]]:
        async with Service.opened(settings, open_library) as service:
            yield {"service": service}

    web = pages.WebPages()
    app = FastAPI(
        title="Bearing",
        summary=SUMMARY,
        version=importlib.metadata.version("bearing"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        root_path_in_servers=False,
        middleware=_middleware(settings, web),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    add_problems(app)
    _add_routes(app, web)
    return app


def _middleware(settings: Settings, web: pages.WebPages) -> list[Middleware]:
    """What a request passes before its route, outermost first."""
    chain = [Middleware(Envelope)]
    if settings.is_local:
        chain.append(Middleware(LoopbackGuard, host=settings.host))
    if settings.is_guarded:
        keys = Keys(key.get_secret_value() for key in settings.api_keys)
        chain.append(Middleware(Gate, keys=keys, open_paths=web.paths | pages.OPEN_PATHS))
    return chain


def _add_routes(app: FastAPI, web: pages.WebPages) -> None:
    for router in (search.router, imports.router, documents.router):
        named = [Depends(declare_collection)]
        prefix = "/collections/{collection}"
        app.include_router(router, prefix=prefix, dependencies=named, responses=dict(PROBLEM))
        app.include_router(router, responses=dict(PROBLEM))
    for router in (collections.router, admin.router, status.router):
        app.include_router(router, responses=dict(PROBLEM))
    pages.add_pages(app, web)


def serve(settings: Settings) -> None:
    """Run the service until SIGINT or SIGTERM; what was accepted is answered first."""
    uvicorn.Server(uvicorn_config(create_app(settings), settings)).run()


def uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the server listens and stops."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level=settings.log_level.value,
        access_log=settings.log_level == "debug",
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )


def __getattr__(name: str) -> object:
    if name == "app":
        return create_app(load_settings())
    raise AttributeError(name)
