"""Keys: how they are written down, what each may do, and a file of them that changes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.access.keys import Keyring, KeysBroken, digest_of, make_secret, parse_keys, parse_lines
from app.access.roles import Role
from app.commands import key as key_command
from app.main import create_app
from app.routes import ROUTES, pages
from app.routing.requests import GuardedRoute
from app.settings import load_settings
from indexer.errors import InvalidInput

SEARCH, WRITE, ADMIN = "key-of-a-reader", "key-of-a-writer", "key-of-an-owner"
KEYS = f"ann:search:{SEARCH},write:{WRITE}, {ADMIN}"
DIGEST = digest_of(SEARCH).hex()

CALLS = [
    ("GET", "/collections", None, Role.SEARCH, 200),
    ("GET", "/collections/default", None, Role.SEARCH, 200),
    ("GET", "/collections/default/fields", None, Role.SEARCH, 200),
    ("GET", "/documents", None, Role.SEARCH, 200),
    ("GET", "/documents/a", None, Role.SEARCH, 404),
    ("GET", "/metrics", None, Role.SEARCH, 200),
    ("GET", "/whoami", None, Role.SEARCH, 200),
    ("POST", "/search", {"query": "x"}, Role.SEARCH, 200),
    ("POST", "/collections/default/search", {"query": "x"}, Role.SEARCH, 200),
    ("POST", "/search/batch", {"searches": [{"query": "x"}]}, Role.SEARCH, 200),
    ("PUT", "/documents", {"documents": []}, Role.WRITE, 200),
    ("POST", "/documents/import", None, Role.WRITE, 200),
    ("POST", "/documents/files?name=a.txt", None, Role.WRITE, 200),
    ("GET", "/formats", None, Role.SEARCH, 200),
    ("POST", "/documents/delete", {"ids": []}, Role.WRITE, 200),
    ("DELETE", "/documents/a", None, Role.WRITE, 404),
    ("POST", "/feedback", {"query": "x", "id": "a", "clicked": True}, Role.SEARCH, 409),
    ("GET", "/collections/default/feedback", None, Role.ADMIN, 200),
    ("DELETE", "/collections/default/feedback", None, Role.ADMIN, 200),
    ("POST", "/admin/similarity", {"a": ["x"]}, Role.ADMIN, 200),
    ("PUT", "/collections/new", {}, Role.ADMIN, 201),
    ("DELETE", "/collections/new", None, Role.ADMIN, 204),
]


def ask(client: TestClient, method: str, path: str, key: str, body: object = None):
    """The answer to a request with a key."""
    return client.request(method, path, json=body, headers={"x-api-key": key})


def test_a_key_may_do_what_its_role_covers(connect) -> None:
    """Each role may do what those before it may, and is refused the rest by name (403)."""
    client = connect(api_keys=KEYS)
    for method, path, body, needed, success in CALLS:
        for key, role in ((SEARCH, Role.SEARCH), (WRITE, Role.WRITE), (ADMIN, Role.ADMIN)):
            answer = ask(client, method, path, key, body)
            if role.covers(needed):
                assert answer.status_code in (success, 404, 200), (path, key)
            else:
                assert answer.status_code == 403, (path, key)
                assert answer.headers["content-type"] == "application/problem+json"
                assert needed in answer.json()["detail"]


def test_a_key_learns_its_name_and_role(connect) -> None:
    """A program can offer what its key may do, without trying; without a key it is not told."""
    client = connect(api_keys=KEYS)
    told = [ask(client, "GET", "/whoami", key).json() for key in (SEARCH, WRITE, ADMIN)]
    assert told == [
        {"name": "ann", "role": "search", "guarded": True, "feedback": False},
        {"name": "key-2", "role": "write", "guarded": True, "feedback": False},
        {"name": "key-3", "role": "admin", "guarded": True, "feedback": False},
    ]
    assert client.get("/whoami").status_code == 401


def test_without_keys_anyone_may_do_everything(client) -> None:
    """A service that needs no key says so."""
    told = client.get("/whoami").json()
    assert told == {"name": "anyone", "role": "admin", "guarded": False, "feedback": False}


def test_a_key_that_may_not_is_refused_before_the_body_is_read(connect) -> None:
    """Whoever may not write learns so whatever the body is."""
    client = connect(api_keys=KEYS)
    for content in (b"{", b'{"documents": 3}', b"x" * 100):
        answer = client.put("/documents", content=content, headers={"x-api-key": SEARCH})
        assert answer.status_code == 403


READING = {
    *("/embed", "/similarity", "/rerank", "/tokenize"),
    *("/v1/embeddings", "/v1/embed", "/v2/embed", "/v1/rerank", "/v2/rerank"),
    *("/api/embed", "/api/embeddings", "/tokens"),
}
"""Routes that are asked by POST, and change nothing: of other services' clients, and tokens."""

