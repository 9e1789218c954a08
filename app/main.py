"""The service put together: routes, middleware, lifespan; and the process that runs it.

``uvicorn app.main:app`` works too; the app is then made from the environment on first use.
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.keys import KeyFile, Keyring, KeysBroken
from app.http.connections import BoundedProtocol
from app.http.problems import MEDIA_TYPE, add_problems
from app.logs import logging_config
from app.middleware.audit import AuditLog, Auditor
from app.middleware.head import Head
from app.middleware.metrics import Meter, Telemetry
from app.middleware.paths import Paths
from app.middleware.request_encoding import RequestEncoding
from app.middleware.security import (
    SAFE_METHODS,
    Envelope,
    Gate,
    HeadBounds,
    LoopbackGuard,
    OriginGuard,
    Throttle,
)
from app.middleware.tracing import Traced, open_provider
from app.routes import ROUTES, pages
from app.routing.requests import (
    COLLECTION_PREFIX,
    SECURITY_SCHEMES,
    DirectRoute,
    declare_collection,
)
from app.schemas.naming import PREFIX, with_short_names
from app.schemas.status import ProblemView
from app.serving.instruments import Instruments
from app.serving.service import OpenLibrary, Service
from app.serving.token_vocabulary import Vocabulary
from app.settings import Settings, load_settings
from indexer import installation
from indexer.errors import BearingError, Conflict, InvalidInput, StorageFailed
from indexer.library import Library

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SUMMARY = "Documents in, ranked answers out: embedding retrieval with exact cosine scores."
PROBLEM: Mapping[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{PREFIX}{ProblemView.__name__}"}}},
    }
}


class Api(FastAPI):
    """FastAPI whose OpenAPI document says which paths need a key, and how it is given."""

    needs_no_key: Collection[str] | None = None
    """The paths that may be read without a key; None if no path needs one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request without the framework's telemetry, which is off but checked first."""
        if scope["type"] != "http" or self.middleware_stack is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = self.openapi_schema = with_short_names(super().openapi())
            schemas = document["components"]["schemas"]
            schemas[ProblemView.__name__] = ProblemView.model_json_schema()
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    is_open = method.upper() in SAFE_METHODS and path in (self.needs_no_key or ())
                    if self.needs_no_key is None or is_open:
                        operation.pop("security", None)
            if self.needs_no_key is not None:
                document["components"]["securitySchemes"] = SECURITY_SCHEMES
        return self.openapi_schema or {}


