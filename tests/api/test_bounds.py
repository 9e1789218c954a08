"""Keys that are bound to a part of what is kept: nothing of the rest comes back, by any route."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.access.keys import KeysBroken, digest_of, parse_keys, parse_lines, write_entry
from app.access.roles import Role
from app.commands import key as key_command
from app.routes import ROUTES
from app.routing.reach import REACH, Reach, name_of
from indexer.documents import Document
from indexer.errors import InvalidInput

READER, WRITER, SHELF, OWNER = "reader-of-acme", "writer-of-acme", "reader-of-news", "owner"
FOREIGN = re.compile(rb"z(?:eta|id|word|title|field|value)\d*")
"""What only documents of the other tenant hold."""

Ask = Callable[..., httpx2.Response]


def line(**said: object) -> str:
    """A line of the file of keys."""
    return json.dumps(said) + "\n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of keys: bound to a tenant's documents, bound to a collection, and of all."""
    file = tmp_path / "keys"
    file.write_text(
        line(name="reader", key=READER, filter={"tenant": "acme"})
        + line(name="writer", key=WRITER, role="write", filter={"tenant": "acme"})
        + line(name="shelf", key=SHELF, role="write", collections=["news", "absent"])
        + f"owner:admin:{OWNER}\n"
    )
    return file


@pytest.fixture
def service(connect: Callable[..., TestClient], keys: Path) -> TestClient:
    """A service with these keys, which takes judgements."""
    client: TestClient = connect(
        api_keys_file=keys, feedback="texts", data="memory:", audit_log="off"
    )
    return client


@pytest.fixture
def ask(service: TestClient) -> Ask:
    """Makes a request with a key."""

    def request(key: str, method: str, path: str, body: object = None, **more: Any):
        headers = {"x-api-key": key} | more.pop("headers", {})
        return service.request(method, path, json=body, headers=headers, **more)

    return request


def own_document(number: int) -> dict[str, Any]:
    """A document of the tenant whose keys are tried."""
    return {
        "id": f"own{number}",
        "text": f"a moon over house {number}. It is seen from far away.",
        "title": f"A night by the sea {number}",
        "metadata": {"tenant": "acme", "year": 2000 + number, "kind": ["moon", "shared"]},
    }


def foreign_document(number: int) -> dict[str, Any]:
    """A document of another tenant, every part of which can be told."""
    return {
        "id": f"zid{number}",
        "text": f"a moon over house zword{number}. It is seen from far away.",
        "title": f"A night by the sea ztitle{number}",
        "metadata": {
            "tenant": "zeta",
            "year": 2000 + number,
            "kind": ["zvalue", "shared"],
            f"zfield{number}": number,
        },
    }


def mcp_call(tool: str, **arguments: object) -> dict[str, Any]:
    """The body of a call of a tool."""
    called = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": called}


MCP = {"headers": {"accept": "application/json, text/event-stream"}}
NDJSON = {"content": b'{"id": "own1", "text": "a moon"}\n{"id": "zid1", "text": "taken"}\n'}
ALL = {"query": "a moon over a house", "k": 100, "facets": ["tenant", "kind", "zfield1", "year"]}

