"""Bodies that were announced: every route reads them, or says that they did not come."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from serving import running_service, service_here
from starlette.testclient import TestClient

from app.routes import ROUTES

MODEL: Final = "hashing-256"
JSON: Final = "application/json"
RANKED: Final = {"query": "a cat", "documents": ["a cat", "the moon"]}
EMBEDDED: Final = {"model": MODEL, "input": ["a cat"]}
CALL: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

BODIES: Final[dict[tuple[str, str], tuple[str, object]]] = {
    ("POST", "/search"): (JSON, {"query": "a cat"}),
    ("POST", "/search/batch"): (JSON, {"searches": [{"query": "a cat"}]}),
    ("POST", "/documents/import"): ("application/x-ndjson", {"id": "a", "text": "a cat"}),
    ("POST", "/documents/files"): ("application/octet-stream", {"id": "a", "text": "a cat"}),
    ("PUT", "/documents"): (JSON, {"documents": [{"id": "a", "text": "a cat"}]}),
    ("POST", "/documents/delete"): (JSON, {"ids": ["none"]}),
    ("PUT", "/collections/{collection}"): (JSON, {"language": "english"}),
    ("POST", "/feedback"): (JSON, {"query": "a cat", "id": "a", "relevant": True}),
    ("POST", "/model"): (JSON, {"rollback": True}),
    ("PUT", "/aliases/{alias}"): (JSON, {"collection": "default"}),
    ("POST", "/admin/similarity"): (JSON, {"a": ["a cat"]}),
    ("POST", "/v1/embeddings"): (JSON, EMBEDDED),
    ("POST", "/embeddings"): (JSON, EMBEDDED),
    ("POST", "/v1/rerank"): (JSON, RANKED),
    ("POST", "/rerank"): (JSON, RANKED),
    ("POST", "/v2/rerank"): (JSON, RANKED | {"model": MODEL}),
    ("POST", "/v1/embed"): (JSON, {"texts": ["a cat"]}),
    ("POST", "/v2/embed"): (JSON, {"texts": ["a cat"]}),
    ("POST", "/"): (JSON, {"inputs": "a cat"}),
    ("POST", "/embed"): (JSON, {"inputs": "a cat"}),
    ("POST", "/similarity"): (
        JSON,
        {"inputs": {"source_sentence": "a cat", "sentences": ["a cat"]}},
    ),
    ("POST", "/tokenize"): (JSON, {"inputs": "a cat"}),
    ("POST", "/api/embed"): (JSON, EMBEDDED),
    ("POST", "/api/embeddings"): (JSON, {"model": MODEL, "prompt": "a cat"}),
    ("POST", "/mcp"): (JSON, CALL),
}
"""A sound body for each route that takes one, with its type."""

REFUSED: Final[dict[tuple[str, str], tuple[str, object]]] = {
    ("POST", "/reindex"): (JSON, {"model": "none-such"}),
    ("POST", "/restore"): ("application/x-tar", "no backup"),
    ("POST", "/tokens"): (JSON, {"minutes": 5}),
}
"""Routes that refuse a body here, or begin a job: what they need is not in this service."""

WITHOUT: Final = frozenset({("POST", "/map"), ("POST", "/backup")})
"""Routes that change something and take no body."""

OFFERS: Final = {
    "none": "",
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}
"""Other protocols that a request may offer to go on in."""


def routed() -> set[tuple[str, str]]:
    """Every route whose method may have a body."""
    return {
        (method, route.path)
        for resource in ROUTES
        for route in resource.router.routes
        for method in route.methods & {"POST", "PUT", "PATCH"}
    }


def asked(path: str) -> str:
    """A path of a route, with what it needs."""
    if path.endswith("/files"):
        return f"{path}?name=a.jsonl"
    return path.replace("{collection}", "made").replace("{alias}", "other")


def encoded(body: object) -> bytes:
    """A body as it travels; a line of JSON is one too."""
    return json.dumps(body).encode() + b"\n"


def test_every_route_is_here() -> None:
    """A new route is tried, too."""
    assert routed() - WITHOUT == BODIES.keys() | REFUSED.keys()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service of the hashing model, with one document."""
    with service_here(tmp_path_factory.mktemp("service")) as made:
        made.put("/documents", json={"documents": [{"id": "kept", "text": "kept"}]})
        yield made


ANNOUNCED: Final = {
    "length": {"content-length": "20"},
    "chunks": {"transfer-encoding": "chunked", "upgrade": "h2c"},
}


