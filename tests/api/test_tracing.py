"""Traces: spans of requests and their stages, without a text, and only where they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from app.main import create_app
from app.middleware.tracing import open_provider
from indexer.errors import InvalidInput


def test_a_search_is_a_trace_without_a_text(settings) -> None:
    """Stages lie within the request, which lies within the client's span; no text is in any."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with TestClient(create_app(settings(), provider=provider), base_url="http://localhost") as http:
        http.put("/documents", json={"documents": [{"id": "a", "text": "secret document"}]})
        kept.clear()
        headers = {"traceparent": f"00-{trace}-{parent}-01", "X-Request-ID": "mine"}
        http.post("/search", json={"query": "secret question"}, headers=headers)
        http.post("/search", json={"query": "secret", "nonsense": "secret"})
    *stages, request, refused = kept.get_finished_spans()
    assert [span.name for span in stages] == ["embed", "find"]
    assert request.name == "POST /search"
    assert request.attributes["bearing.request_id"] == "mine"
    assert request.attributes["http.response.status_code"] == 200
    assert refused.attributes["http.response.status_code"] == 422
    assert f"{request.parent.span_id:016x}" == parent
    assert {f"{span.context.trace_id:032x}" for span in (*stages, request)} == {trace}
    assert {span.parent.span_id for span in stages} == {request.context.span_id}
    assert not any("secret" in span.to_json() for span in kept.get_finished_spans())


def test_traces_are_off_unless_they_are_asked_for() -> None:
    """Without the variables nothing is opened, no SDK is loaded; what is unknown is refused."""
    assert open_provider({}) is None
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    assert open_provider(asked | {"OTEL_TRACES_EXPORTER": "none"}) is None
    with pytest.raises(InvalidInput, match="otlp, console or none"):
        open_provider({"OTEL_TRACES_EXPORTER": "zipkin"})
    code = "import sys, app.main; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_endpoint_is_enough() -> None:
    """With an endpoint in the environment spans go there."""
    provider = open_provider({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"})
    assert provider is not None
    assert provider.resource.attributes["service.name"] == "bearing"
    provider.shutdown()
