"""Under which name Bearing is installed, and what its messages tell people to install."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from indexer.errors import MissingExtra
from indexer.installation import DISTRIBUTION, UNKNOWN, how_to_add, how_to_update, version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = [*(ROOT / "app").rglob("*.py"), *(ROOT / "indexer").rglob("*.py")]
RECIPES = [ROOT / "Dockerfile", ROOT / "Makefile"]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]


def write_project(home: Path, name: str) -> Path:
    """A folder with the description of a project of this name, in version 7."""
    (home / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "7"\n')
    return home


def test_the_name_is_the_one_that_is_built() -> None:
    """What messages call the distribution is what a wheel of it is called."""
    assert PROJECT["name"] == DISTRIBUTION
    assert version() == PROJECT["version"]


def test_in_a_clone_its_own_file_tells_the_version(tmp_path: Path) -> None:
    """Whatever is installed, the version is that of the sources."""
    assert version(write_project(tmp_path, DISTRIBUTION)) == "7"


def test_in_another_project_its_file_tells_nothing(tmp_path: Path) -> None:
    """Sources that stand in someone's own project do not take its version or its extras."""
    home = write_project(tmp_path, "shop")
    assert version(home) != "7"
    assert how_to_add("map", home) == f"pip install '{DISTRIBUTION}[map]'"


def test_sources_that_are_not_installed_have_no_known_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither a clone nor an installed distribution tells it, the version is unknown."""
    monkeypatch.setattr("sys.path", [])
    assert version(tmp_path) == UNKNOWN


def test_an_extra_is_added_as_bearing_came(tmp_path: Path) -> None:
    """A clone's is added to its own environment with its pins, a wheel's by its name."""
    assert how_to_add("map", tmp_path) == f"pip install '{DISTRIBUTION}[map]'"
    clone = how_to_add("map", write_project(tmp_path, DISTRIBUTION))
    assert clone == "in the clone, .venv/bin/pip install -c constraints.txt -e '.[map]'"


def test_it_is_updated_as_it_came(tmp_path: Path) -> None:
    """A clone by git, a wheel by pip."""
    assert how_to_update(tmp_path) == f"pip install --upgrade {DISTRIBUTION}"
    clone = how_to_update(write_project(tmp_path, DISTRIBUTION))
    assert clone == "in the clone, git pull && make install"


def test_a_missing_extra_says_how_to_add_it() -> None:
    """The message names what is missing and the command; no folder of this machine is in it."""
    message = str(MissingExtra("openTSNE", "map"))
    assert message == f"openTSNE is not installed: {how_to_add('map')}"
    assert str(ROOT) not in message


def test_nobody_is_told_to_install_the_package_of_a_stranger() -> None:
    """``bearing`` on PyPI is not this: no message, page or recipe has pip install it."""
    stranger = re.compile(r"pip install[^\n]*[ '\"]bearing['\"\s]|\bbearing\[")
    texts = {path: path.read_text() for path in [*SOURCES, *PAGES, *RECIPES]}
    assert [path for path, text in texts.items() if stranger.search(text)] == []


def test_extras_that_are_spoken_of_exist() -> None:
    """Whatever extra a source names as missing is one of the project's."""
    named = {
        extra
        for path in SOURCES
        for extra in re.findall(r"MissingExtra\(\"[\w-]+\", \"(\w+)\"\)", path.read_text())
    }
    assert {"int8", "map", "mcp", "ocr", "plot"} <= named <= PROJECT["optional-dependencies"].keys()
