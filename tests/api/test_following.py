"""A source that gives all its documents again and again is kept in step by imports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.client import Client
from app.client.calls import PART_DOCUMENTS

IMPORT = "/documents/import"


def give(
    client: TestClient, texts: Mapping[str, str] | Iterable[str], more: bytes = b"", **how: object
) -> dict[str, Any]:
    """Import documents, ids and texts, as a source; the last line of the answer."""
    texts = texts if isinstance(texts, Mapping) else {id: f"text of {id}" for id in texts}
    lines = [json.dumps({"id": id, "text": text}).encode() for id, text in texts.items()]
    parameters = {"source": "crm", "prune": "true"} | how
    answer = client.post(IMPORT, params=parameters, content=b"\n".join(lines) + more)
    assert answer.status_code == 200, answer.text
    last: dict[str, Any] = json.loads(answer.text.splitlines()[-1])
    return last


def ids(client: TestClient) -> set[str]:
    """The ids of all documents."""
    return {one["id"] for one in client.get("/documents?limit=1000").json()["documents"]}


def test_what_a_source_no_longer_gives_goes(client: TestClient) -> None:
    """Documents of others stay, whoever gave them; what was never given by it stays too."""
    client.put("/documents", json={"documents": [{"id": "other", "text": "x"}]})
    give(client, "xyz", source="shop")
    first = give(client, "abcd")
    assert first["pruned"] == {"deleted": 0, "kept": [], "refused": None}
    second = give(client, {"a": "text of a", "b": "new"})
    assert (second["written"], second["unchanged"], second["pruned"]["deleted"]) == (1, 1, 2)
    assert ids(client) == {"other", "x", "y", "z", "a", "b"}
    assert give(client, "ab")["pruned"]["deleted"] == 0


def test_a_dry_run_says_what_would_happen(client: TestClient) -> None:
    """Its figures are those of the run after it, and nothing is changed."""
    give(client, "abcd")
    texts = {"a": "text of a", "b": "new", "e": "new"}
    before = ids(client)
    rehearsed = give(client, texts, dry_run="true")
    assert ids(client) == before
    assert client.get("/documents/b").json()["text"] == "text of b"
    done = give(client, texts)
    for one in (rehearsed, done):
        assert (one["written"], one["unchanged"], one["pruned"]["deleted"]) == (2, 1, 2)
    assert "run" not in rehearsed


def test_nothing_goes_after_an_import_with_rejected_lines(client: TestClient) -> None:
    """It says so, and the next one that is whole deletes."""
    give(client, "abcd")
    for how in ({}, {"dry_run": "true"}):
        refused = give(client, "ab", b"\nno json", **how)["pruned"]
        assert refused["deleted"] == 0
        assert "rejected" in refused["refused"]
    assert ids(client) == set("abcd")
    assert give(client, "ab")["pruned"]["deleted"] == 2


def test_more_than_a_share_goes_only_if_that_is_meant(client: TestClient) -> None:
    """A source that suddenly gives little is more likely broken than empty."""
    names = [f"d{n}" for n in range(40)]
    give(client, names)
    for how in ({}, {"dry_run": "true"}):
        assert "30%" in give(client, names[:20], **how)["pruned"]["refused"]
    assert "100%" in give(client, [])["pruned"]["refused"]
    assert len(ids(client)) == 40
    assert give(client, names[:20], prune_at_most="50%")["pruned"]["deleted"] == 20
    assert give(client, [], prune_at_most="100%")["pruned"]["deleted"] == 20


def test_a_run_comes_in_parts(client: TestClient) -> None:
    """One that is sent again counts once; without one of them nothing goes."""
    give(client, "abcdef")
    run = give(client, "ab", prune="false", part=0)["run"]
    give(client, "c", b"\nno json", prune="false", part=1, run=run)
    give(client, "cd", prune="false", part=1, run=run)
    assert give(client, "", part=2, run=run)["pruned"] == {
        "deleted": 2,
        "kept": [],
        "refused": None,
    }
    assert ids(client) == set("abcd")
    run = give(client, "a", b"\nno json", prune="false", part=0)["run"]
    assert "rejected" in give(client, "b", part=1, run=run)["pruned"]["refused"]
    assert ids(client) == set("abcd")


def test_two_runs_are_not_mixed(client: TestClient) -> None:
    """The parts of a run that another has followed are refused, as is what contradicts itself."""
    run = give(client, "ab", prune="false")["run"]
    give(client, "abc")
    for parameters, status in (
        ({"source": "crm", "run": run}, 409),
        ({"source": "nobody", "run": 1}, 409),
        ({"prune": "true"}, 422),
        ({"source": "a/b"}, 422),
        ({"source": "crm", "prune_at_most": "much"}, 422),
        ({"source": "crm", "run": run, "dry_run": "true"}, 422),
    ):
        answer = client.post(IMPORT, params=parameters, content=b"")
        assert answer.status_code == status, (parameters, answer.text)
    assert ids(client) == set("abc")


def test_what_others_have_changed_stays(client: TestClient) -> None:
    """It is told; the source's own last words go."""
    give(client, "abc")
    client.put("/documents", json={"documents": [{"id": "c", "text": "by hand"}]})
    assert give(client, "a")["pruned"] == {"deleted": 1, "kept": ["c"], "refused": None}
    assert ids(client) == {"a", "c"}


def test_a_client_keeps_a_source_in_step(connect: Callable[..., TestClient]) -> None:
    """In parts, with the totals of all; a dry run changes nothing; an error deletes nothing."""
    client = Client("http://localhost", http=connect())
    names = [f"d{n}" for n in range(PART_DOCUMENTS + 200)]
    client.sync([{"id": id, "text": "x"} for id in names], "crm")
    fewer = [{"id": id, "text": "x"} for id in names[:-1]]
    rehearsed = client.sync(fewer, "crm", dry_run=True)
    assert (rehearsed.unchanged, rehearsed.pruned.deleted) == (len(fewer), 1)

    def broken() -> Iterable[dict[str, str]]:
        yield from fewer[: PART_DOCUMENTS + 1]
        raise OSError("the line went dead")

    with pytest.raises(OSError, match="dead"):
        client.sync(broken(), "crm")
    assert client.describe().documents == len(names)
    told: list[int] = []
    done = client.sync(fewer, "crm", tell=lambda so_far: told.append(so_far.unchanged))
    assert (done.unchanged, done.pruned.deleted) == (len(fewer), 1)
    assert told == [PART_DOCUMENTS, len(fewer)]
    assert client.describe().documents == len(fewer)
