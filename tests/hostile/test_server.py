"""What only a real connection can do to the service: drip, flood, cut off, and talk nonsense."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from serving import running_service

import app

WAIT_SECONDS = 60
"""For what comes sooner, unless it does not come."""

SETTINGS = {
    "MODEL": "hashing",
    "HEAD_SECONDS": "1",
    "BODY_SECONDS": "1",
    "MAX_HEAD_BYTES": "8192",
    "MAX_HEADERS": "50",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with short times and low bounds."""
    with running_service(tmp_path_factory.mktemp("data"), SETTINGS) as address:
        yield address


@pytest.fixture(autouse=True)
def still_well(url: str) -> Iterator[None]:
    """Whatever a test does, the service answers the next one."""
    yield
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.post("/search", json={"query": "x"}).status_code == 200


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to the service."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as connection:
        yield connection


def all_of(connection: socket.socket) -> bytes:
    """What is sent until the other end closes."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def ask(url: str, *pieces: bytes) -> bytes:
    """All that is answered to these bytes, on a connection of their own."""
    with connected(url) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it said enough
        return all_of(connection)


def status_of(answer: bytes) -> int:
    """The status of an answer, which must be a problem document if it is an error."""
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    status = int(answer[9:12])
    if status >= 400:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["status"] == status
    return status


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request whose connection ends with it."""
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""]
    ).encode("latin-1")


JSON = "Content-Type: application/json"


H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)
"""What the JDK's own client adds to the first request of a connection."""


def offering(method: str, path: str, *lines: str) -> bytes:
    """The head of a request that offers h2c."""
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: localhost", *H2C, *lines, "", ""]
    ).encode()


def one_answer(connection: socket.socket) -> tuple[int, dict]:
    """The status and JSON of the next answer on a connection, of which no later byte is read."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    length = re.search(rb"content-length: (\d+)", head.lower())
    assert length, head
    return int(head.split()[1]), json.loads(connection.recv(int(length[1]), socket.MSG_WAITALL))


@pytest.mark.parametrize("cut", [0, 1, 300, 10_000])
def test_the_body_behind_an_offer_of_h2c_is_read(url: str, cut: int) -> None:
    """Java's client offers HTTP/2 and goes on in HTTP/1.1: its body arrives, however it is cut."""
    body = b'{"documents": [{"id": "java", "text": "a line from Java"}]}'
    sent = offering("PUT", "/documents", JSON, f"Content-Length: {len(body)}") + body
    with connected(url) as connection:
        for piece in (sent[:cut], sent[cut:]):
            connection.sendall(piece)
        status, written = one_answer(connection)
        assert (status, written["written"] + written["unchanged"]) == (200, 1)
        connection.sendall(
            offering("POST", "/documents/delete", JSON, "Transfer-Encoding: chunked")
            + b'4\r\n{"id\r\nb\r\ns":["none"]\r\n1\r\n}\r\n0\r\n\r\n'
        )
        assert one_answer(connection) == (200, {"deleted": 0})
        connection.sendall(offering("GET", "/documents/java") + offering("GET", "/documents/none"))
        assert one_answer(connection)[1]["text"] == "a line from Java"
        assert one_answer(connection)[0] == 404


def test_what_is_set_behind_an_offer_of_h2c_is_what_is_made(url: str) -> None:
    """A route whose body may be left out does not take a body that it was sent for none."""
    body = b'{"language": "german"}'
    with connected(url) as connection:
        connection.sendall(
            offering("PUT", "/collections/jj", JSON, f"Content-Length: {len(body)}") + body
        )
        status, made = one_answer(connection)
    assert (status, made["index"]["lexical"]["language"]) == (201, "german")


def test_a_short_body_behind_an_offer_of_h2c_is_given_up(url: str) -> None:
    """What was announced is waited for, as of any request."""
    with connected(url) as connection:
        connection.sendall(offering("POST", "/search", JSON, "Content-Length: 100") + b'{"query":')
        assert one_answer(connection)[0] == 408