CALLS: dict[str, list[tuple[Any, ...]]] = {
    "search.search": [
        ("POST", "/search", ALL | {"explain": 5}),
        ("POST", "/search", ALL | {"mode": "dense", "exact": True, "temperature": 0.1}),
        ("POST", "/search", ALL | {"mode": "lexical", "explain": 5}),
        ("POST", "/search", {"query": "a moon", "k": 100, "group_by": "kind", "group_size": 9}),
        ("POST", "/search", {"query": "a moon", "k": 100, "diversity": 0.5, "mode": "dense"}),
        ("POST", "/search", ALL | {"filter": {"tenant": {"$ne": "acme"}}}),
        ("POST", "/search", ALL | {"filter": {"$or": [{"year": 2001}, {"zfield1": 1}]}}),
        ("POST", "/search", {"like": ["own1"], "k": 100}),
        ("POST", "/search", {"query": "a moon", "k": 100, "facets": ["kind"], "facet_depth": 9}),
    ],
    "search.search_batch": [
        ("POST", "/search/batch", {"searches": [ALL, {"query": "night", "min_score": -1.0}]})
    ],
    "search_links.search_by_link": [
        ("GET", "/search?q=moon&k=50&facets=kind,tenant"),
        ("GET", "/search?k=50&facets=kind,tenant"),
        ("GET", "/search?k=50&sort=year&order=descending"),
    ],
    "documents.list_documents": [
        ("GET", "/documents?limit=100"),
        ("GET", "/documents?limit=100&sort=year"),
        ("GET", '/documents?limit=100&filter={"tenant":"zeta"}'),
    ],
    "duplicates.list_duplicates": [("GET", "/duplicates"), ("GET", "/duplicates?documents=3")],
    "exports.export_documents": [
        ("GET", "/documents/export"),
        ("GET", '/documents/export?filter={"tenant":"zeta"}'),
    ],
    "documents.get_document": [("GET", "/documents/own1")],
    "pictures.get_thumbnail": [("GET", "/documents/own1/thumbnail")],
    "pictures.get_picture": [("GET", "/documents/own1/picture")],
    "feedback.take_feedback": [
        ("POST", "/feedback", {"query": "moon", "id": "own1", "clicked": True})
    ],
    "files.list_formats": [("GET", "/formats")],
    "collections.list_collections": [("GET", "/collections")],
    "collections.describe_collection": [("GET", "/collections/default")],
    "collections.list_fields": [("GET", "/collections/default/fields")],
    "collections.list_examples": [("GET", "/collections/default/examples?limit=20")],
    "maps.show_map": [("GET", "/map")],  # collections in memory have none: see below
    "maps.show_map_points": [("GET", "/map/points")],
    "maps.show_map_values": [("GET", "/map/values?field=tenant")],
    "callers.describe_caller": [("GET", "/whoami")],
    "tokens.make_token": [("POST", "/tokens", {"filter": {"tenant": "acme"}})],
    "assistants.answer_assistant": [
        ("POST", "/mcp", mcp_call("search", query="a moon over a house", k=100), MCP),
        ("POST", "/mcp", mcp_call("list_documents", limit=100), MCP),
        ("POST", "/mcp", mcp_call("list_collections"), MCP),
        ("POST", "/mcp", mcp_call("get_document", id="own1"), MCP),
    ],
    "documents.put_documents": [("PUT", "/documents", {"documents": [own_document(1)]})],
    "documents.delete_documents": [
        ("POST", "/documents/delete", {"filter": {"tenant": {"$ne": "acme"}}})
    ],
    "documents.delete_document": [("DELETE", "/documents/own99")],
    "imports.import_documents": [
        ("POST", "/documents/import", None, NDJSON),
        ("POST", "/documents/import?source=crm&prune=true", None, NDJSON),
        ("POST", "/documents/import?source=crm&dry_run=true", None, NDJSON),
    ],
    "files.take_file": [
        ("POST", "/documents/files?name=a.jsonl", None, NDJSON),
        ("POST", "/documents/files?name=own.txt", None, {"content": b"a moon"}),
    ],
    "admin.compare": [],  # of admins, whose keys are not bound
}
"""Requests of each route that a bound key may call and that reads documents, or changes some."""

OF_NO_DOCUMENTS = {"status.check_health", "status.check_readiness", "inference.check_health"} | {
    name for name in REACH if name.split(".")[0] in ("openai", "cohere", "reranking", "ollama")
}
OF_NO_DOCUMENTS |= {name for name in REACH if name.startswith("inference.")}
"""Routes that embed what is sent to them, or tell of models and of the process."""


def test_every_route_says_what_it_is_for_bound_keys() -> None:
    """A route is in the table, and tried below if it answers such keys; else it refuses them."""
    endpoints = {name_of(one.endpoint) for each in ROUTES for one in each.router.routes}
    assert endpoints == set(REACH), "name a new route in app.routing.reach"
    own = {name for name, reach in REACH.items() if reach is Reach.OWN}
    assert own == CALLS.keys() | OF_NO_DOCUMENTS, "try a new route here"


@settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],  # a smaller example would tell no more
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@example(own={1, 2, 3}, foreign={1, 2, 4})
@given(
    own=st.sets(st.integers(0, 9), max_size=4),
    foreign=st.sets(st.integers(0, 9), min_size=1, max_size=5),
)
def test_no_route_tells_of_a_foreign_document(ask: Ask, own: set[int], foreign: set[int]) -> None:
    """Whatever is asked, with a key that reads and one that writes: no id, text, value or count."""
    ask(OWNER, "POST", "/documents/delete", {"filter": {"tenant": {"$exists": True}}})
    kept = [own_document(n) for n in own] + [foreign_document(n) for n in foreign]
    assert ask(OWNER, "PUT", "/documents", {"documents": kept}).status_code == 200
    foreign_before = listed(ask, {"tenant": "zeta"})
    assert len(foreign_before) == len(foreign)
    check_counts(ask, {f"own{n}" for n in own})
    for key in (READER, WRITER):
        for call in (one for calls in CALLS.values() for one in calls):
            method, path, body, more = (*call, *(None, {})[len(call) - 2 :])
            answer = ask(key, method, path, body, **more)
            said = answer.content.replace(b'"zid1"', b"").replace(b"'zid1'", b"")  # as it was sent
            said = said.replace(b'["zfield1"]', b"").replace(b'"zfield1": ', b"")
            said = said.replace(b'"zfield1":', b"")
            assert answer.status_code in (*range(500), 501), (call, answer.text)
            assert not FOREIGN.search(said), (call, answer.text)
    assert listed(ask, {"tenant": "zeta"}) == foreign_before


def listed(ask: Ask, condition: object) -> list[Any]:
    """The documents that pass a filter, for an owner."""
    query = f"/documents?limit=100&filter={json.dumps(condition)}"
    found: list[Any] = ask(OWNER, "GET", query).json()["documents"]
    return found


def check_counts(ask: Ask, own: set[str]) -> None:
    """Raise AssertionError unless every count is of the own documents, which the oracle names."""
    for mode in ("dense", "lexical", "hybrid"):
        found = ask(READER, "POST", "/search", ALL | {"mode": mode}).json()
        assert {one["id"] for one in found["hits"]} == own
        assert found["total"] in (None, len(own))
        facets = found["facets"]
        assert facets["documents"] == facets["fields"]["tenant"]["documents"] == len(own)
        assert facets["fields"]["zfield1"] == {"documents": 0, "distinct": 0, "values": []}
        kinds = {one["value"]: one["documents"] for one in facets["fields"]["kind"]["values"]}
        assert kinds == ({"moon": len(own), "shared": len(own)} if own else {})
    listing = ask(READER, "GET", "/search?k=50&facets=kind").json()
    assert (listing["total"], listing["facets"]["documents"]) == (len(own), len(own))
    (described,) = ask(READER, "GET", "/collections").json()["collections"]
    assert described == ask(READER, "GET", "/collections/default").json()
    assert described["documents"] == len(own)
    assert described["chunks"] is described["bytes"] is None
    fields = ask(READER, "GET", "/collections/default/fields").json()["fields"]
    assert [one["name"] for one in fields] == (["kind", "tenant", "year"] if own else [])
    (shelf,) = ask(READER, "POST", "/mcp", mcp_call("list_collections"), **MCP).json()["result"][
        "structuredContent"
    ]["collections"]
    assert shelf["documents"] == len(own)


