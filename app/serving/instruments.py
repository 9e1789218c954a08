"""The counters and timers of a service, as Prometheus metrics.

Code that does the work is handed these; :mod:`app.middleware.metrics` publishes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.serving.batching import Watch
from indexer.embedding.borrowed import BorrowedEmbedder
from indexer.embedding.embedder import Embedder, Embeddings, Input, TextRole

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

BUCKETS_SECONDS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0,
)  # fmt: skip
BUCKETS_ITEMS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Instruments:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self.registry = CollectorRegistry()
        self._stages = self.histogram(
            "bearing_stage_duration_seconds",
            "Time of one stage of the searches of a request, or of storing documents; with waits.",
            ("stage",),
        )
        self._observers: dict[str, Callable[[float], object]] = {}
        self._batches = self.histogram(
            "bearing_batch_items",
            "Items that one call to a model or an index worked on together.",
            ("queue",),
            BUCKETS_ITEMS,
        )
        self._overflows = self.counter(
            "bearing_queue_refusals", "Requests answered 503, as a queue was full.", ("queue",)
        )
        self._tokens = self.counter(
            "bearing_tokens_embedded", "Tokens that models embedded.", ("model",)
        )
        self.rate_refusals = self.counter(
            "bearing_rate_refusals", "Requests answered 429, as they were over a rate."
        )

    def gauge(self, name: str, text: str) -> Gauge:
        """A gauge; with several workers, the sum over those still running."""
        return Gauge(name, text, multiprocess_mode="livesum", registry=self.registry)

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A counter; with several workers, their sum."""
        return Counter(name, text, labels, registry=self.registry)

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        buckets: Sequence[float] = BUCKETS_SECONDS,
    ) -> Histogram:
        """A histogram; with several workers, their sum."""
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def queue(self, name: str) -> Watch:
        """The observers that record the batches and refusals of a queue of this name."""
        return Watch(self._batches.labels(name).observe, self._overflows.labels(name).inc)

    def counted(self, embedder: Embedder) -> Embedder:
        """The same model, whose tokens are counted."""
        return _CountedEmbedder(embedder, self._tokens.labels(embedder.identity.name))

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time a stage, also one that fails, and record it as a span where traces are on."""
        span = None
        if self._tracer is not None:
            # An error's message may quote a text, so the span does without it.
            span = self._tracer.start_as_current_span(
                name, record_exception=False, set_status_on_exception=False
            )
        return _Stage(self._observer(name), span)

    @property
    def traces(self) -> bool:
        """Return whether stages have spans."""
        return self._tracer is not None

    def note(self, name: str, seconds: float) -> None:
        """Record a stage that took this long."""
        self._observer(name)(seconds)

    def _observer(self, name: str) -> Callable[[float], object]:
        if name not in self._observers:
            self._observers[name] = self._stages.labels(name).observe
        return self._observers[name]


class _Stage(AbstractContextManager[None]):
    """A stage under way; ``observe`` is called with its seconds."""

    def __init__(
        self, observe: Callable[[float], object], span: AbstractContextManager[object] | None
    ) -> None:
        self._observe = observe
        self._span = span
        self._started = time.perf_counter()

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._span is not None:
                self._span.__exit__(kind, error, trace)
        finally:
            self._observe(time.perf_counter() - self._started)


class _CountedEmbedder(BorrowedEmbedder):
    """A model whose tokens are counted."""

    def __init__(self, embedder: Embedder, tokens: Counter) -> None:
        super().__init__(embedder)
        self._tokens = tokens

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """Unit vectors in the order of the inputs."""
        embedded = self._embedder.embed(inputs, role)
        self._tokens.inc(embedded.tokens)
        return embedded
