"""Tokens: short-lived, signed, and never good for more than the key that asked for them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.access.keys import parse_keys
from app.access.tokens import LONGEST, Grant, issue, key_named, narrowed
from app.commands import token as token_command
from app.settings import load_settings
from indexer.errors import Forbidden, InvalidInput, ServiceFailed

SECRET = "a-secret-of-more-than-thirty-two-characters"
READER, WRITER, OWNER = "reader-of-acme", "writer", "owner"
DOCUMENTS = [
    {"id": "acme-1", "text": "a moon", "metadata": {"tenant": "acme", "user": 1}},
    {"id": "acme-2", "text": "a moon", "metadata": {"tenant": "acme", "user": 2}},
    {"id": "zeta-1", "text": "a moon", "metadata": {"tenant": "zeta", "user": 1}},
]

Ask = Callable[..., httpx2.Response]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file with a bound key, one that writes, and an owner's."""
    file = tmp_path / "keys"
    reader = {"name": "reader", "key": READER, "filter": {"tenant": "acme"}}
    reader |= {"collections": ["default", "news"]}
    file.write_text(f"{json.dumps(reader)}\nwriter:write:{WRITER}\nowner:admin:{OWNER}\n")
    return file


@pytest.fixture
def service(connect: Callable[..., TestClient], keys: Path) -> TestClient:
    """A service that makes tokens, with documents of two tenants."""
    options = {"data": "memory:", "audit_log": "off", "token_secret": SECRET}
    client: TestClient = connect(api_keys_file=keys, **options)
    written = client.put("/documents", json={"documents": DOCUMENTS}, headers={"x-api-key": OWNER})
    assert written.status_code == 200
    return client


@pytest.fixture
def ask(service: TestClient) -> Ask:
    """Makes a request with a key or a token."""

    def request(key: str, method: str, path: str, body: object = None) -> httpx2.Response:
        found: httpx2.Response = service.request(
            method, path, json=body, headers={"authorization": f"Bearer {key}"}
        )
        return found

    return request


def token_of(ask: Ask, key: str, **rights: object) -> str:
    """The text of a token of a key."""
    made = ask(key, "POST", "/tokens", rights)
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    return str(made.json()["token"])


def seen(ask: Ask, key: str, path: str = "") -> set[str]:
    """The ids of the documents that a key finds."""
    answer = ask(key, "POST", f"{path}/search", {"query": "moon", "k": 9})
    assert answer.status_code == 200, answer.text
    return {one["id"] for one in answer.json()["hits"]}


def test_a_token_may_do_a_part_of_what_its_key_may(ask: Ask) -> None:
    """Its filter holds beside its key's; its role and its collections are at most its key's."""
    assert seen(ask, token_of(ask, OWNER)) == {"acme-1", "acme-2", "zeta-1"}
    assert seen(ask, token_of(ask, OWNER, filter={"user": 1})) == {"acme-1", "zeta-1"}
    assert seen(ask, token_of(ask, READER, filter={"user": 1})) == {"acme-1"}
    assert seen(ask, token_of(ask, READER, filter={"tenant": "zeta"})) == set()
    news = token_of(ask, WRITER, collections=["news"])
    assert ask(news, "POST", "/search", {"query": "x"}).status_code == 404
    told = ask(news, "GET", "/whoami").json()
    assert (told["name"], told["role"], told["collections"]) == ("writer", "search", ["news"])
    assert ask(news, "PUT", "/documents", {"documents": []}).status_code == 403
    writing = token_of(ask, WRITER, role="write", filter={"tenant": "acme"})
    taken = ask(writing, "PUT", "/documents", {"documents": [{"id": "zeta-1", "text": "x"}]})
    assert taken.status_code == 409
    for rights in ({"role": "write"}, {"role": "admin"}, {"collections": ["other"]}):
        assert ask(READER, "POST", "/tokens", rights).status_code == 403, rights
    assert ask(news, "POST", "/tokens", {}).status_code == 403