JUDGING = "/feedback"
"""The end of the one route by which those who may only search write: it is off unless set."""


def test_every_route_but_the_pages_asks_for_a_role(settings) -> None:
    """No route is open by oversight: each asks for a role, or is a page on the list."""
    for resource in ROUTES:
        assert all(isinstance(route, GuardedRoute) for route in resource.router.routes)
    document = create_app(settings(api_keys=KEYS)).openapi()
    assert document["components"]["securitySchemes"].keys() == {"bearer", "header"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path in ("/healthz", "/health", "/readyz"):
                assert "security" not in operation
                continue
            (role,) = operation["security"][0]["bearer"]
            reads = path.endswith(("/search", "/batch")) or path in READING
            judges = method == "post" and path.endswith(JUDGING)
            changes = method not in ("get", "head") and not reads and not judges
            assert Role(role).covers(Role.WRITE) or not changes, (method, path)
    assert {
        "/", "/healthz", "/health", "/readyz", "/docs", "/openapi.json",
    } == pages.OPEN_PATHS  # fmt: skip


def test_what_is_posted_to_an_open_page_needs_a_key(connect) -> None:
    """The page at / is for everyone, embedding by POST to it is not."""
    client = connect(api_keys=KEYS)
    client.put("/documents", json={"documents": []}, headers={"x-api-key": ADMIN})
    assert client.get("/").status_code == 200
    assert client.post("/", json={"inputs": "x"}).status_code == 401
    assert client.post("//embed", json={"inputs": "x"}).status_code == 401
    for path in ("/", "//embed"):
        given = client.post(path, json={"inputs": "x"}, headers={"x-api-key": ADMIN})
        assert given.status_code == 200, given.text


def test_without_keys_the_document_asks_for_none(settings) -> None:
    """The OpenAPI document of a service that needs no key speaks of none."""
    document = create_app(settings()).openapi()
    assert "securitySchemes" not in document["components"]
    assert "security" not in document["paths"]["/search"]["post"]


@pytest.mark.parametrize(
    ("entry", "name", "role", "secret"),
    [
        ("secret", "key-1", Role.ADMIN, "secret"),
        ("search:secret", "key-1", Role.SEARCH, "secret"),
        ("a.b-c@d:write:secret", "a.b-c@d", Role.WRITE, "secret"),
        (f"ann:search:sha256:{DIGEST}", "ann", Role.SEARCH, SEARCH),
        (f"sha256:{DIGEST.upper()}", "key-1", Role.ADMIN, SEARCH),
        ("pass:word", "key-1", Role.ADMIN, "pass:word"),
        ("a:b:c", "key-1", Role.ADMIN, "a:b:c"),
        ("admin:admin:admin", "admin", Role.ADMIN, "admin"),
        ("c2VjcmV0==", "key-1", Role.ADMIN, "c2VjcmV0=="),
    ],
)
def test_a_key_is_given_with_or_without_name_role_and_digest(entry, name, role, secret) -> None:
    """What has neither a name nor a role before it is a key that may do everything, as ever."""
    (key,) = parse_keys([entry])
    assert (key.name, key.role) == (name, role)
    assert Keyring([key]).find(secret) == key


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "no key"),
        ([""], "key-1: a key must be"),
        (["good", "bäd"], "key-2: a key must be"),
        (["secret word"], "key-1: what follows the key is no rate"),
        (["sha256:beef"], "64 hexadecimal digits"),
        (["one", "two", "one"], "'key-1' and 'key-3' are the same key"),
        (["search:one", "one"], "'key-1' and 'key-2' are the same key"),
        (["a:search:one", "a:write:two"], "the name 'a' is there 2 times"),
    ],
)
def test_wrong_keys_are_refused_without_being_told(entries, said) -> None:
    """The refusal says which one is wrong and why, and quotes none."""
    with pytest.raises(KeysBroken, match=said) as refusal:
        parse_keys(entries)
    assert not any(word in str(refusal.value) for word in ("good", "bäd", "word", "beef"))


