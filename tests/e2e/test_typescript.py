"""A TypeScript client that is generated from the OpenAPI document, as docs/client.md shows."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pages import ROOT, blocks
from serving import running_service

MARKED = "fetches packages from npm"
SHOWN = "http://localhost:8000"
SECONDS = 240


def call(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """How a shell command ends in a folder."""
    words = ["bash", "-c", command]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_generated_client_compiles_and_searches(tmp_path: Path) -> None:
    """The page's commands make a program of its text; a field that is not there is an error."""
    if missing := [name for name in ("node", "npm", "npx") if shutil.which(name) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    page = list(blocks(ROOT / "docs" / "client.md"))
    (shown,) = (one.code for one in page if one.reason == MARKED)
    (program,) = (one.code for one in page if one.language == "typescript")
    install, generate, compile_it, run_it = shown.strip().splitlines()
    installed = call(install, tmp_path)
    if installed.returncode:
        pytest.skip(f"npm reaches no registry: {installed.stderr[-300:]}")
    source = tmp_path / "cinema.mts"
    (tmp_path / "data").mkdir()
    with running_service(tmp_path / "data", {"MODEL": "hashing"}) as url:
        source.write_text(program.replace(SHOWN, url))
        for command in (generate.replace(SHOWN, url), compile_it):
            done = call(command, tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
        printed = call(run_it, tmp_path)
    assert printed.stdout.startswith("alien 0."), printed.stderr
    source.write_text(program.replace("hit.score.", "hit.rating."))
    refused = call(compile_it, tmp_path)
    assert "Property 'rating' does not exist" in refused.stdout
