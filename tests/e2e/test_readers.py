"""A service that only reads a directory beside the one that writes it, as the Helm chart has it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import running_service

HASHING = {"MODEL": "hashing"}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Path]:
    """The directory ``data`` once more, where it cannot be written to."""
    (tmp_path / "data").mkdir()
    seen = tmp_path / "seen"
    seen.mkdir()
    bound = subprocess.run(["mount", "--bind", tmp_path / "data", seen], capture_output=True)
    if bound.returncode:
        pytest.skip(f"a folder cannot be mounted here: {bound.stderr.decode().strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", seen], check=True)
        yield seen
    finally:
        subprocess.run(["umount", seen], check=True)


def put(url: str, id: str) -> httpx.Response:
    """Ask to store a document."""
    documents = [{"id": id, "text": f"text of {id}"}]
    return httpx.put(f"{url}/documents", json={"documents": documents}, trust_env=False)


def found(url: str) -> set[str]:
    """The ids of all that a search finds."""
    answer = httpx.post(f"{url}/search", json={"query": "text", "mode": "hybrid"}, trust_env=False)
    return {hit["id"] for hit in answer.raise_for_status().json()["hits"]}


def test_a_reader_follows_a_writer_and_refuses_to_write(tmp_path: Path, mirror: Path) -> None:
    """It finds what was acknowledged, also by a writer that came back, and while there is none."""
    data = tmp_path / "data"
    with running_service(data, HASHING) as writer:
        put(writer, "a").raise_for_status()
    with running_service(mirror, {**HASHING, "CACHE": str(tmp_path / "cache")}) as reader:
        assert found(reader) == {"a"}
        with running_service(data, HASHING) as writer:
            put(writer, "b").raise_for_status()
            assert found(reader) == {"a", "b"}
            refused = put(reader, "c")
            assert refused.status_code == 507
            assert "Read-only file system" in refused.json()["detail"]
        assert found(reader) == {"a", "b"}
        with running_service(data, HASHING) as writer:
            put(writer, "d").raise_for_status()
            assert found(reader) == {"a", "b", "d"}
