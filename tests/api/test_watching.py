"""What watches a service knows what it tells: the documentation's table of metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from indexer.storage.backup import back_up

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"^\| `(bearing_\w+)` \|(.*?)\| (\w+) \|", re.MULTILINE)

WITH_AN_INDEX = {"bearing_collection_watched_recall", "bearing_collection_late_rows"}
"""Told of collections that are searched by an index, which takes 20,000 rows."""


@pytest.fixture
def told(connect, tmp_path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Each sample's name with its metric's kind and its labels, of a service that has worked."""
    client = connect(api_keys="secret-secret-secret", rate_limit="1000/hour")
    client.headers["X-API-Key"] = "secret-secret-secret"
    client.put("/documents", json={"documents": [{"id": "a", "text": "one"}]})
    client.post("/search", json={"query": "one"})
    back_up(tmp_path / "data" / "default", tmp_path / "default.tar", lambda _: None)
    return {
        sample.name: (family.type, frozenset(sample.labels))
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_the_table_of_metrics_is_complete(told) -> None:
    """docs/operating.md lists each metric with its labels and kind, and none besides."""
    page = (ROOT / "docs" / "operating.md").read_text()
    listed = {
        (name, frozenset(re.findall(r"`(\w+)`", labels)), kind)
        for name, labels, kind in TABLE.findall(page)
    }
    parts = ("_bucket", "_sum")  # of a histogram; its count stands for it
    exported = {
        (name.removesuffix("_count"), labels, kind)
        for name, (kind, labels) in told.items()
        if not name.endswith(parts)
    }
    assert {one for one in listed if one[0] not in WITH_AN_INDEX} == exported