@pytest.mark.parametrize("announced", ANNOUNCED)
@pytest.mark.parametrize("route", sorted(BODIES | REFUSED), ids=" ".join)
def test_a_body_that_the_server_lost_is_missed(
    client: TestClient, route: tuple[str, str], announced: str
) -> None:
    """Also under a server that drops it: nothing is done, and nothing called done."""
    before = client.get("/collections").json(), client.get("/documents").json()
    headers = ANNOUNCED[announced] | {"content-type": (BODIES | REFUSED)[route][0]}
    accepted = {"accept": "application/json, text/event-stream"}
    answer = client.request(route[0], asked(route[1]), headers=headers | accepted, content=b"")
    assert answer.request.headers.items() >= headers.items()
    if answer.status_code == 200:
        (line,) = answer.text.splitlines()
        assert json.loads(line)["event"] == "failed"
        assert json.loads(line)["problem"]["status"] == 400
    else:
        assert 400 <= answer.status_code < 500
    assert before == (client.get("/collections").json(), client.get("/documents").json())


def test_an_empty_stream_is_an_import_of_nothing(client: TestClient) -> None:
    """Chunks may end before they begin."""
    answer = client.post("/documents/import", content=iter([b""]))
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert json.loads(answer.text)["event"] == "done"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a service in a process of its own."""
    folder = tmp_path_factory.mktemp("data")
    with running_service(folder, {"MODEL": "hashing", "FEEDBACK": "texts"}) as url:
        port = int(url.rpartition(":")[2])
        assert ask(port, ("PUT", "/documents"), "none", chunked=False)[0] == 200
        yield port


def ask(
    port: int,
    route: tuple[str, str],
    offer: str,
    *,
    chunked: bool,
    cuts: Sequence[int] = (),
    ends: bool = True,
) -> tuple[int, bytes]:
    """The status and body of an answer; 0 for none. The body is cut into pieces."""
    kind, value = BODIES[route]
    body = encoded(value)
    places = sorted({cut % len(body) for cut in cuts} - {0})
    pieces = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = (
        f"{route[0]} {asked(route[1])} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Accept: application/json, text/event-stream\r\n{OFFERS[offer]}{framing}\r\n\r\n"
    )
    if chunked:
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [head.encode(), *(pieces if ends else pieces[:-1])]:
            connection.sendall(piece)
        if not ends:
            connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
            return answer.status, answer.read()
        except (http.client.HTTPException, ConnectionError):
            return 0, b""


def stored(port: int) -> list[Any]:
    """All that a request might change."""
    found = []
    for path in ("/collections", "/documents"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path)
        found.append(json.loads(connection.getresponse().read()))
        connection.close()
    return found


@pytest.mark.parametrize("route", sorted(BODIES), ids=" ".join)
def test_a_client_that_asks_first_is_told_to_send(port: int, route: tuple[str, str]) -> None:
    """`Expect: 100-continue`: it would not send its body after the head of an answer."""
    kind, value = BODIES[route]
    body = encoded(value)
    head = (
        f"{route[0]} {asked(route[1])} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status in (200, 201, 204)
        answer.read()


HOW: Final = {
    "route": st.sampled_from(sorted(BODIES)),
    "offer": st.sampled_from(sorted(OFFERS)),
    "chunked": st.booleans(),
    "cuts": st.lists(st.integers(0, 10_000), max_size=4),
}


@examples(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**HOW)
def test_a_body_arrives_however_it_is_sent(
    port: int, route: tuple[str, str], offer: str, chunked: bool, cuts: list[int]
) -> None:
    """By length or in chunks, in pieces, behind an offer of another protocol or without."""
    status, answer = ask(port, route, offer, chunked=chunked, cuts=cuts)
    assert status in (200, 201, 204), answer
    if "import" in route[1] or "files" in route[1]:
        done = json.loads(answer.splitlines()[-1])
        assert done["written"] + done["unchanged"] == 1


@examples(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**HOW)
def test_a_body_whose_end_does_not_come_is_none(
    port: int, route: tuple[str, str], offer: str, chunked: bool, cuts: list[int]
) -> None:
    """The client ends before its body does: what it asked for is not done, nor called done."""
    before = stored(port)
    status, answer = ask(port, route, offer, chunked=chunked, cuts=cuts, ends=False)
    assert status in (0, 400) or b'"done"' not in answer
    assert status in (0, 400) or route[1].startswith("/documents/")
    assert stored(port) == before
