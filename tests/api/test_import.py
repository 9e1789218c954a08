"""Importing JSON Lines over REST, over real sockets where the order of things matters."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

IMPORT = "/documents/import"


def lines_of(*documents: object) -> bytes:
    """Documents as JSON Lines."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def reports(response) -> list[dict[str, object]]:
    """The lines of an answer."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_an_import_writes_each_line(client: TestClient) -> None:
    """Every line becomes a document; the last line of the answer sums up."""
    documents = [{"id": f"d{n}", "text": f"text {n}", "metadata": {"n": n}} for n in range(600)]
    *progress, done = reports(client.post(IMPORT, content=lines_of(*documents)))
    assert done == {
        "event": "done",
        "line": 600,
        "written": 600,
        "unchanged": 0,
        "rejected": 0,
        "repeated": 0,
        "truncated": [],
        "unknown": [],
    }
    assert [one["line"] for one in progress] == [256, 512, 600]
    assert client.get("/documents/d599").json()["metadata"] == {"n": 599}


def test_ids_that_came_before_are_counted(client: TestClient) -> None:
    """Over all batches of an import; rejected lines do not count, and the last of an id stays."""
    lines = [{"id": f"d{n % 300}", "text": f"text {n}"} for n in range(700)]
    lines[650] = {"id": "d350"}
    *before, done = reports(client.post(IMPORT, content=lines_of(*lines)))
    progress = [(one["line"], one["repeated"]) for one in before if one["event"] == "progress"]
    assert progress == [(256, 0), (512, 212), (700, 399)]
    assert (done["rejected"], done["repeated"]) == (1, 399)
    assert client.get("/documents/d99").json()["text"] == "text 699"
    assert reports(client.post(IMPORT, content=lines_of(*lines[:300])))[-1]["repeated"] == 0


def test_importing_again_writes_nothing(client: TestClient) -> None:
    """What is stored already is unchanged."""
    body = lines_of(*({"id": str(n), "text": "x"} for n in range(10)))
    client.post(IMPORT, content=body)
    done = reports(client.post(IMPORT, content=body))[-1]
    assert (done["written"], done["unchanged"]) == (0, 10)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"not json", "JSON"),
        (b'{"id": "x"}', "text"),
        (b'{"text": "x"}', "id"),
        (b'{"id": "x", "text": 1}', "string"),
        (b"[1]", "object"),
        (b'{"id": "x", "text": "\\ud800"}', "JSON"),
        (b'{"id": "x", "text": "\xff"}', "JSON"),
        (b'{"id": "x", "text": "y", "n": NaN}', "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"id": "x", "text": "' + b"y" * 3_000 + b'"}', "BEARING_MAX_LINE_BYTES"),
        (b'{"id": "x", "text": "' + b"y" * 900 + b'"}', "BEARING_MAX_CHARACTERS"),
    ],
)
def test_a_line_without_a_document_is_named_and_stops_nothing(connect, line, word) -> None:
    """A bad line is reported with its number and reason; the others are written."""
    client = connect(max_line_bytes=2_000, max_characters=500)
    good = [lines_of({"id": name, "text": "good"}) for name in ("first", "last")]
    answer = reports(client.post(IMPORT, content=good[0] + line + b"\n" + good[1]))
    (rejected,) = [one for one in answer if one["event"] == "rejected"]
    assert rejected["line"] == 2
    if not (word == "JSON" and len(line) > 2_000):
        assert word in rejected["reason"]
    assert (answer[-1]["written"], answer[-1]["rejected"]) == (2, 1)


def test_blank_lines_and_line_ends_of_windows_are_no_fault(client: TestClient) -> None:
    """Blank lines are passed over, but counted in line numbers; the last line needs no end."""
    body = b'\r\n{"id": "a", "text": "x"}\r\n\n  \nwrong\n{"id": "b", "text": "y"}'
    answer = reports(client.post(IMPORT, content=body))
    assert [one["line"] for one in answer if one["event"] == "rejected"] == [5]
    assert answer[-1]["written"] == 2


def test_an_empty_import_writes_nothing(client: TestClient) -> None:
    """No lines, no documents, no error."""
    assert reports(client.post(IMPORT, content=b""))[-1]["written"] == 0


def test_an_import_has_no_body_limit(connect) -> None:
    """An import is longer than any JSON body may be, and lines may fall into any pieces."""
    client = connect(max_body_bytes=1_000)

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            line = lines_of({"id": str(number), "text": "x" * 50})
            yield from (line[:7], line[7:60], line[60:])

    assert reports(client.post(IMPORT, content=pieces()))[-1]["written"] == 100


def test_an_import_into_a_collection_that_is_not_there_is_not_found(client: TestClient) -> None:
    """The refusal comes before anything is read."""
    response = client.post("/collections/nowhere/documents/import", content=lines_of({}))
    assert response.status_code == 404


class Wire:
    """A connection on which a request is sent while its answer comes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._reader = self._socket.makefile("rb")

    def begin(self, path: str) -> None:
        """Send the head of a request whose body comes in chunks."""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        self._socket.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())

    def send(self, piece: bytes) -> None:
        """Send a piece of the body; an empty one ends it."""
        self._socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def read_head(self) -> bytes:
        """The status line; the headers are passed over."""
        status = self._reader.readline()
        while self._reader.readline().strip():
            pass
        return status

    def read_chunk(self) -> bytes:
        """The next piece of the answer; an empty one is its end."""
        piece = self._reader.read(int(self._reader.readline(), 16))
        self._reader.readline()
        return piece

    def get(self, path: str) -> bytes:
        """The status line that a GET gives."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return self.read_head()

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._socket.close()


@pytest.fixture
def wire(listen: Callable[..., int]) -> Iterator[Callable[[], Wire]]:
    """Connections to one service on a real socket."""
    port = listen(max_body_bytes=1_000)
    opened: list[Wire] = []

    def connect() -> Wire:
        opened.append(Wire(port))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def documents(prefix: str, count: int) -> bytes:
    """Some documents as JSON Lines."""
    return lines_of(*({"id": f"{prefix}{n}", "text": f"text {n}"} for n in range(count)))


def test_progress_comes_while_the_body_is_still_being_sent(wire) -> None:
    """A batch is durable, reported and searchable before the import ends."""
    sender = wire()
    sender.begin(IMPORT)
    sender.send(documents("d", 256))
    assert b"200" in sender.read_head()
    assert json.loads(sender.read_chunk())["written"] == 256
    assert b"200" in wire().get("/documents/d255")
    sender.send(documents("e", 10))
    sender.send(b"")
    assert json.loads(sender.read_chunk())["written"] == 266
    assert json.loads(sender.read_chunk())["event"] == "done"
    assert sender.read_chunk() == b""


def test_a_client_that_leaves_keeps_what_was_reported(wire) -> None:
    """Hanging up amid an import loses nothing that was called written, and stops the rest."""
    sender = wire()
    sender.begin(IMPORT)
    sender.send(documents("d", 300))
    sender.read_head()
    assert json.loads(sender.read_chunk())["written"] == 256
    sender.close()
    assert b"200" in wire().get("/documents/d255")
    assert b"404" in wire().get("/documents/d256")


def test_a_body_in_chunks_is_bounded_where_json_is_expected(wire) -> None:
    """A JSON body without a stated length is refused as soon as it is too long."""
    sender = wire()
    sender.begin("/search")
    sender.send(b'{"query": "' + b"x" * 2_000)
    assert b" 413 " in sender.read_head()


def test_a_percent_sign_in_a_path_is_decoded_once(wire) -> None:
    """An id with a percent sign is found by its encoding, and only by that."""
    sender = wire()
    sender.begin(IMPORT)
    sender.send(lines_of({"id": "%41", "text": "x"}))
    sender.send(b"")
    sender.read_head()
    assert json.loads(sender.read_chunk())["written"] == 1
    assert b"200" in wire().get("/documents/%2541")
    assert b"404" in wire().get("/documents/%41")
