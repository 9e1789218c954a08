"""The Helm chart: it lints, what it renders are objects of Kubernetes, and they are what was meant.

Helm's own library renders, without a cluster and without the network.
"""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from typing import Any

import helm
import pytest
import yaml
from helm import CHART

from app.settings import PREFIX, Settings

pytestmark = pytest.mark.skipif(
    find_spec("helm_python") is None, reason="Helm's library has no wheel for this machine"
)

RELEASES = "1.27", "1.37"
"""The oldest release of Kubernetes that the chart takes, and a new one."""

KEYS = {"keys": {"entries": ["shop:search:sha256:" + "a" * 64]}}
FULL: dict[str, Any] = {
    **KEYS,
    "image": {"tag": "9", "pullSecrets": ["registry"]},
    "settings": {"MODEL": "mine", "MAX_K": 10, "SHUTDOWN_SECONDS": 5},
    "readers": {"replicas": 2},
    "persistence": {"storageClass": "local", "size": "50Gi"},
    "networkPolicy": {"egress": [{"ports": [{"port": 443}]}]},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "search", "operator": "Exists"}],
}
VALUES: dict[str, dict[str, Any]] = {
    "plain": KEYS,
    "full": FULL,
    "own": {
        "keys": {"existingSecret": "mine"},
        "persistence": {"existingClaim": "disk"},
        "serviceAccount": {"create": False, "name": "robot"},
        "readers": {"replicas": 1},
    },
    "database": {
        **KEYS,
        "database": {"existingSecret": "db", "certificateKey": "ca.crt", "replicas": 3},
        "readers": {"replicas": 2},
        "networkPolicy": {"egress": [{"ports": [{"port": 443}]}]},
    },
    "open": {"keys": {"insecure": True}, "networkPolicy": {"enabled": False}},
}


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a release called mine."""
    texts = [text for path, text in helm.render(values).items() if path.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def find(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only object of a kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What pods of the writer, and of the readers if there are any, are made of."""
    kinds = ("StatefulSet", "Deployment")
    return [each["spec"]["template"]["spec"] for each in objects if each["kind"] in kinds]


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    """Variables of a pod's container."""
    return {each["name"]: each.get("value", each) for each in pod["containers"][0]["env"]}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_the_chart_lints(values: dict[str, Any]) -> None:
    """Strictly: with nothing beyond the wish for an icon."""
    report = helm.lint(values)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"]] in ([], ["icon is recommended"])


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_what_is_rendered_is_of_kubernetes(values: dict[str, Any], release: str) -> None:
    """Each object has the fields that its kind has, and no others."""
    import kubernetes_validate  # takes seconds, which no other test should wait for

    objects = render(values)
    assert len(objects) > 2
    for each in objects:
        kubernetes_validate.validate(each, release, strict=True)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_pods_have_no_rights(values: dict[str, Any]) -> None:
    """They run as the image's user, on a root they cannot write to, without any capability."""
    for pod in pods(render(values)):
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        context = pod["containers"][0]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_pods_have_probes_and_bounds(values: dict[str, Any]) -> None:
    """They are sent requests once they are ready, and have as many threads as processors."""
    for pod in pods(render(values)):
        container = pod["containers"][0]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
        threads = environment(pod)["BEARING_THREADS"]["valueFrom"]["resourceFieldRef"]
        assert threads["resource"] == "limits.cpu"


def test_readers_share_the_writers_volume_and_node() -> None:
    """They may not write to it, and never run where its processes cannot share memory."""
    writer, reader = sorted(pods(render(FULL)), key=lambda pod: "affinity" in pod)
    (rule,) = reader["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert rule["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "writer"
    claims = [each["persistentVolumeClaim"] for each in reader["volumes"] if each["name"] == "data"]
    name = find(render(FULL), "StatefulSet")["metadata"]["name"]
    assert claims == [{"claimName": f"data-{name}-0"}]
    mounts = {
        each["name"]: each.get("readOnly", False)
        for pod in (writer, reader)
        for each in pod["containers"][0]["volumeMounts"]
    }
    assert mounts == {"data": True, "keys": True, "scratch": False}


def test_with_a_database_all_pods_are_equal_and_keep_nothing() -> None:
    """No writer, no readers, no volume; the URL is in a Secret, and the server's certificate."""
    objects = render(VALUES["database"])
    kinds = [each["kind"] for each in objects]
    assert "StatefulSet" not in kinds and kinds.count("Service") == kinds.count("Deployment") == 1
    (pod,) = pods(objects)
    volumes = {each.pop("name"): each for each in pod["volumes"]}
    assert volumes.keys() == {"data", "keys", "database"} and volumes["data"] == {"emptyDir": {}}
    url = environment(pod)["BEARING_DATA"]["valueFrom"]["secretKeyRef"]
    assert url == {"name": "db", "key": "url"}
    assert volumes["database"]["secret"]["items"] == [{"key": "ca.crt", "path": "server-ca"}]
    assert find(objects, "Deployment")["spec"]["replicas"] == 3
    selector = find(objects, "Service")["spec"]["selector"]
    labels = find(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()
    ports = [rule["ports"] for rule in find(objects, "NetworkPolicy")["spec"]["egress"]]
    assert [[one["port"] for one in each] for each in ports] == [[5432, 53, 53], [443]]


def test_there_is_one_writer() -> None:
    """Whatever else is asked for."""
    assert find(render(FULL), "StatefulSet")["spec"]["replicas"] == 1
    assert find(render(FULL), "Deployment")["spec"]["replicas"] == 2


def test_settings_and_keys_reach_the_service() -> None:
    """Settings as variables, keys as a file that is never one."""
    for pod in pods(render(FULL)):
        given = environment(pod)
        assert given["BEARING_MODEL"] == "mine"
        assert given["BEARING_MAX_K"] == "10"
        assert given["BEARING_API_KEYS_FILE"] == "/etc/bearing/keys"
        assert pod["terminationGracePeriodSeconds"] == 15
    assert find(render(FULL), "Secret")["stringData"] == {"keys": KEYS["keys"]["entries"][0]}


def test_every_variable_is_a_setting() -> None:
    """No template gives the service a variable that it does not read."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    source = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert set(re.findall(r"\bBEARING_[A-Z_]+\b", source)) - {"BEARING_"} <= known


def test_nothing_is_open_by_default() -> None:
    """Only pods of the namespace may connect, and the service itself connects to nobody."""
    policy = find(render(KEYS), "NetworkPolicy")["spec"]
    assert policy["ingress"][0]["from"] == [{"podSelector": {}}]
    assert policy["egress"] == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "keys.entries"),
        ({**KEYS, "readers": {"replicas": -1}}, "readers/replicas"),
        ({**KEYS, "settings": {"DATA": "/x"}}, "DATA"),
        ({**KEYS, "replicas": 2}, "replicas"),
        ({"keys": {"entries": ["short"]}}, "keys/entries/0"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], said: str) -> None:
    """Nothing is rendered, and the error names the value."""
    with pytest.raises(helm.Refused, match=re.escape(said)):
        render(values)


def test_the_chart_is_of_this_version() -> None:
    """It takes the image of the same version, unless it is told otherwise."""
    project = tomllib.loads((CHART.parents[2] / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == project["version"]


def test_every_value_is_used() -> None:
    """No value stands in values.yaml that no template reads."""
    source = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    names = [
        f"{name}.{inner}" if isinstance(value, dict) and value else name
        for name, value in values.items()
        for inner in (value if isinstance(value, dict) and value else [""])
    ]
    assert [name for name in names if f".Values.{name}" not in source] == []