def create_app(
    settings: Settings,
    open_library: OpenLibrary = Library,
    provider: TracerProvider | None = None,
) -> FastAPI:
    """The service for these settings; its library opens and closes with its lifespan.

    Raises InvalidInput if the file of keys holds none, StorageFailed if the audit log's cannot
    be written.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        with closing(audit_log):
            async with Service.opened(settings, open_library, instruments) as service:
                yield {
                    "service": service,
                    "telemetry": telemetry,
                    "keys": keys,
                    "vocabulary": vocabulary,
                    "started": int(time.time()),
                }
            if traces is not None:
                traces.shutdown()

    keys = open_keys(settings)
    audit_log = _open_audit_log(settings)
    traces = provider or open_provider()
    tracer = traces.get_tracer("bearing") if traces else None
    instruments = Instruments(tracer)
    telemetry = Telemetry(keys, instruments)
    path = settings.token_vocabulary
    vocabulary = Vocabulary.read(path) if path else None
    web = pages.WebPages()
    app = Api(
        title="Bearing",
        summary=SUMMARY,
        version=installation.version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        root_path_in_servers=False,
        middleware=_middleware(settings, web, telemetry, instruments, keys, audit_log),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.needs_no_key = pages.OPEN_PATHS if settings.is_guarded else None
    add_problems(app)
    app.router.routes += _routes()
    pages.add_pages(app, web)
    if tracer is not None:
        app.user_middleware.insert(1, Middleware(Traced, tracer=tracer))  # within the Envelope
    return app


def open_keys(settings: Settings) -> Keyring:
    """The keys of the environment and of the file; raises InvalidInput."""
    path = settings.api_keys_file
    try:
        return Keyring(settings.keys, KeyFile(path) if path else None)
    except KeysBroken as error:
        raise InvalidInput(f"BEARING_API_KEYS_FILE: {path}: {error}") from error
    except OSError as error:
        raise InvalidInput(f"BEARING_API_KEYS_FILE: {path}: {error.strerror}") from error


def _open_audit_log(settings: Settings) -> AuditLog:
    try:
        return AuditLog(settings.audit_log)
    except OSError as error:
        raise StorageFailed(f"BEARING_AUDIT_LOG: {error.filename}: {error.strerror}") from error


def _middleware(
    settings: Settings,
    web: pages.WebPages,
    telemetry: Telemetry,
    instruments: Instruments,
    keys: Keyring,
    audit_log: AuditLog,
) -> list[Middleware]:
    """The middleware before the routes, outermost first."""
    open_paths = web.paths | pages.OPEN_PATHS
    chain = [
        Middleware(Envelope),
        Middleware(Meter, telemetry=telemetry),
        Middleware(Auditor, log=audit_log),
        Middleware(HeadBounds, settings=settings),
    ]
    if settings.is_local:
        chain.append(Middleware(LoopbackGuard, host=settings.host))
    if settings.cors_origins:
        chain.append(Middleware(CORSMiddleware, **_cross_origin(settings)))
    if settings.is_guarded:
        chain.append(
            Middleware(Gate, keys=keys, open_paths=open_paths, token_secret=settings.token_key)
        )
    else:
        chain.append(Middleware(OriginGuard, origins=settings.cors_origins))
    refused = instruments.rate_refusals.inc
    chain.append(
        Middleware(Throttle, rate=settings.rate, open_paths=open_paths, on_refusal=refused)
    )
    return [*chain, Middleware(RequestEncoding), Middleware(Head), Middleware(Paths)]


def _cross_origin(settings: Settings) -> dict[str, Any]:
    """The settings of CORS for pages of the named origins; no cookies, as there are none.

    They may send any header: clients add their own (OpenAI's some of x-stainless-, tracing its
    traceparent, MCP its version), and no header lets a page that is allowed in do more.
    """
    return {
        "allow_origins": settings.cors_origins,
        "allow_methods": ("GET", "HEAD", "POST", "PUT", "DELETE"),
        "allow_headers": ("*",),
        "expose_headers": (
            "X-Request-ID",
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "Mcp-Session-Id",
            "X-Ignored-Fields",
            "X-Ranked-By",
            "X-Truncated",
        ),
        "max_age": 600,
    }


@cache
def _routes() -> Sequence[BaseRoute]:
    """The routes of all services of this process.

    The framework works out what a route takes when it first looks for one, in about 0.1 s for all,
    and keeps it there: it depends on no setting.
    """
    router = APIRouter()
    named = [Depends(declare_collection)]
    for resource in ROUTES:
        given: dict[str, Any] = {"responses": dict(PROBLEM) if resource.has_problems else None}
        name_of = resource.names(of_default=resource.by_collection)
        _include(router, resource.router, "", generate_unique_id_function=name_of, **given)
        if resource.by_collection:
            given |= {"dependencies": named, "generate_unique_id_function": resource.names()}
            _include(router, resource.router, COLLECTION_PREFIX, **given)
    return tuple(router.routes)


def _include(all_routes: APIRouter, router: APIRouter, prefix: str, **given: Any) -> None:  # noqa: ANN401
    """Serve a router's routes below a prefix; those that are direct, by the app itself."""
    direct = [route for route in router.routes if isinstance(route, DirectRoute)]
    if len(direct) == len(router.routes):
        all_routes.routes += [route.under(prefix, **given) for route in direct]
    else:
        all_routes.include_router(router, prefix=prefix, **given)


class Launch:
    """The app in a process of its own.

    One of our errors that prevents the start is kept, and not logged as a fault. Once the app has
    started, the garbage collector skips what exists by then: scanning those 100,000 objects again
    and again would keep requests waiting.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: BearingError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, except the traceback of such an error."""

        async def send_kept(message: Message) -> None:
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, BearingError):
                self.failure = error
                message = {"type": message["type"]}
            if message["type"] == "lifespan.startup.complete":
                gc.freeze()  # without a collection, which would take 0.1 s and find hardly anything
            await send(message)

        await self._app(scope, receive, send_kept if scope["type"] == "lifespan" else send)


class Server(uvicorn.Server):
    """A server that tells when it is ready to answer."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the service, then listen."""
        await super().startup(sockets)
        self._on_ready()


def bind(host: str, port: int, tries: int = 1) -> socket.socket:
    """The first free port, of this many from the wished one on, as a socket; raises Conflict.

    It is bound but does not listen yet, so that no client waits for a service not yet ready.
    """
    for candidate in range(port, min(port + tries, 65_536)):
        try:
            return _bound(host.strip("[]"), candidate)
        except OSError as error:
            refusal = error
    raise Conflict(
        f"cannot listen on {host}, port {port}: {refusal.strerror}; "
        "choose others with --host and --port, or BEARING_HOST and BEARING_PORT"
    ) from refusal


def _bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    settings: Settings, listener: socket.socket, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Run the service until SIGINT or SIGTERM; requests already accepted are answered first.

    Raises the library's error if the data or the model cannot be opened.
    """
    launch = Launch(create_app(settings))
    try:
        Server(uvicorn_config(launch, settings), on_ready).run(sockets=[listener])
    except SystemExit as end:
        # uvicorn's own code for this is 3, which says here that inputs were rejected.
        raise launch.failure or SystemExit(1) from end


def uvicorn_config(app: ASGIApp | str, settings: Settings) -> uvicorn.Config:
    """The settings of the server; the app, or the place where a worker process imports it from."""
    protocol = partial(
        BoundedProtocol,
        head_seconds=settings.head_seconds,
        max_head_bytes=settings.max_head_bytes,
        max_connections=settings.max_connections,
    )
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        loop="uvloop",
        http=protocol,  # type: ignore[arg-type] # a factory does as well as the class
        log_config=logging_config(settings),
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
