"""The wheel: what it holds, and how it does beside a project that has an ``app`` of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Mapping
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SECONDS = 120

CALL_COMMAND = "import sys; sys.argv[0] = 'bearing'; from app.cli import main; main()"
"""What the script does that pip makes of the command."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("app", "indexer"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "clone" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "clone")
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *build, folder / "clone"],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with an ``app`` of its own, and a document."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text('NAME = "a shop"\n')
    (tmp_path / "whale.txt").write_text("A captain hunts a white whale.")
    return tmp_path


def run(
    installed: Path, folder: Path, *words: str, paths: tuple[Path, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """What Python does in a folder, where it imports from what is installed and from paths.

    The other libraries are those of the tests, without the finder of a clone that is installed in
    place (-S): it would find what the wheel does not give.
    """
    libraries = sysconfig.get_path("purelib")
    inherited = {name: value for name, value in os.environ.items() if "BEARING" not in name}
    own: Mapping[str, str] = {
        "BEARING_MODEL": "hashing",
        "PYTHONPATH": os.pathsep.join(map(str, (*paths, installed, libraries))),
    }
    return subprocess.run(
        [sys.executable, "-S", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env=inherited | own,
        timeout=SECONDS,
    )


def test_it_holds_both_packages_under_the_name_of_the_distribution(installed: Path) -> None:
    """Nothing else is at its top; the page's files and the command are in it."""
    (information,) = installed.glob("*.dist-info")
    assert {entry.name for entry in installed.iterdir()} == {"app", "indexer", information.name}
    told = message_from_string((information / "METADATA").read_text())
    assert (told["Name"], told["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert "bearing = app.cli:main" in (information / "entry_points.txt").read_text()
    assert (installed / "app" / "web" / "index.html").is_file()


def test_what_it_says_of_itself_needs_no_clone(installed: Path, shop: Path) -> None:
    """Its version is the installed one's, and an extra is added by its name."""
    code = "from indexer import installation as here; print(here.version(), here.how_to_add('mcp'))"
    done = run(installed, shop, "-c", code)
    said = f"{PROJECT['version']} pip install '{PROJECT['name']}[mcp]'\n"
    assert done.stdout == said, done.stderr


def test_the_library_works_beside_another_app(installed: Path, shop: Path) -> None:
    """Indexing and searching import nothing that is called ``app``."""
    index = run(installed, shop, "-m", "indexer", "index", "whale.txt", "--json")
    assert index.returncode == 0, index.stderr
    found = run(installed, shop, "-m", "indexer", "search", "whale", "--json")
    assert "A captain" in found.stdout
    code = "import app, indexer.cli, sys; print(app.NAME, indexer.__file__)"
    assert run(installed, shop, "-c", code).stdout == f"a shop {installed}/indexer/__init__.py\n"


def test_the_client_is_hidden_by_another_app(installed: Path, shop: Path) -> None:
    """What docs/deploying.md says does not work does not."""
    done = run(installed, shop, "-c", "from app.client import Client")
    assert "No module named 'app.client'" in done.stderr


def test_the_command_works_where_another_app_is_not_on_the_path(
    installed: Path, shop: Path
) -> None:
    """Its script does not look into the folder where it is started, unless PYTHONPATH does."""
    done = run(installed, shop, "-P", "-c", CALL_COMMAND, "key", "--json")
    assert done.returncode == 0, done.stderr
    hidden = run(installed, shop, "-P", "-c", CALL_COMMAND, "key", "--json", paths=(shop,))
    assert "No module named 'app.cli'" in hidden.stderr
