"""What the service tells of itself, read by Prometheus' own parser."""

from __future__ import annotations

import time

from samples import read_metrics
from starlette.testclient import TestClient

from indexer.storage.maintenance.backup import back_up


def test_requests_are_counted_under_their_route(client: TestClient) -> None:
    """A route counts by its pattern and status; what meets no route shares one label."""
    client.put("/documents", json={"documents": [{"id": "a", "text": "one"}]})
    for query in ("one", "two"):
        client.post("/search", json={"query": query})
    client.post("/search", json={"nonsense": 1})
    client.get("/no/such/path/1")
    client.get("/no/such/path/2")
    found = read_metrics(client)

    def count(method: str, route: str, status: int) -> float:
        labels = (("method", method), ("route", route), ("status", str(status)))
        return found["bearing_requests_total", labels]

    assert count("POST", "/search", 200) == 2
    assert count("POST", "/search", 422) == 1
    assert count("GET", "unrouted", 404) == 2
    timed = (("method", "POST"), ("route", "/search"))
    assert found["bearing_request_duration_seconds_count", timed] == 3
    assert 0 < found["bearing_request_duration_seconds_sum", timed] < 60


def test_collections_share_a_route(client: TestClient) -> None:
    """A collection's routes count under their whole pattern, whatever the collection is called."""
    for name in ("one", "two"):
        client.put(f"/collections/{name}", json={})
        client.post(f"/collections/{name}/search", json={"query": "text"})
    labels = (("method", "POST"), ("route", "/collections/{collection}/search"), ("status", "200"))
    assert read_metrics(client)["bearing_requests_total", labels] == 2


def test_stages_batches_and_tokens_are_told(client: TestClient) -> None:
    """What a search and a write spend their time on, how much is done at once, and tokens."""
    client.put("/documents", json={"documents": [{"id": "a", "text": "one two three"}]})
    before = read_metrics(client)
    tokens = next(sample for sample in before if sample[0] == "bearing_tokens_embedded_total")
    assert before[tokens] >= 3
    client.post("/search", json={"query": "one"})
    client.post("/search", json={"query": "two three four", "diversity": 0.5})
    found = read_metrics(client)
    assert found[tokens] > before[tokens]
    for stage, count in (("store", 1), ("embed", 2), ("find", 2), ("vectors", 1)):
        labels = (("stage", stage),)
        assert found["bearing_stage_duration_seconds_count", labels] == count, stage
    for queue in ("queries", "searches"):
        assert found["bearing_batch_items_count", (("queue", queue),)] == 2
        assert found["bearing_batch_items_sum", (("queue", queue),)] == 2


def test_refusals_are_told(connect) -> None:
    """Requests over a rate are counted apart, and a queue that was never full says 0."""
    client = connect(api_keys="secret-secret-secret,secret-secret-another", rate_limit="3/hour")
    client.headers["X-API-Key"] = "secret-secret-secret"
    answers = [client.post("/search", json={"query": "a"}) for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    client.headers["X-API-Key"] = "secret-secret-another"
    found = read_metrics(client)
    assert found["bearing_rate_refusals_total", ()] == 2
    assert found["bearing_queue_refusals_total", (("queue", "queries"),)] == 0


def test_the_last_backup_is_told(client: TestClient, tmp_path) -> None:
    """A collection that was never backed up has no such figure; else it is when that was."""
    name = ("bearing_collection_last_backup_timestamp_seconds", (("collection", "default"),))
    assert name not in read_metrics(client)
    before = int(time.time())
    back_up(tmp_path / "data" / "default", tmp_path / "default.tar", lambda _: None)
    assert before <= read_metrics(client)[name] <= time.time() + 1


def test_collections_are_told_by_size_and_recall(client: TestClient) -> None:
    """Documents, chunks, bytes and recall of every collection are gauges."""
    texts = [{"id": str(i), "text": f"text {i}"} for i in range(7)]
    client.put("/documents", json={"documents": texts})
    client.put("/collections/other", json={})
    found = read_metrics(client)
    default, other = (("collection", "default"),), (("collection", "other"),)
    assert found["bearing_collection_documents", default] == 7
    assert found["bearing_collection_documents", other] == 0
    assert found["bearing_collection_recall", default] == 1
    assert found["bearing_collection_bytes", default] > 7 * 256 * 4
    assert found["bearing_texts_waiting", ()] == 0


def test_metrics_are_for_those_with_a_key(connect) -> None:
    """Where keys are set, figures are not open to strangers, and health is."""
    client = connect(api_keys="secret-secret-secret")
    assert client.get("/metrics").status_code == 401
    key = {"X-API-Key": "secret-secret-secret"}
    assert client.get("/metrics", headers=key).status_code == 200
    assert client.head("/healthz").status_code == 200
    assert client.head("/readyz").status_code == 200
