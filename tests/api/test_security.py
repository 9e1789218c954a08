"""Who may come in, from where, and what every answer says to browsers."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

KEYS = "first-key, second-key"
GUARDED = [
    ("POST", "/search"),
    ("PUT", "/documents"),
    ("POST", "/documents/import"),
    ("GET", "/documents/a"),
    ("GET", "/collections"),
    ("DELETE", "/collections/default"),
    ("POST", "/admin/similarity"),
    ("GET", "/nowhere"),
    ("GET", "/healthz/"),
    ("GET", "/docs/x"),
]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": "Basic first-key"},
        {"authorization": "Bearer first-key second-key"},
        {"x-api-key": ""},
        {"x-api-key": "first-ke"},
        {"x-api-key": "first-key, second-key"},
        {"x-api-key": b"\xff\xfe"},
    ],
)
def test_without_a_key_nothing_is_let_in(connect, headers) -> None:
    """A missing or wrong key is a 401 problem with a challenge, also where no route is."""
    client = connect(api_keys=KEYS)
    for method, path in GUARDED:
        response = client.request(method, path, headers=headers)
        assert response.status_code == 401, path
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["content-type"] == "application/problem+json"
        assert "first-key" not in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer second-key"},
        {"x-api-key": "first-key"},
    ],
)
def test_any_of_the_keys_lets_in(connect, headers) -> None:
    """Each key opens, in either header."""
    assert connect(api_keys=KEYS).get("/collections", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json"])
def test_page_health_and_docs_are_open(connect, path) -> None:
    """What holds no data needs no key."""
    assert connect(api_keys=KEYS).get(path).status_code == 200


def test_a_refused_body_is_not_read(connect) -> None:
    """A client without a key is answered before its body is asked for."""
    status, asked = ask_raw(connect(api_keys=KEYS), "POST", "/search")
    assert (status, asked) == (401, 0)


def ask_raw(client: TestClient, method: str, path: str) -> tuple[int, int]:
    """The status of a request, and how often its body was asked for."""
    received: list[str] = []
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        received.append("asked")
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }
    client.portal.call(client.app, scope, receive, send)
    return sent[0]["status"], len(received)


def test_under_a_proxys_path_the_same_paths_are_open(connect) -> None:
    """With a root path the open paths are those behind it."""
    app = connect(api_keys=KEYS).app
    proxied = TestClient(app, base_url="http://localhost", root_path="/bearing")
    assert proxied.get("/bearing/collections").status_code == 401
    docs = proxied.get("/bearing/docs")
    assert docs.status_code == 200
    assert "/bearing/docs.css" in docs.text


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:80"])
def test_loopback_names_are_served_without_keys(client: TestClient, host: str) -> None:
    """On this machine any name of loopback will do."""
    assert client.get("/collections", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.0.0.1", "", "[", "a b"])
def test_other_names_are_refused_without_keys(client: TestClient, host: str) -> None:
    """A name that a stranger made resolve to loopback (DNS rebinding) is a 403 problem."""
    response = client.get("/collections", headers={"host": host})
    assert response.status_code == 403
    assert "BEARING_API_KEYS" in response.json()["detail"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "["])
def test_pages_of_others_may_not_write_without_keys(client: TestClient, origin: str) -> None:
    """A write that a page of another site sends is a 403 and changes nothing."""
    line = b'{"id": "a", "text": "x"}'
    response = client.post("/documents/import", content=line, headers={"origin": origin})
    assert response.status_code == 403
    assert client.get("/documents/a").status_code == 404


def test_the_services_own_page_may_write(client: TestClient) -> None:
    """A page of this host and port is no stranger."""
    headers = {"origin": "http://localhost"}
    assert client.post("/search", json={"query": "x"}, headers=headers).status_code == 200


def test_with_keys_names_and_origins_do_not_matter(connect) -> None:
    """Where a key is needed, a proxy may use any name."""
    headers = {"host": "search.example", "origin": "https://x.example", "x-api-key": "first-key"}
    response = connect(api_keys=KEYS).post("/search", json={"query": "x"}, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/collections", "/nowhere"])
def test_every_answer_carries_the_strict_policy(client: TestClient, path: str) -> None:
    """Pages, data and errors alike may load nothing from elsewhere, and be framed by none."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_each_request_has_an_id_of_its_own(client: TestClient) -> None:
    """Two answers never share an id."""
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
