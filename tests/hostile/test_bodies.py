"""Bodies that parsers, stores and models stumble over; what must be refused, and what must not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from serving import service_here
from starlette.testclient import TestClient

JSON = {"content-type": "application/json"}
DEEP = 100_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service of the hashing model."""
    with service_here(tmp_path_factory.mktemp("service"), raise_errors=False) as made:
        yield made


REFUSED_VALUES = {
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "a number beyond float64": b"1e999",
    "an integer of 65 bits": b"18446744073709551616",
    "an integer of 64 bits without a sign": b"18446744073709551615",
    "an integer of 4,000 digits": b"9" * 4_000,
    "a lone surrogate": b'"\\ud800"',
    "surrogates in the wrong order": b'"\\udc00\\ud800"',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "an overlong slash": b'"\xc0\xaf"',
    "beyond Unicode": b'"\xf4\x90\x80\x80"',
    "a raw control character": b'"\x01"',
    "an unknown escape": b'"\\x00"',
    "a deep list": b"[" * DEEP + b"]" * DEEP,
    "a deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a list in a list": b"[[1]]",
    "a comment": b"/* */ 1",
    "a trailing comma": b"[1,]",
    "a hexadecimal number": b"0x10",
    "a number with a leading zero": b"01",
    "half a literal": b"tru",
}
KEPT_VALUES = [
    "\x00",
    "a\x00b",
    "\u202e\ufeff\u2028",
    "\U0010ffff",
    "\ufffe",
    "e\u0301" * 500,
    "'; DROP TABLE documents; --",
    "<script>alert(1)</script>",
    "$where",
    "__proto__",
    2**63 - 1,
    -(2**63),
    5e-324,
    1.7976931348623157e308,
    -0.0,
    [],
    ["", 0, False, None],
    "",
    None,
]


def with_metadata(value: bytes, id: bytes = b"a") -> bytes:
    """A document whose metadata holds a value, as JSON."""
    return b'{"id": "%s", "text": "x", "metadata": {"field": %s}}' % (id, value)


@pytest.mark.parametrize("value", REFUSED_VALUES.values(), ids=REFUSED_VALUES.keys())
def test_a_value_that_cannot_be_kept_exactly_is_refused(client: TestClient, value: bytes) -> None:
    """A write of it is a 4xx, and an import rejects its line and stores the next."""
    body = b'{"documents": [' + with_metadata(value) + b"]}"
    answer = client.put("/documents", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    lines = with_metadata(value) + b"\n" + with_metadata(b"1", b"b") + b"\n"
    events = client.post("/documents/import", content=lines).text.splitlines()
    done = json.loads(events[-1])
    assert (done["event"], done["rejected"]) == ("done", 1), events
    assert client.get("/documents/a").status_code == 404


@pytest.mark.parametrize("value", KEPT_VALUES, ids=lambda value: ascii(value)[:20])
def test_an_odd_value_is_kept_as_it_is(client: TestClient, value: object) -> None:
    """As metadata, and as id, title, text and query where it is a text."""
    text = value if isinstance(value, str) else "x"
    document = {"id": "odd", "text": text, "title": text, "metadata": {"field": value}}
    assert client.put("/documents", json={"documents": [document]}).status_code == 200
    assert client.get("/documents/odd").json() == document
    if value != []:
        wanted = {"field": {"$in": value if isinstance(value, list) else [value]}}
        found = client.post("/search", json={"query": text, "filter": wanted})
        assert found.status_code in (200, 422)  # a text may have no direction
        if found.status_code == 200:
            assert document["metadata"] in [hit["metadata"] for hit in found.json()["hits"]]
    assert client.delete("/documents/odd").status_code == 204


ODD_NAMES = [
    ".", "..", "a/b", "a\\b", "a b", "\x00", "a\n", "é", "-a", "_a", "a" * 65, "a.b", "a:b",
    "\u202e", "CON ", "default\n",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_a_collection_of_an_odd_name_is_not_made(client: TestClient, name: str) -> None:
    """Names are letters, digits, - and _: nothing that a file system or a URL could misread."""
    before = client.get("/collections").json()
    path = "/collections/" + "".join(f"%{byte:02x}" for byte in name.encode())
    for method in ("PUT", "GET", "DELETE"):
        assert 400 <= client.request(method, path).status_code < 500
    body = {"a": ["x"], "collection": name}
    assert 400 <= client.post("/admin/similarity", json=body).status_code < 500
    assert client.get("/collections").json() == before


@pytest.mark.parametrize("size", [100, 10_000])
def test_many_of_everything_is_answered(client: TestClient, size: int) -> None:
    """Long lists, wide objects and long texts are refused or answered, and never a fault."""
    bodies = [
        {"query": "x " * size},
        {"query": "x", "filter": {"$or": [{"a": n} for n in range(size)]}},
        {"query": "x", "filter": {"$and": [{}] * size}},
        {"query": "x", "filter": {f"a{n}": n for n in range(size)}},
        {"query": "x", "filter": {"a": {"$in": list(range(size))}}},
        {"like": [str(n) for n in range(size)]},
        {"vector": [1.0] * size},
        {f"a{n}": n for n in range(size)},
    ]
    for body in bodies:
        answer = client.post("/search", json=body)
        assert answer.status_code in (200, 404, 413, 422), answer.text[:200]
    documents = [
        {"id": "a" * size, "text": "x"},
        {"id": "a", "text": "x", "metadata": {"a" * size: 1}},
        {"id": "a", "text": "x", "metadata": {f"a{n}": n for n in range(size)}},
        {"id": "a", "text": "x", "metadata": {"a": ["y" * 10] * size}},
    ]
    for document in documents:
        answer = client.put("/documents", json={"documents": [document]})
        assert answer.status_code in (200, 413, 422), answer.text[:200]
