"""The metrics of the service in Prometheus' text format."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.keys import Keyring
from app.middleware.security import status_of
from app.serving.instruments import Instruments
from app.serving.service import Load
from indexer.reports import Description

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder where prometheus-client adds up the counts of workers."""

UNROUTED: Final = "unrouted"
"""The route of requests that matched none, so that strangers cannot invent label values."""


class Telemetry:
    """The metrics of one service: its requests, and the work behind them."""

    def __init__(self, keys: Keyring, instruments: Instruments) -> None:
        self._registry = instruments.registry
        self._keys = keys
        self._requests = instruments.counter(
            "bearing_requests", "Requests that were answered.", ("method", "route", "status")
        )
        self._seconds = instruments.histogram(
            "bearing_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ("method", "route"),
        )
        gauge, counter = instruments.gauge, instruments.counter
        self._waiting = gauge("bearing_texts_waiting", "Texts that wait for a model.")
        self._cache_bytes = gauge("bearing_query_cache_bytes", "Memory of query vectors.")
        self._cache_hits = counter("bearing_query_cache_hits", "Query texts: cache hits.")
        self._cache_misses = counter("bearing_query_cache_misses", "Query texts: cache misses.")
        self._noted = Load(0, 0, 0, 0)
        self._kinds: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        kind = method, route, status
        counted = self._kinds.get(kind)
        if counted is None:  # looked up by labels once: that takes longer than this
            requests = self._requests.labels(method, route, str(status))
            counted = self._kinds[kind] = requests, self._seconds.labels(method, route)
        counted[0].inc()
        counted[1].observe(seconds)

    def note(self, load: Load) -> None:
        """Take over the present load of the models."""
        if load == self._noted:
            return
        self._waiting.set(load.waiting)
        self._cache_bytes.set(load.cache_bytes)
        self._cache_hits.inc(load.cache_hits - self._noted.cache_hits)
        self._cache_misses.inc(load.cache_misses - self._noted.cache_misses)
        self._noted = load

    def render(self, descriptions: list[Description]) -> bytes:
        """All metrics as text, summed over the workers where there are several."""
        counted, state = self._registry, CollectorRegistry()
        if METRICS_FOLDER in os.environ:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        state.register(_State(descriptions, self._keys))
        return generate_latest(counted) + generate_latest(state)


class _State(Collector):
    """The state of the collections, and of the file of keys, at this moment."""

    def __init__(self, descriptions: list[Description], keys: Keyring) -> None:
        self._descriptions = descriptions
        self._keys = keys

    def collect(self) -> Iterator[Metric]:
        """A gauge for each figure, with a sample for each collection."""
        yield GaugeMetricFamily(
            "bearing_keys_file_broken",
            "1 if the file of keys cannot be read, and the keys that it held last are valid.",
            value=self._keys.problem is not None,
        )
        for name, text in (
            ("documents", "Documents stored."),
            ("chunks", "Chunks stored, each with a vector."),
            ("bytes", "Bytes on disk."),
            ("truncated", "Documents of which a part is not embedded."),
            ("unknown", "Documents with a passage of which the model knows no word."),
        ):
            yield self._gauge(
                name, text, {one.name: getattr(one, name) for one in self._descriptions}
            )
        yield self._gauge(
            "last_backup_timestamp_seconds",
            "When the last backup was written; not there if none is known.",
            {one.name: one.backed_up for one in self._descriptions},
        )
        for name, text in (
            ("recall", "Recall@10 measured when the index was built; 1 where search is exact."),
            ("watched_recall", "Recall@10 of the last real queries that were compared."),
            ("late_rows", "Rows that came after the index was sealed."),
        ):
            yield self._gauge(
                name, text, {one.name: one.index.get(name) for one in self._descriptions}
            )

    @staticmethod
    def _gauge(name: str, text: str, values: dict[str, object]) -> Metric:
        gauge = GaugeMetricFamily(f"bearing_collection_{name}", text, labels=("collection",))
        for collection, value in values.items():
            if isinstance(value, int | float):
                gauge.add_metric([collection], value)
        return gauge


class Meter:
    """Middleware that counts each request under its route's pattern."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry
        # Its load must then be known to whichever worker is asked for the metrics of all.
        self._is_one_of_several = METRICS_FOLDER in os.environ

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it once it is answered or has failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - started
            if self._is_one_of_several and (service := scope["state"].get("service")):
                self._telemetry.note(service.load)
            self._telemetry.count(_method(scope), _route(scope), status_of(scope), seconds)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "other"


def _route(scope: Scope) -> str:
    """The pattern of the path, with the prefix that the routes of collections are mounted under."""
    template: str = scope["state"].get("route") or getattr(scope.get("route"), "path", UNROUTED)
    return template