@pytest.mark.parametrize(
    "rights",
    [
        {"minutes": 0},
        {"minutes": 1_441},
        {"collections": []},
        {"collections": ["../a"]},
        {"filter": {"a": {"$is": 1}}},
        {"filter": {"a": "x" * LONGEST}},
        {"rate": "often"},
        {"forever": True},
        {"role": "owner"},
    ],
)
def test_rights_that_make_no_sense_are_refused(ask: Ask, rights: dict[str, Any]) -> None:
    """With what is allowed, as of any body."""
    assert ask(OWNER, "POST", "/tokens", rights).status_code == 422


def test_a_token_ends_with_its_time_and_with_its_key(ask: Ask, service, keys: Path) -> None:
    """Expired, it is told so; without its key, or with another of its name, it is not known."""
    token = token_of(ask, WRITER, minutes=0.01)
    deadline = time.time() + 3
    while (answer := ask(token, "GET", "/whoami")).status_code != 401:
        assert time.time() < deadline
        time.sleep(0.1)
    assert "the token of the key 'writer' expired at" in answer.json()["detail"]
    lasting = token_of(ask, WRITER)
    assert ask(lasting, "GET", "/whoami").status_code == 200
    fresh = keys.with_suffix(".new")
    fresh.write_text(f"writer:write:another-secret\nowner:admin:{OWNER}\n")
    fresh.replace(keys)
    deadline = time.time() + 5
    while ask(lasting, "GET", "/whoami").status_code != 401:
        assert time.time() < deadline
        time.sleep(0.1)


def test_a_token_has_a_rate_of_its_own_beside_its_keys(ask: Ask) -> None:
    """One visitor is stopped, and others with the same key go on."""
    slow, other = (token_of(ask, WRITER, rate="2/hour") for _ in range(2))
    statuses = [ask(slow, "GET", "/whoami").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert ask(other, "GET", "/whoami").headers["ratelimit-remaining"] == "1"
    assert ask(WRITER, "GET", "/whoami").status_code == 200


def test_what_is_asked_by_tokens_counts_for_their_key(connect, tmp_path: Path) -> None:
    """So nobody gets round a rate by asking for tokens."""
    options = {"audit_log": "off", "token_secret": SECRET, "data": "memory:"}
    client = connect(api_keys="ann:search:one 3/hour", **options)
    made = client.post("/tokens", json={"rate": "99/hour"}, headers={"x-api-key": "one"})
    token = {"x-api-key": made.json()["token"]}
    assert [client.get("/whoami", headers=token).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/whoami", headers={"x-api-key": "one"}).status_code == 429


def test_without_a_secret_there_are_no_tokens(connect) -> None:
    """None is made, and what looks like one is an unknown key."""
    client = connect(api_keys="ann:search:one", data="memory:", audit_log="off")
    refused = client.post("/tokens", json={}, headers={"x-api-key": "one"})
    assert refused.status_code == 409
    assert "BEARING_TOKEN_SECRET" in refused.json()["detail"]
    (key,) = parse_keys(["ann:search:one"])
    token = issue(b"", key, Grant(5), time.time()).text
    assert client.get("/whoami", headers={"x-api-key": token}).status_code == 401


def test_making_a_token_is_audited(connect, tmp_path: Path) -> None:
    """With its number, by which what is written with it is found."""
    log = tmp_path / "audit"
    options = {"audit_log": str(log), "token_secret": SECRET, "data": "memory:"}
    client = connect(api_keys="ann:write:one", **options)
    made = client.post("/tokens", json={"role": "write"}, headers={"x-api-key": "one"}).json()
    client.put("/documents", json={"documents": []}, headers={"x-api-key": made["token"]})
    first, second = map(json.loads, log.read_text().splitlines())
    assert (first["audit"], first["key"], first["made_token"]) == ("token", "ann", made["number"])
    assert (second["audit"], second["key"], second["token"]) == ("write", "ann", made["number"])
    assert made["token"] not in log.read_text()


def test_no_change_to_a_token_is_taken(ask: Ask) -> None:
    """Each byte of it counts, and so does the secret."""
    (key,) = parse_keys(["ann:search:one"])
    secret = SECRET.encode()
    token = issue(secret, key, Grant(5, condition={"tenant": "acme"}), 1e9).text
    assert key_named(token) == "ann"
    whole = narrowed(secret, token, key)
    assert whole is not None
    assert whole.expires == 1e9 + 300
    assert narrowed(b"another", token, key) is None
    (other,) = parse_keys(["ann:search:two"])
    assert narrowed(secret, token, other) is None
    for place in range(len(token)):
        for letter in "Ae.":
            changed = token[:place] + letter + token[place + 1 :]
            if changed != token:
                assert narrowed(secret, changed, key) is None, changed
    payload, _, signature = token.removeprefix("bearing.").partition(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**said, "filter": {}}).encode()).decode()
    for wrong in (
        f"bearing.{forged.rstrip('=')}.{signature}",
        f"bearing.{payload}.",
        f"bearing.{payload}",
        f"{token}=",
        f"{token}\n",
        "bearing.",
        "bearing." + base64.urlsafe_b64encode(b"[" * 3_000).decode(),
        "bearing.bnVsbA.x",
        "bearing.\xff.\xff",
        "x" * 100_000,
    ):
        assert narrowed(secret, wrong, key) is None
        assert key_named(wrong) in (None, "ann")
        if wrong.isascii() and wrong.isprintable() and len(wrong) < LONGEST:
            assert ask(wrong, "GET", "/whoami").status_code == 401


