"""What the container image is built from."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def wanted(kind: str) -> set[str]:
    """What the script prints for one of its kinds."""
    command = [sys.executable, "docker/requirements", "pyproject.toml", kind]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.splitlines())


def test_every_requirement_is_of_one_kind() -> None:
    """Together the kinds are what the project needs, with the extras that the image has."""
    kinds = [wanted(kind) for kind in ("serving", "converting", "bare")]
    extras = PROJECT["optional-dependencies"]
    names = ("code", "mcp", "office", "postgres", "telemetry")
    added = [line for name in names for line in extras[name]]
    assert set().union(*kinds) == {*PROJECT["dependencies"], *added}
    assert sum(map(len, kinds)) == len(set().union(*kinds))


def test_serving_needs_no_torch() -> None:
    """Neither torch nor transformers is installed to stay."""
    names = {Requirement(line).name for line in wanted("serving")}
    assert names.isdisjoint({"torch", "transformers", "sentence-transformers"})
    assert {Requirement(line).name for line in wanted("converting")} == {"torch", "transformers"}


def test_what_is_copied_reaches_the_build() -> None:
    """Whatever the Dockerfile copies from the context is there, and not ignored."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name


def test_the_image_has_no_rights() -> None:
    """It runs as a user of its own, by number, as Kubernetes can check."""
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
