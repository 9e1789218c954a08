"""The examples of the pages about tools and clients, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import running_service

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["client.md", "compatible-apis.md", "integrations.md"]
SHOWN_ADDRESS = "localhost:8000"
PROGRAMS = {
    "sh": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-W", "error", "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}


def examples(*languages: str) -> list[pytest.param]:
    """The blocks of the pages in these languages, each known by its page and place."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
        found += [
            pytest.param(language, code, id=f"{page}-{place}-{language}")
            for place, (language, code) in enumerate(blocks)
            if language in languages
        ]
    return found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with the default model."""
    with running_service(tmp_path_factory.mktemp("data"), {}) as url:
        yield url.removeprefix("http://")


def run(language: str, code: str, address: str, folder: Path) -> str:
    """What an example prints; it must end well."""
    program = PROGRAMS[language]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    done = subprocess.run(
        [*program, code.replace(SHOWN_ADDRESS, address)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=inherited | {"no_proxy": "*", "PYTHONPATH": str(DOCS.parent)},
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("language", "code"), examples("python", "javascript"))
def test_a_program_runs(address: str, tmp_path: Path, language: str, code: str) -> None:
    """Each example in Python and JavaScript ends without an error."""
    run(language, code, address, tmp_path)


@pytest.mark.parametrize(("language", "code"), examples("sh"))
def test_each_request_is_answered(address: str, tmp_path: Path, language: str, code: str) -> None:
    """Each request by curl gives JSON, which is no error."""
    for line in code.splitlines():
        answer = json.loads(run(language, line, address, tmp_path))
        assert not (isinstance(answer, dict) and {"error", "status"} & set(answer)), answer