def test_a_key_that_loses_rights_narrows_its_tokens() -> None:
    """What counts is what the key may when the token is used."""
    writer, reader = (parse_keys([f"ann:{role}:one"])[0] for role in ("write", "search"))
    secret = SECRET.encode()
    token = issue(secret, writer, Grant(5, role=writer.role), 0).text
    found = narrowed(secret, token, reader)
    assert found is not None
    assert found.role is reader.role
    with pytest.raises(Forbidden, match="may search"):
        issue(secret, reader, Grant(5, role=writer.role), 0)


def test_a_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be tried out by whoever has a token; an empty variable is as unset."""
    monkeypatch.setenv("BEARING_TOKEN_SECRET", "short")
    with pytest.raises(InvalidInput, match="32 characters") as refusal:
        load_settings()
    assert "short" not in str(refusal.value)
    monkeypatch.setenv("BEARING_TOKEN_SECRET", "")
    assert load_settings().token_key is None


def test_a_command_makes_a_token(
    listen: Callable[..., int], keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone on standard output, with the rights that were asked for; a refusal says why."""
    url = f"http://127.0.0.1:{listen(api_keys_file=keys, audit_log='off', token_secret=SECRET)}"
    app = typer.Typer()
    app.command()(token_command)
    runner = CliRunner()
    monkeypatch.setenv("BEARING_API_KEY", READER)
    words = ["--url", url, "--minutes", "5", "--filter", '{"user": 1}', "--collections", "news"]
    done = runner.invoke(app, words)
    token, _ = done.stdout.splitlines()[0], done.stderr
    asked = httpx2.get(f"{url}/whoami", headers={"authorization": f"Bearer {token}"}).json()
    assert (asked["name"], asked["role"], asked["collections"]) == ("reader", "search", ["news"])
    assert done.stdout == f"{token}\n"
    assert "good until" in done.stderr
    assert json.loads(runner.invoke(app, ["--url", url, "--json"]).stdout)["role"] == "search"
    refused = runner.invoke(app, ["--url", url, "--role", "admin"])
    assert isinstance(refused.exception, ServiceFailed)
    assert "403" in str(refused.exception)