@pytest.mark.parametrize("value", [",", " ", " , ,"])
def test_keys_that_name_none_keep_the_service_from_starting(monkeypatch, value) -> None:
    """Where keys were meant, none is no service for anyone: only an empty variable is as unset."""
    monkeypatch.setenv("BEARING_API_KEYS", value)
    with pytest.raises(InvalidInput, match=r"BEARING_API_KEYS: .*names nothing"):
        load_settings()


def write(path: Path, text: str) -> None:
    """Put a file under this name in one step, as whoever changes keys should."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_a_file_of_keys_is_read_again_when_it_changes(connect, tmp_path: Path, caplog) -> None:
    """New keys are let in and old ones kept out within about a second, without a restart."""
    file = tmp_path / "keys"
    file.write_text(f"# readers\n\nann:search:sha256:{DIGEST}\n")
    client = connect(api_keys_file=file, api_keys=ADMIN)
    assert ask(client, "GET", "/collections", SEARCH).status_code == 200
    assert ask(client, "GET", "/collections", ADMIN).status_code == 200
    write(file, f"bob:write:{WRITE}\n")
    _until(lambda: ask(client, "GET", "/collections", SEARCH).status_code == 401)
    assert ask(client, "PUT", "/documents", WRITE, {"documents": []}).status_code == 200


def _until(holds) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come to hold")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of keys is looked at by each request, not once a second."""
    monkeypatch.setattr("app.access.keys.LOOK_SECONDS", 0)


@pytest.mark.usefixtures("looked_at")
def test_a_broken_file_keeps_the_last_good_keys(connect, tmp_path: Path, caplog) -> None:
    """A file that is emptied, wrong or gone locks nobody out or in; log and metrics say so."""
    file = tmp_path / "keys"
    file.write_text(f"ann:search:{SEARCH}\n")
    client = connect(api_keys_file=file)

    def is_broken() -> bool:
        figures = ask(client, "GET", "/metrics", SEARCH).text
        return "bearing_keys_file_broken 1.0" in figures

    assert not is_broken()
    for text in ("", "# none\n", "ann:search:sha256:12\n", "a b\n", "\xff\n", None):
        caplog.clear()
        if text is None:
            file.unlink()
        else:
            write(file, text)
        assert is_broken()
        assert ask(client, "GET", "/collections", "other").status_code == 401
        assert sum("keys stay as they were" in line for line in caplog.messages) == 1
        assert SEARCH not in caplog.text
        write(file, f"ann:search:{SEARCH}\n")
        assert not is_broken()


@pytest.mark.parametrize("text", [None, "", "ann:search:sha256:12\n", "x\n" * 600_000])
def test_a_file_without_keys_keeps_the_service_from_starting(settings, tmp_path, text) -> None:
    """At the start there are no keys from before that could stay."""
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidInput, match="BEARING_API_KEYS_FILE"):
        create_app(settings(api_keys_file=file))


def test_a_key_is_not_twice_in_file_and_environment(settings, tmp_path: Path) -> None:
    """Nobody could say which role it has."""
    file = tmp_path / "keys"
    file.write_text("search:same\n")
    with pytest.raises(InvalidInput, match="same key"):
        create_app(settings(api_keys_file=file, api_keys="same"))


@pytest.mark.usefixtures("looked_at")
def test_a_change_that_keeps_time_and_length_is_seen(connect, tmp_path: Path) -> None:
    """A file that was young when it was read is read again, as its times may not tell."""
    file = tmp_path / "keys"
    file.write_text("aaaa\n")
    client = connect(api_keys_file=file)
    status = file.stat()
    with file.open("r+") as same:
        same.write("bbbb\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    _until(lambda: ask(client, "GET", "/collections", "bbbb").status_code == 200)


def test_lines_without_a_name_are_called_after_their_number() -> None:
    """So that the audit log leads to the line."""
    keys = parse_lines(["# comment", "", "one", "x:search:two"])
    assert [key.name for key in keys] == ["line-3", "x"]


def test_made_keys_are_long_and_never_the_same() -> None:
    """256 bits each, under a prefix that scanners for leaked secrets can know."""
    made = {make_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(each.startswith("bearing_") and len(each) == 8 + 43 for each in made)


def test_the_command_makes_a_key_and_its_line() -> None:
    """The line lets the key in, with its name and role, and does not hold it."""
    app = typer.Typer()
    app.command()(key_command)
    done = CliRunner().invoke(app, ["--name", "ann", "--role", "write", "--json"])
    made = json.loads(done.stdout)
    (key,) = parse_keys([made["entry"]])
    assert (key.name, key.role) == ("ann", Role.WRITE)
    assert Keyring([key]).find(made["key"]) is key
    assert made["key"] not in made["entry"]
