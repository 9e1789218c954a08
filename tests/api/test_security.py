"""Who may come in, from where, and what every answer says to browsers."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from indexer.errors import InvalidInput

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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://search.example", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://search.example", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://search.example"}, 200),
        ({"origin": "https://friend.example", "sec-fetch-site": "cross-site"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_others_may_not_write_to_an_insecure_service_either(
    connect, headers, status
) -> None:
    """Whoever opens the service to all machines does not open it to all pages of the web.

    Behind a proxy the Host header is another than the page's, and Sec-Fetch-Site tells.
    """
    client = connect(host="0.0.0.0", insecure="1", cors_origins="https://friend.example")
    headers = {"host": "search.example"} | headers
    documents = {"documents": [{"id": "a", "text": "x"}]}
    assert client.put("/documents", json=documents, headers=headers).status_code == status
    assert client.get("/documents/a", headers=headers).status_code == (
        404 if status == 403 else 200
    )


def test_pages_of_other_origins_may_not_read(client: TestClient) -> None:
    """No answer allows another origin, unless it is named; preflights neither."""
    headers = {"origin": "https://shop.example"}
    answer = client.get("/collections", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    ask = headers | {"access-control-request-method": "POST"}
    assert client.options("/search", headers=ask).status_code == 405


def test_pages_of_named_origins_may_read_and_write_with_a_key(connect) -> None:
    """Preflights need no key, answers name the origin, refusals too; other origins get nothing."""
    client = connect(api_keys=KEYS, cors_origins="https://shop.example, http://localhost:3000")
    origin = {"origin": "https://shop.example"}
    preflight = origin | {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    }
    allowed = client.options("/search", headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in allowed.headers
    for headers, status in ((origin, 401), (origin | {"x-api-key": "first-key"}, 200)):
        answer = client.post("/search", json={"query": "x"}, headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        exposed = answer.headers["access-control-expose-headers"]
        assert {"X-Request-ID", "X-Ignored-Fields", "X-Truncated"} <= set(exposed.split(", "))
    other = client.options("/search", headers=preflight | {"origin": "https://evil.example"})
    assert other.status_code == 400
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    "names",
    [
        "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,"
        "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
        "x-stainless-runtime-version,x-stainless-timeout",
        "content-type,traceparent,tracestate,baggage",
        "content-type,mcp-protocol-version,mcp-session-id,last-event-id",
    ],
    ids=["openai", "w3c", "mcp"],
)
def test_pages_of_named_origins_may_send_what_clients_add(connect, names: str) -> None:
    """The headers of OpenAI's JavaScript client, of tracing and of MCP pass a preflight."""
    client = connect(api_keys=KEYS, cors_origins="https://shop.example")
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": names,
    }
    allowed = client.options(
        "/v1/embeddings", headers=preflight | {"origin": "https://shop.example"}
    )
    assert allowed.status_code == 200
    told = allowed.headers["access-control-allow-headers"].lower().replace(" ", "")
    assert set(names.split(",")) <= set(told.split(","))
    other = client.options("/v1/embeddings", headers=preflight | {"origin": "https://evil.example"})
    assert other.status_code == 400


@pytest.mark.parametrize(
    "origins", ["shop.example", "https://shop.example/", "HTTPS://x", "null", ","]
)
def test_what_is_no_origin_is_refused_at_the_start(settings, origins) -> None:
    """An origin that no browser sends would never match."""
    with pytest.raises(InvalidInput, match="BEARING_CORS_ORIGINS"):
        settings(cors_origins=origins)


def test_all_origins_are_allowed_with_keys_only(settings) -> None:
    """Else every page on the web could write to a service on its reader's machine."""
    with pytest.raises(InvalidInput, match="BEARING_API_KEYS"):
        settings(cors_origins="*")
    assert settings(cors_origins="*", api_keys="key").cors_origins == ("*",)


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
    assert headers["referrer-policy"] == "no-referrer"
    assert "microphone=()" in headers["permissions-policy"]


def test_a_fault_carries_the_policy_too(client: TestClient) -> None:
    """What no handler foresaw is answered like everything else."""

    async def fail() -> None:
        raise RuntimeError

    client.app.add_api_route("/fault", fail)
    answer = client.get("/fault", headers={"x-request-id": "mine"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_each_request_has_an_id_of_its_own(client: TestClient) -> None:
    """Two answers never share an id."""
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    "given", ["a", "0af7651916cd43dd-8448eb211c80319c", "A.b_c:d-" + "9" * 100]
)
def test_the_clients_request_id_is_kept(client: TestClient, given: str) -> None:
    """So that one id leads through all services that a request passes."""
    answer = client.get("/nowhere", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, '"}', "é", "a;b"])
def test_a_request_id_that_a_log_cannot_take_is_replaced(client: TestClient, given: str) -> None:
    """Nobody writes into the log what is no id."""
    answer = client.get("/healthz", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32