def test_a_foreign_id_is_answered_as_one_of_none(ask: Ask) -> None:
    """Reading, judging, comparing and deleting give the same status and the same words."""
    ask(OWNER, "PUT", "/documents", {"documents": [own_document(1), foreign_document(1)]})
    for method, path, body in (
        ("GET", "/documents/ID", None),
        ("GET", "/documents/ID/thumbnail", None),
        ("GET", "/documents/ID/picture", None),
        ("DELETE", "/documents/ID", None),
        ("POST", "/documents/delete", {"ids": ["ID"]}),
        ("POST", "/search", {"like": ["ID"]}),
        ("POST", "/search", {"query": "moon", "unlike": ["ID"]}),
        ("POST", "/feedback", {"query": "moon", "id": "ID", "clicked": True}),
        ("POST", "/mcp", mcp_call("get_document", id="ID")),
    ):
        answers = []
        for id in ("zid1", "zidX"):
            sent = None if body is None else json.loads(json.dumps(body).replace("ID", id))
            answer = ask(WRITER, method, path.replace("ID", id), sent, **MCP)
            said = re.sub(r'"request_id":"\w+"', "", answer.text.replace(id, "ID"))
            answers.append((answer.status_code, said))
        assert answers[0] == answers[1], (method, path)
    assert ask(OWNER, "GET", "/documents/zid1").status_code == 200


def test_a_bound_key_writes_within_its_bounds(ask: Ask) -> None:
    """What the filter asks to be equal is filled in; else a document is refused, or in conflict."""
    ask(OWNER, "PUT", "/documents", {"documents": [foreign_document(1)]})
    filled = ask(WRITER, "PUT", "/documents", {"documents": [{"id": "a", "text": "moon"}]})
    assert filled.json()["written"] == 1
    assert ask(OWNER, "GET", "/documents/a").json()["metadata"] == {"tenant": "acme"}
    again = ask(WRITER, "PUT", "/documents", {"documents": [{"id": "a", "text": "moon"}]})
    assert again.json()["unchanged"] == 1
    wrong = {"id": "b", "text": "moon", "metadata": {"tenant": "zeta"}}
    refused = ask(WRITER, "PUT", "/documents", {"documents": [wrong]})
    assert refused.status_code == 422
    assert "tenant" in refused.json()["detail"]
    taken = ask(WRITER, "PUT", "/documents", {"documents": [{"id": "zid1", "text": "moon"}]})
    assert taken.status_code == 409
    assert not FOREIGN.search(taken.content.replace(b"zid1", b""))
    lines = ask(WRITER, "POST", "/documents/import", **NDJSON).text.splitlines()
    refusal, _, done = map(json.loads, lines)
    assert (refusal["line"], refusal["reason"]) == (
        2,
        "document 'zid1': this id is taken; use another",
    )
    assert (done["event"], done["written"], done["rejected"]) == ("done", 1, 1)
    assert ask(OWNER, "GET", "/documents/zid1").json()["title"].startswith("A night")
    of_a_source = ask(WRITER, "POST", "/documents/import?source=crm&prune=true", **NDJSON)
    assert of_a_source.status_code == 403


