"""Requests that arrive together, at a model that is slow, or fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import anyio.to_thread
import pytest
from samples import read_metrics
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from indexer.collection import Collection
from indexer.embedding.borrowed import BorrowedEmbedder
from indexer.embedding.embedder import Embedder, Embeddings, Input, TextRole
from indexer.library import Library


class GatedEmbedder(BorrowedEmbedder):
    """An embedder that embeds when it is let, notes what it was given, and fails on request."""

    def __init__(self, inner: Embedder) -> None:
        super().__init__(inner)
        self.passes: list[list[Input]] = []
        self.began = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.warming = threading.Event()
        self.may_be_warm = threading.Event()
        self.fails = False

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """The inputs' vectors, once the gate is open."""
        self.passes.append(list(inputs))
        self.began.release()
        assert self.gate.wait(30)
        if self.fails:
            raise MemoryError("the model is out of memory: secret")
        return super().embed(inputs, role)

    def warm(self) -> None:
        """Return once it may."""
        self.warming.set()
        assert self.may_be_warm.wait(30)


class GatedLibrary(Library):
    """A library whose one model is behind a gate."""

    gated: GatedEmbedder | None = None

    def embedder(self, collection: Collection) -> Embedder:
        """The gated model."""
        if self.gated is None:
            self.gated = GatedEmbedder(super().embedder(collection))
        return self.gated


class Busy:
    """A service at a gated model, and clients that ask all at once."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        opened: list[GatedLibrary] = []

        def open_library(config) -> GatedLibrary:
            opened.append(GatedLibrary(config))
            return opened[-1]

        self.app = create_app(settings, open_library)
        self.client = TestClient(
            self.app, base_url="http://localhost", raise_server_exceptions=False
        )
        stack.enter_context(self.client)
        self.pool = stack.enter_context(ThreadPoolExecutor(32))
        assert opened[0].gated is not None
        self.model = opened[0].gated
        stack.callback(self.model.gate.set)
        stack.callback(self.model.may_be_warm.set)
        self.model.passes.clear()
        while self.model.began.acquire(blocking=False):
            pass

    def ask(self, query: str) -> Future:
        """A search under way."""
        return self.pool.submit(self.client.post, "/search", json={"query": query})

    def occupy(self) -> Future:
        """A search whose forward pass is under way and stays so until the gate opens."""
        self.model.gate.clear()
        first = self.ask("first")
        assert self.model.began.acquire(timeout=30)
        return first

    def waiting(self) -> int:
        """How many texts the model's queue holds."""
        return self.client.app_state["service"].load.waiting

    def until_waiting(self, count: int) -> None:
        """Return when so many texts wait or are worked on."""
        tick = threading.Event()
        while self.waiting() != count:
            tick.wait(0.002)


@pytest.fixture
def start(settings: Callable[..., Settings]) -> Iterator[Callable[..., Busy]]:
    """Starts such a service."""
    with ExitStack() as stack:
        yield lambda **given: Busy(settings(**given), stack)


def test_searches_that_wait_together_share_a_forward_pass(start) -> None:
    """Sixteen searches that arrive during one pass are embedded by the next one."""
    busy = start()
    first = busy.occupy()
    others = [busy.ask(f"query {number}") for number in range(16)]
    busy.until_waiting(17)
    busy.model.gate.set()
    assert {each.result().status_code for each in (first, *others)} == {200}
    assert [len(texts) for texts in busy.model.passes] == [1, 16]


def test_a_search_alone_is_counted_and_answered_as_among_others(start) -> None:
    """It passes one thread instead of two queues, which no answer and no metric tells."""
    busy = start()
    documents = [{"id": word, "text": f"{word} of the sea"} for word in ("ship", "song", "salt")]
    assert busy.client.put("/documents", json={"documents": documents}).status_code == 200
    asked = [{"query": "a ship", "k": 2}, {"query": "the salt", "k": 2, "mode": "lexical"}]
    counts = (("bearing_batch_items_sum", (("queue", name),)) for name in ("queries", "searches"))
    before = read_metrics(busy.client)
    alone = [busy.client.post("/search", json=one).json() for one in asked]
    after = read_metrics(busy.client)
    assert [after[one] - before.get(one, 0.0) for one in counts] == [1.0, 2.0]
    together = busy.client.post("/search/batch", json={"searches": asked}).json()["results"]
    assert alone[0]["hits"]
    for one in (*alone, *together):
        del one["took_ms"]
    assert alone == together


def test_searches_are_answered_before_the_model_is_warm(start) -> None:
    """A service is ready while the work that makes short texts quicker goes on beside."""
    busy = start()
    assert busy.model.warming.wait(30)
    assert busy.ask("early").result().status_code == 200
    assert not busy.model.may_be_warm.is_set()


def test_a_failing_model_answers_everyone_who_waited(start) -> None:
    """All get a 500 that tells nothing of the inside, nobody hangs, and the next is served."""
    busy = start()
    first = busy.occupy()
    others = [busy.ask(f"query {number}") for number in range(8)]
    busy.until_waiting(9)
    busy.model.fails = True
    busy.model.gate.set()
    for answer in (each.result() for each in (first, *others)):
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text
    busy.model.fails = False
    assert busy.ask("again").result().status_code == 200


def test_a_full_queue_is_a_503_at_once(start) -> None:
    """More than the queue holds is refused while the model is still busy."""
    busy = start(max_texts=4, queue_texts=4)
    first = busy.occupy()
    others = [busy.ask(f"query {number}") for number in range(3)]
    busy.until_waiting(4)
    refused = busy.ask("one too many").result()
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["content-type"] == "application/problem+json"
    assert "BEARING_QUEUE_TEXTS" in refused.json()["detail"]
    busy.model.gate.set()
    assert {each.result().status_code for each in (first, *others)} == {200}
    found = read_metrics(busy.client)
    assert found["bearing_queue_refusals_total", (("queue", "queries"),)] == 1


def test_what_needs_no_model_is_answered_while_it_is_busy(start) -> None:
    """Health, lists and searches by vector do not wait for a forward pass."""
    busy = start()
    first = busy.occupy()
    assert busy.client.get("/healthz").status_code == 200
    assert busy.client.get("/documents").status_code == 200
    by_vector = busy.client.post("/search", json={"vector": [1.0] * 256})
    assert by_vector.status_code == 200
    busy.model.gate.set()
    assert first.result().status_code == 200


def test_a_client_that_left_is_never_embedded(start) -> None:
    """A search whose client hangs up while it waits costs no forward pass."""
    busy = start()
    first = busy.occupy()
    left = threading.Event()
    gone = busy.pool.submit(leave_after_asking, busy, left)
    busy.until_waiting(2)
    left.set()
    gone.result()
    busy.until_waiting(1)
    busy.model.gate.set()
    assert first.result().status_code == 200
    assert busy.model.passes == [["first"]]


def leave_after_asking(busy: Busy, left: threading.Event) -> None:
    """Send a search, and hang up when told."""
    body = b'{"query": "nobody waits for this"}'
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, object]:
        for message in messages:
            return message
        await anyio.to_thread.run_sync(left.wait)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        """Nobody listens."""

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/search",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "state": dict(busy.client.app_state),
    }
    busy.client.portal.call(busy.app, scope, receive, send)
