"""Errors: each a problem document, whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from serving import service_here
from starlette.testclient import TestClient

DEEP = 100_000
JSON = {"content-type": "application/json"}


def problem(response) -> dict[str, object]:
    """The problem document of an answer; it is checked to be one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(document)
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    return document


HOSTILE = {
    "nothing": b"",
    "not json": b"query=x",
    "half": b'{"query": "x"',
    "two": b'{"query": "x"} {}',
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "NaN": b'{"query": "x", "min_score": NaN}',
    "Infinity": b'{"query": "x", "min_score": Infinity}',
    "a number beyond float64": b'{"query": "x", "min_score": 1e999}',
    "a vector beyond float64": b'{"vector": [1e999]}',
    "a vector of zeros": b'{"vector": [' + b",".join([b"0"] * 256) + b"]}",
    "a vector of another dimension": b'{"vector": [1, 2]}',
    "an empty vector": b'{"vector": []}',
    "a vector too long": b'{"vector": [' + b",".join([b"1"] * 9_000) + b"]}",
    "a vector of strings": b'{"vector": ["1"]}',
    "a vector of booleans": b'{"vector": [true]}',
    "a lone surrogate": b'{"query": "\\ud800"}',
    "an encoded surrogate": b'{"query": "\xed\xa0\x80"}',
    "not utf-8": b'{"query": "\xff"}',
    "utf-16": '{"query": "x"}'.encode("utf-16"),
    "a deep list": b'{"vector": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a deep filter": b'{"query": "x", "filter": ' + b'{"$not": ' * 900 + b"{}" + b"}" * 901,
    "a wide filter": json.dumps(
        {"query": "x", "filter": {"$or": [{"a": n} for n in range(2_000)]}}
    ).encode(),
    "an unknown operator": b'{"query": "x", "filter": {"$where": "1"}}',
    "a filter as text": b'{"query": "x", "filter": "year > 1"}',
    "a number as query": b'{"query": 1}',
    "no subject": b"{}",
    "two subjects": b'{"query": "x", "vector": [1]}',
    "an unknown field": b'{"query": "x", "top_k": 3}',
    "a string as k": b'{"query": "x", "k": "3"}',
    "a fraction as k": b'{"query": "x", "k": 3.5}',
    "a huge float as k": b'{"query": "x", "k": 1e300}',
    "a boolean as k": b'{"query": "x", "k": true}',
    "k of 0": b'{"query": "x", "k": 0}',
    "k below 0": b'{"query": "x", "k": -1}',
    "k of 70 bits": b'{"query": "x", "k": 1180591620717411303424}',
    "a filter by an integer of 70 bits": b'{"query": "x", "filter": {"n": 1180591620717411303424}}',
    "a field twice": b'{"query": "x", "k": 1, "k": 2}',
    "k of 5,000 digits": b'{"query": "x", "k": ' + b"9" * 5_000 + b"}",
    "k over the limit": b'{"query": "x", "k": 1001}',
    "a query over the limit": json.dumps({"query": "x" * 32_769}).encode(),
    "a string as exact": b'{"query": "x", "exact": "true"}',
    "an unknown mode": b'{"query": "x", "mode": "magic"}',
    "words of a vector": b'{"vector": [1], "mode": "lexical"}',
    "temperature 0": b'{"query": "x", "temperature": 0}',
    "examples as text": b'{"like": "a"}',
    "examples of numbers": b'{"like": [1]}',
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service with default limits that nothing changes."""
    with service_here(tmp_path_factory.mktemp("service"), raise_errors=False) as client:
        yield client


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_search_is_refused_as_a_problem(shared: TestClient, body: bytes) -> None:
    """No body brings down a search or is answered otherwise than by a 4xx problem."""
    response = shared.post("/search", content=body, headers=JSON)
    assert 400 <= response.status_code < 500, response.text
    problem(response)


def test_an_integer_may_be_written_with_a_point(client: TestClient) -> None:
    """3.0 is the integer 3, as the schema has it: JSON has one kind of number."""
    body = b'{"query": "x", "k": 3.0, "group_size": 1.0, "explain": 0.0, "candidates": 7.0}'
    assert client.post("/search", content=body, headers=JSON).status_code == 200
    assert client.post("/search", json={"query": "x", "rerank": True}).status_code == 422


@pytest.mark.parametrize("path", ["/documents", "/documents/delete", "/admin/similarity"])
def test_a_hostile_body_is_refused_everywhere(client: TestClient, path: str) -> None:
    """The same bodies are refused by other routes."""
    method = "PUT" if path == "/documents" else "POST"
    for name, body in HOSTILE.items():
        response = client.request(method, path, content=body, headers=JSON)
        assert 400 <= response.status_code < 500, name
        problem(response)


def test_a_problem_says_where_what_and_what_else(client: TestClient) -> None:
    """Each error of a body has its location, what was given, and what is allowed."""
    body = {"searches": [{"query": "x"}, {"query": "x", "k": "many", "exact": 1}]}
    document = problem(client.post("/search/batch", json=body))
    assert document["status"] == 422
    assert document["errors"] == [
        {
            "location": "body.searches[1].k",
            "given": "'many'",
            "allowed": "Input should be a valid integer",
        },
        {
            "location": "body.searches[1].exact",
            "given": "1",
            "allowed": "Input should be a valid boolean",
        },
    ]


def test_an_unknown_field_is_answered_with_the_known_ones(client: TestClient) -> None:
    """The refusal of a field lists those that there are."""
    document = problem(client.post("/search", json={"query": "x", "topk": 3}))
    assert "'topk'" in document["detail"]
    assert "temperature" in document["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/nowhere", 404),
        ("GET", "/search/batch", 405),
        ("POST", "/healthz", 405),
        ("PATCH", "/documents", 405),
        ("GET", "/documents/import/../../../etc/passwd", 404),
        ("GET", "/../main.py", 404),
        ("GET", "/%2e%2e/main.py", 404),
        ("GET", "/%00", 404),
        ("GET", "/collections/%ff", 422),
    ],
)
def test_a_route_that_is_not_there_is_a_problem(
    client: TestClient, method: str, path: str, status: int
) -> None:
    """Routing errors are problems too; 405 says which methods there are."""
    response = client.request(method, path)
    assert response.status_code == status
    problem(response)
    assert (status == 405) == ("allow" in response.headers)


def test_a_parameter_that_no_route_reads_is_refused(client: TestClient) -> None:
    """What stands in the URL of a search would be ignored, so it is refused."""
    document = problem(client.post("/search?k=3", json={"query": "x"}))
    assert (document["status"], "'k'" in document["detail"]) == (422, True)


def test_a_body_of_another_type_is_refused_by_name(client: TestClient) -> None:
    """A body that is not said to be JSON is a 415 that says what to send."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    document = problem(client.post("/search", content=b'{"query": "x"}', headers=headers))
    assert document["status"] == 415
    assert "application/json" in document["detail"]


@pytest.mark.parametrize("length", ["many", "-1", "1e3", "9" * 5_000])
def test_a_length_that_is_no_number_is_refused(client: TestClient, length: str) -> None:
    """What a client says of its body's length is not trusted to be a number."""
    headers = {"content-type": "application/json", "content-length": length}
    answer = client.post("/search", content=b'{"query": "x"}', headers=headers)
    assert answer.status_code == 400
    assert "content-length" in answer.json()["detail"]


def test_a_body_over_the_limit_is_refused_by_name(connect) -> None:
    """A long body is a 413 that names the limit and the setting, stated or in chunks."""
    client = connect(max_body_bytes=100)
    body = json.dumps({"query": "x" * 200}).encode()
    for content in (body, iter([body[:90], body[90:]])):
        document = problem(client.post("/search", content=content, headers=JSON))
        assert document["status"] == 413
        assert "100" in document["detail"]
        assert "BEARING_MAX_BODY_BYTES" in document["detail"]


@pytest.mark.parametrize(
    ("setting", "path", "body"),
    [
        ("max_texts", "/search/batch", {"searches": [{"query": "x"}] * 5}),
        ("max_hits", "/search/batch", {"searches": [{"query": "x", "k": 10}] * 3}),
        ("max_texts", "/search", {"like": ["a"] * 5}),
        ("max_texts", "/documents/delete", {"ids": ["a"] * 5}),
        ("max_texts", "/admin/similarity", {"a": ["x"] * 5}),
        ("max_characters", "/admin/similarity", {"a": ["x" * 101]}),
        ("max_dimension", "/admin/similarity", {"a": [[1.0] * 301]}),
        ("max_dimension", "/search", {"vector": [1.0] * 301}),
        ("max_query_characters", "/search", {"query": "x" * 51}),
        ("max_k", "/search", {"query": "x", "k": 21}),
        ("max_cells", "/admin/similarity", {"a": ["x"] * 4, "metrics": ["dot", "cosine"]}),
        ("max_page", "/documents?limit=31", None),
    ],
)
def test_each_limit_is_named_when_it_is_passed(connect, setting, path, body) -> None:
    """A request over a limit is refused with the setting that would allow it."""
    limits = {"max_texts": 4, "max_hits": 25, "max_characters": 100, "max_dimension": 300}
    client = connect(**limits, max_query_characters=50, max_k=20, max_cells=60, max_page=30)
    document = problem(client.request("POST" if body else "GET", path, json=body))
    assert document["status"] in (413, 422)
    assert f"BEARING_{setting.upper()}" in document["detail"]


def test_a_write_over_a_limit_is_refused(connect) -> None:
    """Too many or too long documents are refused before any is embedded."""
    client = connect(max_texts=2, max_characters=10)
    for documents in ([{"id": "a", "text": "x"}] * 3, [{"id": "a", "text": "x" * 11}]):
        assert client.put("/documents", json={"documents": documents}).status_code == 413


def test_a_fault_says_nothing_of_the_inside(client: TestClient) -> None:
    """A 500 carries a request id and no message of the exception."""

    async def fail() -> None:
        raise RuntimeError("secret")

    client.app.add_api_route("/fault", fail)
    response = client.get("/fault")
    document = problem(response)
    assert document["status"] == 500
    assert document["request_id"] in document["detail"]
    assert "secret" not in response.text
