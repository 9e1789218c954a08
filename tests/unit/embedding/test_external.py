"""Models behind an address, asked as a small faulty server and Bearing's own routes answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from called import run_bearing

from indexer.config import Config
from indexer.documents import Document
from indexer.embedding.external.addresses import Address, is_external
from indexer.embedding.external.calling import MOST_TEXTS, TRIES, Caller
from indexer.embedding.external.engine import PieceTokenizer, open_external
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import ModelError, ModelMismatch
from indexer.ingestion.changes import store
from indexer.library import Library

DIMENSION = 32


class Server(ThreadingHTTPServer):
    """Answers as OpenAI, TEI and Ollama do; ``faults`` are answered first, one a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.model = open_hashing(DIMENSION)
        self.faults: list[Callable[[], tuple[int, Any, dict[str, str]]]] = []
        self.asked: list[list[str]] = []
        self.keys: list[str | None] = []
        self.most = 1_000

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, status: int, body: object = "no", **headers: str) -> None:
        """Answer one request like this."""
        self.faults.append(lambda: (status, body, headers))


class _Answer(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        """Vectors in the form of the path."""
        given = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = given.get("input") or given["inputs"]
        self.server.asked.append(texts)
        self.server.keys.append(self.headers.get("authorization"))
        if self.server.faults:
            self._send(*self.server.faults.pop(0)())
        elif len(texts) > self.server.most or not all(texts):
            self._send(413, "too many texts, or an empty one", {})
        else:
            vectors = (self.server.model.embed(texts).vectors * 3).tolist()
            self._send(200, self._form(vectors), {})

    def _form(self, vectors: list[list[float]]) -> object:
        if self.path == "/v1/embeddings":
            data = [{"index": n, "embedding": one} for n, one in enumerate(vectors)]
            return {"data": data[::-1]}
        assert self.path in ("/embed", "/api/embed"), self.path
        return vectors if self.path == "/embed" else {"embeddings": vectors}

    def _send(self, status: int, body: object, headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that runs until the test ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits() -> list[float]:
    """The waits between tries, which are not waited for."""
    return []


@pytest.fixture
def caller(server: Server, waits: list[float]) -> Caller:
    """A caller of the server as one of OpenAI's kind."""
    address = Address.parse(f"openai+{server.url}/v1#m")
    return Caller(address, "secret", timeout_seconds=5.0, sleep=waits.append)


@pytest.mark.parametrize("form", ["openai+{}/v1#m", "tei+{}", "ollama+{}/#m"])
def test_each_kind_gives_the_models_unit_vectors(server: Server, form: str) -> None:
    """In the order of the texts, with the key; an empty text is a space, as servers want it."""
    texts = ["a whale", "", "the moon\u2028über 月", "a whale"]
    with open_external(form.format(server.url), "secret") as embedder:
        found = embedder.embed(texts).vectors
    expected = server.model.embed(["a whale", " ", texts[2], "a whale"]).vectors
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert set(server.keys) == {"Bearer secret"}


def test_it_is_asked_again_after_faults(server: Server, caller: Caller, waits: list[float]) -> None:
    """As long as Retry-After says, else longer and longer; what will not help is not repeated."""
    server.fail(429, retry_after="7")
    server.fail(500)
    server.fail(503)
    assert caller.vectors(["x"]).shape == (1, DIMENSION)
    assert waits[0] == 7.0
    assert 0.5 < waits[1] < waits[2] < 3
    server.fail(401, "who are you?")
    with pytest.raises(ModelError, match=r"401 .*who are you"):
        caller.vectors(["x"])
    for _ in range(TRIES):
        server.fail(500)
    with pytest.raises(ModelError, match=f"500.*tried {TRIES} times"):
        caller.vectors(["x"])
    assert not server.faults


def test_batches_are_split(server: Server, caller: Caller) -> None:
    """At most so many texts in one request, and halves where the server takes fewer."""
    server.most = 20
    texts = [f"text {n}" for n in range(MOST_TEXTS + 5)]
    found = caller.vectors(texts)
    np.testing.assert_allclose(found / 3, server.model.embed(texts).vectors, atol=1e-6)
    assert max(len(one) for one in server.asked[1:] if len(one) <= 20) == 16
    server.most = 0
    with pytest.raises(ModelError, match="413"):
        caller.vectors(["x"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"data": []}, "1 texts, but"),
        ({"data": [{"index": 0, "embedding": [[1.0]]}]}, "shape"),
        ({"data": [{"index": 0, "embedding": ["x"]}]}, "otherwise"),
        ({"error": "no"}, "otherwise"),
        (["no"], "otherwise"),
    ],
)
def test_other_answers_are_refused(server, caller, answer, words) -> None:
    """The message names the address and quotes what came."""
    server.fail(200, answer)
    with pytest.raises(ModelError, match=words) as caught:
        caller.vectors(["x"])
    assert server.url in str(caught.value)
    assert "secret" not in str(caught.value) + repr(caller)


