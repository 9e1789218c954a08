"""Traces by OpenTelemetry: a span for each request, and within it one for each stage of its work.

Off, with its libraries not loaded, unless the standard variables ask for it. No span carries a
text: neither a query's nor a document's nor an error's, which may quote one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware.security import status_of
from indexer.errors import InvalidInput
from indexer.installation import how_to_add

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def open_provider(environment: Mapping[str, str] = os.environ) -> TracerProvider | None:
    """The tracer provider that OpenTelemetry's variables ask for; None if they ask for none.

    Raises InvalidInput for an exporter other than otlp (over HTTP), console and none, and if the
    extra ``telemetry`` is not installed.
    """
    usual = "otlp" if any(environment.get(name) for name in ENDPOINTS) else "none"
    exporter = environment.get(EXPORTER) or usual
    if exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter not in ("otlp", "console"):
        raise InvalidInput(f"{EXPORTER}: {exporter[:80]!r}; give otlp, console or none")
    try:
        return _open(exporter, environment.get("OTEL_SERVICE_NAME") or "bearing")
    except ImportError as error:
        raise InvalidInput(
            f"{EXPORTER} or {ENDPOINTS[0]} asks for traces, which need the extra telemetry: "
            f"{how_to_add('telemetry')}"
        ) from error


def _open(exporter: str, name: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    target = OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(target))
    return provider


class Traced:
    """Middleware that wraps each request in a span, a child of the client's where it names one."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its span ends with the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        with self._tracer.start_as_current_span(
            "request",
            context=extract(dict(Headers(scope=scope))),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._app(scope, receive, send)
            finally:
                state, status = scope["state"], status_of(scope)
                span.set_attribute("bearing.request_id", state["request_id"])
                span.set_attribute("http.request.method", scope["method"])
                span.set_attribute("http.response.status_code", status)
                if route := state.get("route"):
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