def test_a_key_of_some_collections_meets_no_others(ask: Ask) -> None:
    """They are listed nowhere, and asked for by name they are as if they were not there."""
    ask(OWNER, "PUT", "/collections/news", {})
    ask(OWNER, "PUT", "/collections/zeta", {})
    ask(OWNER, "PUT", "/collections/zeta/documents", {"documents": [foreign_document(1)]})
    path = "/collections/news/documents"
    assert ask(SHELF, "PUT", path, {"documents": [own_document(1)]}).status_code == 200
    names = [one["name"] for one in ask(SHELF, "GET", "/collections").json()["collections"]]
    assert names == ["news"]
    whole = ask(SHELF, "GET", "/collections/news").json()
    assert whole == ask(OWNER, "GET", "/collections/news").json()
    assert ask(SHELF, "POST", "/collections/news/search", {"query": "moon"}).json()["hits"]
    assert ask(SHELF, "GET", "/collections/news/diagnostics").status_code == 200
    for rest in ("", "/search", "/documents", "/documents/zid1", "/fields", "/map"):
        said = []
        for name in ("zeta", "nope", "absent"):
            answer = ask(SHELF, "GET", f"/collections/{name}{rest}")
            assert answer.status_code == 404
            said.append(answer.json()["detail"].replace(name, "NAME"))
        assert said == [said[0]] * 3
        assert "there are: news" in said[0]
    for path in ("/search", "/collections/zeta/search"):
        assert ask(SHELF, "POST", path, {"query": "moon"}).status_code == 404
    assert ask(SHELF, "PUT", "/documents", {"documents": []}).status_code == 404
    ask(OWNER, "PUT", "/aliases/absent", {"collection": "zeta"})
    described = ask(SHELF, "GET", "/collections").json()["collections"]
    assert [one["name"] for one in described] == ["absent", "news"]
    assert ask(SHELF, "GET", "/collections/absent").json() == described[0]
    assert ask(SHELF, "GET", "/collections/absent/documents/zid1").status_code == 200
    assert ask(SHELF, "GET", "/collections/zeta").status_code == 404
    models = ask(SHELF, "GET", "/v1/models").json()["data"]
    assert [one["id"] for one in models] == ["hashing-256"]
    embedded = ask(SHELF, "POST", "/v1/embeddings", {"input": "x", "model": "hashing-256"})
    assert embedded.status_code == 200
    assert ask(SHELF, "POST", "/embed", {"inputs": "x"}).status_code == 200


@pytest.mark.parametrize("key", [READER, SHELF])
def test_what_is_of_all_that_is_kept_is_refused_to_a_bound_key(ask: Ask, key: str) -> None:
    """Metrics count all documents; diagnostics are of a whole collection."""
    for path in ("/metrics", "/models"):
        answer = ask(key, "GET", path)
        assert answer.status_code == 403
        assert "bound to a part" in answer.json()["detail"]
    answer = ask(key, "GET", "/collections/default/diagnostics")
    assert answer.status_code == (403 if key == READER else 404)


def test_a_key_tells_its_bounds(ask: Ask) -> None:
    """So that the page offers what there is; the filter itself stays with who made the key."""
    assert ask(SHELF, "GET", "/whoami").json()["collections"] == ["absent", "news"]
    told = ask(READER, "GET", "/whoami").json()
    assert told["filtered"] is True
    assert "acme" not in json.dumps({**told, "name": ""})


def test_an_expired_key_is_refused_and_told_so(connect, tmp_path: Path) -> None:
    """From the moment that its line names; one that ends later says when."""
    file = tmp_path / "keys"
    soon = time.time() + 3600
    file.write_text(
        line(name="past", key="one", expires="2020-01-01")
        + line(name="coming", key="two", expires=f"{time.strftime('%FT%TZ', time.gmtime(soon))}")
    )
    client = connect(api_keys_file=file)
    refused = client.get("/whoami", headers={"x-api-key": "one"})
    assert refused.status_code == 401
    assert "the key 'past' expired at 2020-01-01T00:00:00Z" in refused.json()["detail"]
    told = client.get("/whoami", headers={"x-api-key": "two"}).json()
    assert told["expires"] == time.strftime("%FT%TZ", time.gmtime(soon))


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ('{"key": "a b"}', "key: must be of printable"),
        ('{"role": "search"}', "key: Field required"),
        ('{"key": "secret-a", "role": "owner"}', "role: "),
        ('{"key": "secret-a", "filters": {}}', "a field is unknown; there are name, role, key"),
        ('{"key": "secret-a", "filter": {}}', "filter: "),
        ('{"key": "secret-a", "filter": {"a": {"$is": 1}}}', "unknown operator"),
        ('{"key": "secret-a", "collections": []}', "collections: "),
        ('{"key": "secret-a", "expires": "soon"}', "expires: must be a date"),
        ('{"key": "secret-a", "expires": "2027-01-01T10:00"}', "expires: must be a date"),
        ('{"key": "secret-a", "expires": 1}', "expires: must be a date"),
        ('{"key": "secret-a", "rate": "often"}', "no rate"),
        ('{"key": "secret-a", "role": "admin", "filter": {"a": 1}}', "not be of role admin"),
        ('{"key": "secret-a", "key": "b"}', "has a field twice"),
        ('{"key": "secret-a"', "not JSON"),
    ],
)
def test_a_wrong_line_is_refused_by_what_is_wrong(said: str, complaint: str) -> None:
    """Without telling the key."""
    with pytest.raises(KeysBroken, match=re.escape(complaint)) as refusal:
        parse_lines([said])
    assert "secret" not in str(refusal.value)
    assert str(refusal.value).startswith("line-1: ")


