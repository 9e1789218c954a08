"""Evaluating a running service: the same figures as of the collection itself, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from judged import write_judged_set
from serving import free_port, running_service
from typer.testing import CliRunner, Result

from indexer.cli.app import commands

KEY = "a-key-of-the-tests"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged set, in a folder whose name needs quotes."""
    return write_judged_set(tmp_path_factory.mktemp("sets") / "my things")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    """A data directory with the set evaluated in it."""
    folder = tmp_path_factory.mktemp("data")
    assert call(folder, str(dataset)).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def url(data: Path) -> Iterator[str]:
    """A service on it, which takes a key."""
    settings = {"MODEL": "hashing", "API_KEYS": KEY, "CACHE": str(data)}
    with running_service(data, settings) as url:
        yield url


def call(data: Path, *words: str, key: str | None = KEY) -> Result:
    """The result of ``evaluate``."""
    settings = {"BEARING_DATA": str(data), "BEARING_MODEL": "hashing", "BEARING_API_KEY": key}
    return CliRunner().invoke(commands(), ["evaluate", *words], env=settings)


def figures(result: Result) -> dict:
    """The one JSON object on standard output."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_service_has_the_figures_of_its_collection(data: Path, url: str, dataset: Path) -> None:
    """Only the times differ; the figures say which service."""
    here = figures(call(data, str(dataset), "--json"))
    there = figures(call(data, str(dataset), "--url", f"{url}/", "--json"))
    times = {"query_ms_p50", "query_ms_p99"}
    assert {name: value for name, value in there.items() if name not in times} == {
        **{name: value for name, value in here.items() if name not in times | {"rejected"}},
        "url": url,
    }
    assert 0 < there["query_ms_p50"] <= there["query_ms_p99"]


def test_a_service_against_the_collection_here(data: Path, url: str, dataset: Path) -> None:
    """B may be elsewhere than A, in either direction."""
    for words in (["--against", f"url={url}"], ["--url", url, "--against", "url="]):
        found = figures(call(data, str(dataset), *words, "--json"))
        assert {one["p"] for one in found["comparison"]["measures"].values()} == {1.0}
        assert ("url" in found) != ("url" in found["against"])


def test_without_its_key_a_service_refuses(data: Path, url: str, dataset: Path) -> None:
    """What the service says is passed on."""
    for key, said in ((None, "no key was given"), ("another", "is not known")):
        result = call(data, str(dataset), "--url", url, key=key)
        assert result.exit_code == 1
        assert f"{url} refused (401 Unauthorized): " in result.stderr
        assert said in result.stderr


def test_a_refused_setting_is_passed_on(data: Path, url: str, dataset: Path) -> None:
    """The service knows its limits; its message names them."""
    result = call(data, str(dataset), "--url", url, "--depth", "1001")
    assert result.exit_code == 2
    assert "BEARING_MAX_K" in result.stderr


def test_nothing_is_uploaded_but_the_commands_are_given(
    data: Path, url: str, dataset: Path
) -> None:
    """They import the corpus as they stand; then the evaluation has figures."""
    words = [str(dataset), "--url", url, "-c", "fresh", "--json"]
    result = call(data, *words)
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert "collection 'fresh' has none of the 12 relevant documents of my things" in error
    headers = {"authorization": f"Bearer {KEY}"}
    assert httpx.get(f"{url}/collections/fresh", headers=headers).status_code == 404
    shown = [line for line in error.splitlines() if line.strip().startswith("curl")]
    assert len(shown) == 2
    environment = {**os.environ, "BEARING_API_KEY": KEY, "NO_PROXY": "*"}
    for line in shown:
        subprocess.run(["sh", "-c", line], env=environment, check=True, capture_output=True)
    assert figures(call(data, *words))["documents"] == 60


def test_documents_that_a_service_lacks_are_told(data: Path, url: str, dataset: Path) -> None:
    """Some are there: they are counted as not found, with the commands that import them."""
    headers = {"authorization": f"Bearer {KEY}"}
    httpx.put(f"{url}/collections/part", headers=headers).raise_for_status()
    body = {"documents": [{"id": "d1", "text": "w1"}, {"id": "other/one", "text": "w2"}]}
    httpx.put(f"{url}/collections/part/documents", json=body, headers=headers).raise_for_status()
    result = call(data, str(dataset), "--url", url, "-c", "part", "--json")
    assert "11 relevant documents are not in 'part'" in result.stderr
    assert "/collections/part/documents/import" in result.stderr
    assert figures(result)["missing"] == 11


def test_nobody_at_the_url(data: Path, dataset: Path) -> None:
    """It is said where nobody answered."""
    url = f"http://127.0.0.1:{free_port()}"
    result = call(data, str(dataset), "--url", url)
    assert result.exit_code == 1
    assert f"{url} does not answer" in result.stderr
