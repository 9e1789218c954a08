"""What watches a service knows what it tells: the table of metrics, the dashboard, the alerts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from indexer.storage.maintenance.backup import back_up

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"^\| `(bearing_\w+)` \|(.*?)\| (\w+) \|", re.MULTILINE)

WITH_AN_INDEX = {"bearing_collection_watched_recall", "bearing_collection_late_rows"}
"""Told of collections that are searched by an index, which takes 20,000 rows."""

ALERTS = ROOT / "docker" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "bearing.json"
LABELS = {"instance", "job"}
"""What Prometheus adds itself."""


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    return [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels."""
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions() -> Iterator[str]:
    """All PromQL of the alerts and the dashboard."""
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def spoken_labels(expression: str) -> set[str]:
    """The labels that an expression selects or groups by."""
    grouped = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression)
    selected = re.findall(r"(\w+)\s*=?[=!]~?\s*\"", "".join(re.findall(r"\{(.*?)\}", expression)))
    return {label.strip() for group in grouped for label in group.split(",")} | set(selected)


@pytest.fixture
def told(connect, tmp_path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Each sample's name with its metric's kind and its labels, of a service that has worked."""
    client = connect(api_keys="secret-secret-secret", rate_limit="1000/hour")
    client.headers["X-API-Key"] = "secret-secret-secret"
    client.put("/documents", json={"documents": [{"id": "a", "text": "one"}]})
    client.post("/search", json={"query": "one"})
    back_up(tmp_path / "data" / "default", tmp_path / "default.tar", lambda _: None)
    job = client.post("/backup").json()
    while job["state"] in ("waiting", "running"):
        job = client.get(f"/jobs/{job['id']}").json()
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


def test_what_is_asked_is_told(told) -> None:
    """Each metric that an alert or a panel asks for exists, with the labels that it speaks of.

    And nothing is told that neither shows.
    """
    known = {name: labels for name, (_, labels) in told.items()}
    known |= dict.fromkeys(WITH_AN_INDEX, frozenset({"collection"}))
    asked = set()
    for expression in expressions():
        names = set(re.findall(r"\bbearing_\w+", expression))
        assert names <= known.keys(), expression
        assert names or re.match(r"up\{", expression), expression
        labels = {label for name in names for label in known[name]}
        assert spoken_labels(expression) <= labels | LABELS, expression
        asked |= names
    parts = re.compile("_(bucket|sum|count)$")
    assert {parts.sub("", name) for name in known} == {parts.sub("", name) for name in asked}


def test_the_alerts_say_what_to_do() -> None:
    """Each has a name of its own, a severity, a summary and a description."""
    assert len({rule["alert"] for rule in alerts()}) == len(alerts())
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_panels_do_not_overlap() -> None:
    """Each cell of the dashboard's grid belongs to one panel, and each panel has an id."""
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_alerts() -> None:
    """Prometheus' own checker finds no fault."""
    done = subprocess.run(
        ["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_lets_nobody_in_without_a_key() -> None:
    """Where no key is needed, the port is on loopback, and no variable can move it elsewhere."""
    own = read_compose("compose.yaml")["services"]
    assert own["bearing"]["environment"]["BEARING_INSECURE"] == "1"
    published = [port for service in own.values() for port in service["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in published), published
    public = read_compose("compose.public.yaml")["services"]["bearing"]
    assert public["environment"]["BEARING_INSECURE"] == "0"
    assert public["environment"]["BEARING_API_KEYS"].startswith("${BEARING_API_KEYS:?")


def test_compose_serves_while_it_indexes() -> None:
    """What runs is `bearing demo`, and its health is asked from the start on, as the image says."""
    service = read_compose("compose.yaml")["services"]["bearing"]
    assert service["command"] == ["demo"]
    assert "healthcheck" not in service


def read_compose(name: str) -> dict[str, Any]:
    """A compose file; a list that takes the place of another is a list."""

    class Loader(yaml.SafeLoader):
        """Knows Compose's own tag."""

    Loader.add_constructor("!override", lambda own, node: own.construct_sequence(node))
    found = yaml.load((ROOT / "docker" / name).read_text(), Loader)
    assert isinstance(found, dict)
    return found


def test_compose_mounts_files_that_exist() -> None:
    """The profile `watch` names images by version, and files that are there."""
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    for name in ("prometheus", "grafana"):
        service = compose["services"][name]
        assert service["profiles"] == ["watch"]
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert (ROOT / "docker" / source).exists() or source in compose["volumes"]