def test_an_object_is_refused_among_the_keys_of_the_environment() -> None:
    """They are separated by commas, which an object holds too."""
    with pytest.raises(KeysBroken, match="goes into the file of keys"):
        parse_keys(['{"key": "a"}'])


def test_an_entry_with_bounds_is_a_line_of_the_file() -> None:
    """It lets the key in, within these bounds, until it expires."""
    entry = write_entry(
        "secret", Role.WRITE, "acme", collections=["news"], filter={"a": 1}, expires="2027-01-01"
    )
    (key,) = parse_lines([entry])
    assert (key.name, key.role, key.digest) == ("acme", Role.WRITE, digest_of("secret"))
    assert key.bounds.collections == {"news"}
    assert key.has_expired(1_798_761_600)
    assert not key.has_expired(1_798_761_599)
    with pytest.raises(InvalidInput, match="unknown operator"):
        write_entry("secret", Role.WRITE, "acme", filter={"a": {"$is": 1}})


def test_the_command_writes_the_line_of_a_bound_key() -> None:
    """The line lets the key in, as the options say; wrong ones make no key."""
    app = typer.Typer()
    app.command()(key_command)
    options = ["--name", "acme", "--collections", "news, books", "--filter", '{"tenant": "acme"}']
    done = CliRunner().invoke(app, [*options, "--expires", "30d", "--json"])
    made = json.loads(done.stdout)
    (key,) = parse_lines([made["entry"]])
    assert (key.name, key.role, key.digest) == ("acme", Role.SEARCH, digest_of(made["key"]))
    assert key.bounds.collections == {"news", "books"}
    assert key.bounds.complete(Document("a", "x")).metadata == {"tenant": "acme"}
    assert key.expires == pytest.approx(time.time() + 30 * 86_400, abs=60)
    for wrong in (
        ["--filter", "{"],
        ["--filter", "[]"],
        ["--filter", "{}"],
        ["--collections", "../a"],
        ["--expires", "soon"],
        ["--role", "admin", "--collections", "news"],
    ):
        refused = CliRunner().invoke(app, wrong)
        assert isinstance(refused.exception, InvalidInput), wrong


def test_a_map_tells_of_no_foreign_document(
    connect: Callable[..., TestClient], keys: Path, tmp_path: Path
) -> None:
    """Neither points, nor words, nor counts, nor values, before it is drawn and afterwards."""
    client = connect(api_keys_file=keys, data=tmp_path / "data", audit_log="off")
    documents = [each(n) for n in range(12) for each in (own_document, foreign_document)]
    owner, reader = {"x-api-key": OWNER}, {"x-api-key": READER}
    client.put("/documents", json={"documents": documents}, headers=owner)
    paths = ("/map", "/map/points", "/map/values?field=tenant", "/map/values?field=zfield1")
    own = {f"own{n}" for n in range(12)}
    deadline = time.monotonic() + 60
    while True:
        answers = [client.get(path, headers=reader) for path in paths]
        for answer in answers:
            assert answer.status_code in (200, 202, 404)
            assert not FOREIGN.search(answer.content.replace(b"zfield1", b"")), answer.text
        described = answers[0].json()
        assert described["documents"] + described["late"] == len(own)
        if described["state"] == "ready" or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert described["state"] == "ready"
    assert set(answers[1].json()["ids"]) == own
    assert answers[2].json()["categories"] == [{"value": "acme", "documents": len(own)}]
    assert answers[3].status_code == 404
    assert sum(one["documents"] for one in described["clusters"]) == len(own)