def at_once(url: str, *asked: tuple[bytes, ...]) -> list[bytes]:
    """The answers to requests of which each is waited for as long."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: ask(url, *one), asked))


def test_a_body_that_does_not_come_is_given_up(url: str) -> None:
    """A client that promises a body and sends a part of it is answered 408, and let go."""
    heads = [
        head("POST", path, JSON, "Content-Length: 100")
        for path in ("/search", "/documents/delete", "/admin/similarity")
    ]
    for answer in at_once(url, *product(heads, (b"", b'{"query":'))):
        assert status_of(answer) == 408
        assert b"BEARING_BODY_SECONDS" in answer
        assert b"connection: close" in answer


def test_a_body_that_drips_is_given_up(url: str) -> None:
    """The time is for the whole of a JSON body, not for each byte."""
    with connected(url) as connection:
        connection.sendall(head("POST", "/search", JSON, "Content-Length: 100000"))
        connection.settimeout(0.05)
        received = b""
        for _ in range(WAIT_SECONDS * 20):
            try:
                connection.sendall(b" ")
                received += connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            if received:
                connection.settimeout(WAIT_SECONDS)
                received += all_of(connection)
                break
    assert status_of(received) == 408


def test_an_import_that_pauses_too_long_ends_with_a_failure(url: str) -> None:
    """What came before stays; the last line says why it ended."""
    answer = ask(
        url,
        head("POST", "/documents/import", "Transfer-Encoding: chunked"),
        b'19\r\n{"id": "a", "text": "b"}\n\r\n',
    )
    last = json.loads(answer.rpartition(b"}\n")[0].rpartition(b"\n")[2] + b"}")
    assert last["event"] == "failed"
    assert last["problem"]["status"] == 408


def test_a_head_that_does_not_end_is_given_up(url: str) -> None:
    """Connections that say nothing, or never finish saying it, are closed."""
    begun = (b"GET / HT",), (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-",)
    silent, *others = at_once(url, (b"",), *begun)
    assert silent == b""
    for answer in others:
        assert status_of(answer) == 408
        assert b"BEARING_HEAD_SECONDS" in answer


def test_a_connection_too_many_is_told_so(tmp_path: Path) -> None:
    """503 with a time to come again; once others have gone, all is well."""
    asking = head("GET", "/healthz", "Connection: close")
    with running_service(tmp_path, SETTINGS | {"MAX_CONNECTIONS": "20"}) as url:
        while status_of(ask(url, asking)) != 200:
            pass  # until whoever waited for the service has gone
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connected(url))
            answer = ask(url, asking)
            assert status_of(answer) == 503
            assert b"retry-after: 1\r\n" in answer
            assert b"BEARING_MAX_CONNECTIONS" in answer
        while status_of(ask(url, asking)) != 200:
            pass  # the test's time is bounded


@pytest.mark.parametrize("filling", [b"X-A: b\r\n", b"a" * 1000])
def test_a_head_without_end_is_cut_off(url: str, filling: bytes) -> None:
    """Many headers, or one that goes on and on, are not gathered in memory (431)."""
    answer = ask(url, b"GET / HTTP/1.1\r\nX-Long: ", *[filling * 100] * 50)
    assert answer == b"" or status_of(answer) == 431  # a reset may overtake the answer


def test_too_many_or_too_long_headers_are_refused(url: str) -> None:
    """A whole head over a bound is a 431 that names the setting."""
    many = ask(url, head("GET", "/collections", *[f"X-{n}: {n}" for n in range(60)]))
    long = ask(url, head("GET", "/collections", "X-A: " + "a" * 9_000))
    query = ask(url, head("GET", "/collections?filter=" + "a" * 9_000))
    assert [status_of(answer) for answer in (many, long, query)] == [431, 431, 431]
    assert b"BEARING_MAX_HEADERS" in many
    assert b"BEARING_MAX_HEAD_BYTES" in long
    assert b"BEARING_MAX_HEAD_BYTES" in query


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a client that speaks TLS
        b"\r\n\r\nrubbish\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \x00\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_too(url: str, sent: bytes) -> None:
    """Whatever does not parse, or can be read in two ways, is refused and the connection closed."""
    assert status_of(ask(url, sent)) == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", "*"),
        ("GET", "//"),
        ("GET", "//evil.example/"),
        ("GET", "/../../etc/passwd"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd"),
        ("GET", "/..%2f..%2fetc%2fpasswd"),
        ("GET", "/main.js/../../main.py"),
        ("GET", "/%00"),
        ("GET", "/collections/..%2f..%2fetc"),
        ("GET", "/collections/%2e%2e"),
        ("GET", "/collections/."),
        ("GET", "/collections/default%00"),
        ("GET", "/collections/default%0a"),
        ("GET", "/collections/%ff%fe"),
        ("GET", "/collections/" + "a" * 7_000),
        ("GET", "/documents/" + "%F0%9F%98%80" * 500),
        ("GET", "/documents/%00"),
        ("GET", "/documents/%ed%a0%80"),
        ("GET", "/documents/..%2f..%2f..%2fstore.sqlite"),
        ("GET", "/documents/"),
        ("DELETE", "/documents/%0d%0aSet-Cookie:%20a=b"),
        ("DELETE", "/collections/..%2fdata"),
        ("PUT", "/collections/..%2f..%2ftmp%2fx"),
        ("PUT", "/collections/CON%20"),
        ("TRACE", "/"),
        ("CONNECT", "localhost:80"),
        ("PROPFIND", "/"),
        ("GET", "/documents?limit=1e3"),
        ("GET", "/documents?limit=99999999999999999999999"),
        ("GET", "/documents?limit=%00"),
        ("GET", "/documents?cursor=-1"),
        ("GET", "/documents?cursor=%ff"),
        ("GET", "/documents?cursor=9999999999999999999999"),
        ("GET", "/documents?filter=" + "[" * 5_000),
        ("GET", "/documents?filter=%7B%22a%22:NaN%7D"),
        ("GET", "/documents?filter=%7B%22a%22:99999999999999999999%7D"),
        ("GET", "/documents?filter=%22%5Cud800%22"),
    ],
)
def test_a_path_leads_nowhere_that_it_should_not(url: str, method: str, path: str) -> None:
    """No path reaches a file, breaks a header, or makes the service fail."""
    answer = ask(url, head(method, path))
    assert 400 <= status_of(answer) < 500
    assert b"set-cookie" not in answer.lower().partition(b"\r\n\r\n")[0]
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "id",
    ["a/b", "../x", "..", ".", "%2e%2e", "a%2Fb", "delete", "import", "a?b#c", " ", "é😀", "a//b"],
)
def test_an_id_of_any_shape_is_found_under_its_encoded_path(url: str, id: str) -> None:
    """What an id looks like as a path does not matter: it is written, found and deleted."""
    path = "/documents/" + quote(id, safe="").replace(".", "%2E")
    with httpx.Client(base_url=url, trust_env=False) as client:
        body = {"documents": [{"id": id, "text": "x"}]}
        assert client.put("/documents", json=body).status_code == 200
        found = ask(url, head("GET", path))
        assert status_of(found) == 200
        assert json.loads(found.partition(b"\r\n\r\n")[2])["id"] == id
        assert ask(url, head("DELETE", path)).startswith(b"HTTP/1.1 204")


def test_a_client_that_hangs_up_in_the_midst_harms_nobody(url: str) -> None:
    """Half a body and a reset, many times."""
    for _ in range(50):
        with connected(url) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(head("POST", "/search", JSON, "Content-Length: 100") + b"{")


def test_many_idle_connections_keep_nobody_out(url: str) -> None:
    """They are closed when their time is over, and others are answered meanwhile."""
    host, port = url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) for _ in range(200)]
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/collections").status_code == 200
    for connection in idle:
        with connection:
            assert all_of(connection) == b""


def test_a_flood_of_small_requests_on_one_connection_is_answered(url: str) -> None:
    """Pipelined requests are answered in order, each once."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = ask(url, request * 200 + head("GET", "/healthz"))
    assert answer.count(b"HTTP/1.1 200 OK") == 201


def test_a_body_that_nobody_reads_is_not_taken_for_ever(url: str) -> None:
    """A route without a body answers, and the connection ends though the client goes on sending."""
    with connected(url) as connection:
        connection.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
        )
        connection.settimeout(0.05)
        received = b""
        for _ in range(WAIT_SECONDS * 20):
            try:
                connection.sendall(b"x")
                piece = connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not piece:
                break
            received += piece
        else:
            raise AssertionError("the connection stays open")
    assert received.startswith(b"HTTP/1.1 200")


def test_the_file_of_the_service_is_not_served(url: str) -> None:
    """Only the page's own files are at their names."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        for name in sorted(path.name for path in Path(app.__file__).parent.glob("*.py")):
            assert client.get(f"/{name}").status_code == 404
