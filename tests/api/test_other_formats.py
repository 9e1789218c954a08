"""A service that meets a store which this version does not read: others go on working."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from formats import OTHERS, make_first
from starlette.testclient import TestClient

from indexer.errors import OtherFormat

Launch = Callable[..., TestClient]


@pytest.fixture
def store(tmp_path: Path, launch: Launch) -> Path:
    """The store of `default`, which was filled beside `sound`, and is closed."""
    with launch() as client:
        client.put("/collections/sound")
        for name in ("default", "sound"):
            documents = {"documents": [{"id": "a", "text": "leaves in hot water"}]}
            assert client.put(f"/collections/{name}/documents", json=documents).is_success
    return tmp_path / "data" / "default" / "store.sqlite"


@pytest.mark.parametrize("kind", OTHERS)
def test_the_others_are_served(
    launch: Launch, store: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Searches of it are refused with what to do, it is listed with that, and logged once."""
    change, said = OTHERS[kind]
    change(store)
    caplog.set_level(logging.WARNING)
    with launch() as client:
        refused = client.post("/search", json={"query": "tea"})
        assert refused.status_code == 409
        assert refused.json()["type"].endswith(":other-format")
        assert re.search(said, refused.json()["detail"])
        documents = {"documents": [{"id": "b", "text": "ink"}]}
        assert client.put("/documents", json=documents).status_code == 409
        listed = client.get("/collections").json()["collections"]
        assert [one["name"] for one in listed] == ["default", "sound"]
        assert re.search(said, listed[0]["error"])
        found = client.post("/collections/sound/search", json={"query": "leaves"})
        assert found.json()["hits"][0]["id"] == "a"
        for path in ("/readyz", "/metrics", "/v1/models", "/collections"):
            assert client.get(path).status_code == 200
    told = [one for one in caplog.records if "cannot be opened" in one.getMessage()]
    assert len(told) == 1
    assert re.search(said, told[0].getMessage())
    assert not any(one.exc_info for one in caplog.records)


@pytest.mark.parametrize("kind", OTHERS)
def test_it_may_come_to_be_while_the_service_runs(launch: Launch, store: Path, kind: str) -> None:
    """A file that takes the store's place is met by the next request, with the same words."""
    with launch() as client:
        assert client.post("/search", json={"query": "leaves"}).is_success
        copy = store.with_name("copy.sqlite")
        copy.write_bytes(store.read_bytes())
        change, said = OTHERS[kind]
        change(copy)
        copy.rename(store)
        for _ in range(2):
            refused = client.post("/search", json={"query": "leaves"})
            assert refused.status_code == 409
            assert re.search(said, refused.json()["detail"])
        found = client.post("/collections/sound/search", json={"query": "leaves"})
        assert found.is_success


@pytest.mark.parametrize("kind", OTHERS)
def test_with_nothing_else_to_serve_it_does_not_start(
    connect: Launch, launch: Launch, store: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is the one that keeps it from starting, and the log does not say it too."""
    with launch() as client:
        client.delete("/collections/sound")
    change, said = OTHERS[kind]
    change(store)
    caplog.set_level(logging.WARNING)
    caplog.clear()
    with pytest.raises(OtherFormat, match=said):
        connect()
    assert not caplog.records


def test_an_earlier_store_is_served(launch: Launch, store: Path) -> None:
    """It is brought up to date when the service starts."""
    make_first(store)
    with launch() as client:
        found = client.post("/search", json={"query": "leaves", "mode": "hybrid"})
        assert found.json()["hits"][0]["id"] == "a"
