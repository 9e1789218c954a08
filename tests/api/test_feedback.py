"""Judgements over HTTP: off unless set, taken from those who search, read by admins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import run_bearing

from indexer.learning.examples_records import parse_example

DOCUMENTS = {"documents": [{"id": "a", "text": "a cat"}, {"id": "b", "text": "the moon"}]}


@pytest.fixture
def judging(connect):
    """A service that takes judgements, with two documents."""
    client = connect(feedback="texts", max_query_characters=100)
    client.put("/documents", json=DOCUMENTS).raise_for_status()
    return client


def test_judgements_are_kept_exported_and_deleted(judging) -> None:
    """Each line is an example as training reads it."""
    for verdict in ({"relevant": False}, {"clicked": True}, {"rank": 2}):
        given = {"query": f"q {verdict}", "id": "a", **verdict}
        assert judging.post("/feedback", json=given).status_code == 204
    answer = judging.get("/collections/default/feedback")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert [line.keys() - {"query", "id"} for line in lines] == [
        {"relevant"},
        {"clicked"},
        {"rank"},
    ]
    examples = [one for line in lines for one in parse_example(line, "here")]
    assert [(one.positive_id, one.grade) for one in examples] == [
        ("a", 0.0),
        ("a", 1.0),
        ("a", None),
    ]
    assert judging.delete("/feedback").json() == {"deleted": 3}
    assert judging.get("/feedback").content == b""


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"query": "cat", "id": "none", "clicked": True}, 404),
        ({"query": "cat", "id": "a"}, 422),
        ({"query": "cat", "id": "a", "clicked": True, "rank": 1}, 422),
        ({"query": "cat", "id": "a", "clicked": False}, 422),
        ({"query": "cat", "id": "a", "rank": 0}, 422),
        ({"query": " ", "id": "a", "clicked": True}, 422),
        ({"query": "x" * 101, "id": "a", "clicked": True}, 413),
    ],
    ids=["unknown", "nothing", "two", "no click", "no place", "no query", "long"],
)
def test_what_is_no_judgement_is_refused(judging, given, status) -> None:
    """Nothing is kept of it."""
    assert judging.post("/feedback", json=given).status_code == status
    assert judging.get("/feedback").content == b""


def test_judgements_are_off_unless_set(client) -> None:
    """A page is told so, and what was kept before can still be read and deleted."""
    client.put("/documents", json=DOCUMENTS).raise_for_status()
    assert client.get("/whoami").json()["feedback"] is False
    answer = client.post("/feedback", json={"query": "cat", "id": "a", "clicked": True})
    assert answer.status_code == 409
    assert "BEARING_FEEDBACK" in answer.json()["detail"]
    assert client.get("/feedback").content == b""


def test_the_command_exports_and_clears_what_outlives_the_service(
    connect, settings, tmp_path: Path
) -> None:
    """With hashes the query's text is in no file of the collection."""
    client = connect(feedback="hashes", data=tmp_path / "kept")
    assert client.get("/whoami").json()["feedback"] is True
    client.put("/documents", json=DOCUMENTS).raise_for_status()
    judged = client.post("/feedback", json={"query": "unheard-of", "id": "b", "clicked": True})
    assert judged.status_code == 204

    def run(*words: str) -> str:
        told = run_bearing(["feedback", *words, "--data", str(tmp_path / "kept")])
        assert told.exit_code == 0, told.output
        return told.stdout

    line = json.loads(run("export"))
    assert line == {"query_id": line["query_id"], "id": "b", "clicked": True}
    files = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert not any(b"unheard-of" in path.read_bytes() for path in files)
    assert json.loads(run("clear", "--json")) == {"collection": "default", "cleared": 1}
    assert run("export") == ""