def test_no_other_address_is_asked(server: Server, caller: Caller) -> None:
    """A redirect is a refusal: the key stays with the address that was named."""
    server.fail(307, location=f"{server.url}/elsewhere")
    with pytest.raises(ModelError, match="307"):
        caller.vectors(["x"])
    assert len(server.asked) == 1


def test_a_silent_server_is_given_up(waits: list[float]) -> None:
    """After all tries, with the address."""
    caller = Caller(Address.parse("tei+http://127.0.0.1:9"), sleep=waits.append)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9[^<]*: \[Errno[^<]*tried"):
        caller.vectors(["x"])
    assert len(waits) == TRIES - 1


def library(folder: Path, model: str, key: str = "") -> Library:
    """The collections of a folder, and the model that is configured."""
    return Library(Config(data=folder, cache=folder, model=model, model_key=key))


def test_a_collection_opens_with_the_model_that_filled_it_only(
    server: Server, tmp_path: Path
) -> None:
    """Wherever it is served; another model behind the same address is refused at each start."""
    name = f"openai+{server.url}/v1#m"
    with library(tmp_path, name) as first:
        things = first.create("things")
        store(things, first.filling(things), [Document("a", "a whale"), Document("b", "the moon")])
    server.model = open_hashing(DIMENSION)
    moved = name.replace("127.0.0.1", "localhost")
    with library(tmp_path, moved) as again:
        assert again.embedder(again.open("things")).identity.name == moved
    server.model = open_hashing(DIMENSION * 2)
    with library(tmp_path, name) as other, pytest.raises(ModelMismatch):
        other.embedder(other.open("things"))
    server.model = Turned(DIMENSION)
    with library(tmp_path, name) as other, pytest.raises(ModelMismatch, match="cosine"):
        other.embedder(other.open("things"))


class Turned:
    """A model whose vectors are another's backwards."""

    def __init__(self, dimension: int) -> None:
        self.inner = open_hashing(dimension)

    def embed(self, texts: list[str]) -> Any:
        """The vectors, turned."""
        found = self.inner.embed(texts)
        return type(found)(found.vectors[:, ::-1], found.truncated, found.tokens, found.unknown)


def test_nothing_is_asked_that_is_not_configured(server: Server, tmp_path: Path) -> None:
    """A collection, which may be a stranger's backup, names no address to be asked."""
    name = f"tei+{server.url}"
    with library(tmp_path, name) as first:
        first.create("things")
    asked = len(server.asked)
    with library(tmp_path, "hashing") as other:
        with pytest.raises(ModelError, match="BEARING_MODEL"):
            other.embedder(other.open("things"))
        with pytest.raises(ModelError, match="BEARING_MODEL"):
            other.create("more", name)
    assert len(server.asked) == asked


def test_a_collection_moves_to_a_server(server: Server, tmp_path: Path) -> None:
    """By ``reindex --model``, which names the address."""
    with library(tmp_path, "hashing-64") as first:
        things = first.create("default")
        store(things, first.filling(things), [Document("a", "a whale"), Document("b", "the moon")])
    name = f"ollama+{server.url}#m"
    words = ["reindex", "--model", name, "--data", str(tmp_path)]
    done = run_bearing(words, env={"BEARING_MODEL": "hashing"})
    assert done.exit_code == 0, done.output
    with library(tmp_path, name) as then:
        things = then.open("default")
        assert (things.identity.name, things.describe().dimension) == (name, DIMENSION)


@pytest.mark.parametrize(
    "name",
    [
        "openai+http://host/v1",
        "openai+http://user:pass@host/v1#m",
        "tei+http://host?window=0",
        "tei+http://host?window=x",
        "tei+http://host?other=1",
        "ollama+http://:80#m",
    ],
)
def test_names_that_tell_no_model_are_refused(name: str) -> None:
    """Before anything is asked, and without repeating a password."""
    assert is_external(name)
    with pytest.raises(ModelError) as caught:
        Address.parse(name)
    assert "pass" not in str(caught.value)


def test_long_texts_are_cut_into_passages_that_fit() -> None:
    """By pieces of words; the bytes that are sent end with the last that fits."""
    tokens = PieceTokenizer(24).tokenize(["abcdefgh " * 20, "Übergrößen 月"], "document")
    assert (tokens[0].truncated, len(tokens[0].spans)) == (True, 40)
    assert bytes(tokens[0].ids.tolist()).decode() == ("abcdefgh " * 8).strip()
    assert bytes(tokens[1].ids.tolist()).decode() == "Übergrößen 月"
    assert not tokens[1].truncated
