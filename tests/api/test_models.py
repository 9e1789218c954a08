"""Trained models over HTTP: listed, promoted through the gate, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from vocabularies import MODEL, examples, open_vocabularies, train_adapter

from app.client import Client, Refused

KEYS = "search:searching,write:writing,admin:administering"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the collection ``docs`` and an adapter of its judgements."""
    folder = tmp_path_factory.mktemp("trained")
    with open_vocabularies(folder) as library:
        train_adapter(library, "good", examples())
    return folder


def headers(key: str) -> dict[str, str]:
    """The head of a request by a key."""
    return {"x-api-key": key}


def test_a_promotion_serves_the_next_search(
    connect: Callable[..., TestClient], trained: Path
) -> None:
    """Also of a text that was asked before, whose vector is cached; a rollback undoes it."""
    http = connect(data=trained, model=MODEL, api_keys=KEYS)
    client = Client("http://localhost", api_key="administering", http=http).collection("docs")
    asked = "high3 above3 something"
    before = [hit.id for hit in client.search(asked, k=5, mode="dense").hits]
    (listed,) = client.models()
    assert (listed.name, listed.serves, listed.source) == ("good", [], "made up")
    outcome = client.promote("good")
    assert outcome.serves and outcome.verdict is not None and outcome.verdict.passed
    assert {one.split for one in outcome.figures} >= {"queries", "costs"}
    after = client.search(asked, k=5, mode="dense", explain=True).hits
    topic = {f"d{3 + 12 * step}" for step in range(5)}
    assert len(topic & {hit.id for hit in after}) > len(topic & set(before))
    explanation = after[0].explanation
    assert explanation is not None
    assert explanation.passages[0].score == pytest.approx(after[0].score, abs=1e-5)
    (listed,) = client.models()
    assert listed.serves == ["docs"] and listed.verdict is not None
    assert client.describe().index["adapter"]["name"] == "good"
    assert client.roll_back().adapter is None
    assert [hit.id for hit in client.search(asked, k=5, mode="dense").hits] == before


def test_only_an_admin_promotes(connect: Callable[..., TestClient], trained: Path) -> None:
    """Any key may see what was trained; what is asked wrongly is told before anything begins."""
    http = connect(data=trained, model=MODEL, api_keys=KEYS)
    for key in ("searching", "writing"):
        assert http.get("/models", headers=headers(key)).json()["models"][0]["name"] == "good"
        refused = http.post("/collections/docs/model", json={"model": "good"}, headers=headers(key))
        assert refused.status_code == 403
    admin = headers("administering")
    for body, status in (
        ({"model": "none"}, 404),
        ({"model": "../docs"}, 422),
        ({}, 422),
        ({"model": "good", "rollback": True}, 422),
    ):
        answer = http.post("/collections/docs/model", json=body, headers=admin)
        assert answer.status_code == status, body
    missing = http.post("/collections/none/model", json={"model": "good"}, headers=admin)
    assert missing.status_code == 404


def test_a_promotion_that_fails_on_its_way_is_an_error(
    connect: Callable[..., TestClient], trained: Path
) -> None:
    """As of a map whose base is another model than the collection's."""
    http = connect(data=trained, model=MODEL)
    client = Client("http://localhost", http=http).collection("other")
    client.create("hashing-32")
    with pytest.raises(Refused, match="train one for it"):
        client.promote("good")
