"""Searches by a model that is quick are made on the event loop, and answer as all others do."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from samples import read_metrics
from starlette.testclient import TestClient

from indexer.config import Config
from indexer.documents import Document
from indexer.ingestion.changes import store
from indexer.library import Library
from indexer.storage.kept_files import SCORE_BACKGROUND

COUNT = 60
"""Enough that chance does not decide what unrelated queries find."""


def fill(data: Path, cache: Path) -> None:
    """A collection of documents that share some words."""
    with Library(Config(data=data, cache=cache, model="hashing")) as library:
        collection = library.obtain("default")
        documents = [
            Document(str(i), f"word{i} in a sea of thing{i % 7}", metadata={"part": i % 2})
            for i in range(COUNT)
        ]
        store(collection, library.embedder(collection), documents)


def is_prepared(data: Path) -> bool:
    """Return whether the scores of unrelated queries are kept, waiting a while for them."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if list(data.rglob(SCORE_BACKGROUND)):
            return True
        time.sleep(0.01)
    return False


def test_what_a_first_search_would_wait_for_is_made_before(
    connect: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Beside whatever is asked first, once the service is ready."""
    fill(tmp_path / "data", tmp_path)
    connect()
    assert is_prepared(tmp_path / "data")


def test_quick_searches_answer_as_others_do(
    connect: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Many at once, each by itself and again in one request, which is not made there."""
    fill(tmp_path / "data", tmp_path)
    client = connect()
    assert is_prepared(tmp_path / "data")
    searches = [
        {"query": f"thing{i % 7} word{i}", "k": 5, "mode": "dense", "passages_only": bool(i % 3)}
        for i in range(40)
    ]

    def ask(search: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = client.post("/search", json=search).json()
        return found

    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(ask, searches))
    together = client.post("/search/batch", json={"searches": searches}).json()["results"]
    assert all(one["took_ms"]["embed"] > 0 for one in alone)
    for answer in (*alone, *together):
        del answer["took_ms"]
    assert alone == together
    assert alone[3]["hits"][0]["id"] == "3"
    assert alone[3]["significance"] is not None
    metrics = read_metrics(client)
    for stage in ("embed", "find"):
        counted = metrics["bearing_stage_duration_seconds_count", (("stage", stage),)]
        assert counted == len(searches) + 1, stage


def test_a_quick_search_that_fails_fails_alone(
    connect: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Also one of many that are made together."""
    fill(tmp_path / "data", tmp_path)
    client = connect()
    assert is_prepared(tmp_path / "data")
    bodies = [{"query": "thing1" if i % 2 else "", "mode": "dense"} for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: client.post("/search", json=body), bodies))
    refused = client.post("/search/batch", json={"searches": [{"query": "", "mode": "dense"}]})
    assert {one.status_code for one in answers[1::2]} == {200}
    assert {one.status_code for one in answers[::2]} == {refused.status_code}
