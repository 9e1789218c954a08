"""What the service tells of itself, read by Prometheus' own parser."""

from __future__ import annotations

from samples import read_metrics
from starlette.testclient import TestClient


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
