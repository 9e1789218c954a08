"""What a contributor's tools read: the workflow, the hooks, the form of files, and the pages."""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
FOLDERS = ("app", "benchmarks", "docker", "docs", "examples", "indexer", "tests", ".ci", ".github")


def texts() -> Iterator[tuple[str, str]]:
    """The project's files of text by their paths."""
    inner = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    named = [ROOT / name for name in ("Makefile", "Dockerfile", ".editorconfig", "pyproject.toml")]
    for path in [*inner, *named, *ROOT.glob("*.md"), *ROOT.glob("*.y*ml")]:
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            yield str(path.relative_to(ROOT)), data.decode("utf-8")


def is_in_form(path: str, text: str) -> bool:
    """Whether lines end as they should, and begin with a tab in the Makefile alone."""
    lines = text.split("\n")
    ended = not text or text.endswith("\n")
    indented = path == "Makefile" or not any(line.startswith("\t") for line in lines)
    return ended and indented and all(line == line.rstrip() for line in lines)


def test_the_workflow_runs_what_anyone_runs() -> None:
    """It calls .ci/run, by the oldest Python that is supported, and may only read."""
    (job,) = WORKFLOW["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert re.fullmatch(rf"python:{re.escape(oldest)}(-\w+)?", job["container"])
    assert WORKFLOW["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)


def test_hooks_run_the_pinned_tools() -> None:
    """Each is a line of make check, by the tool in .venv; nothing is fetched from elsewhere."""
    checks = re.findall(r"^\t\$\(BIN\)/(\S+(?: [a-z]\S*)?)", MAKEFILE, re.MULTILINE)
    hooks = [hook for repository in HOOKS for hook in repository["hooks"]]
    assert {repository["repo"] for repository in HOOKS} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    entries = [shlex.split(hook["entry"]) for hook in hooks]
    assert {words[0].rpartition("/")[0] for words in entries} == {".venv/bin"}
    names = {" ".join([words[0].rpartition("/")[2], *words[1:2]]) for words in entries}
    assert names >= {"ruff check", "ruff format", "mypy"}
    assert all(any(check.startswith(name.split(" --")[0]) for check in checks) for name in names)


def test_files_have_the_form_that_editors_are_told() -> None:
    """Unix lines without blanks at their ends, and a last line that ends; tabs in the Makefile."""
    assert [path for path, text in texts() if not is_in_form(path, text)] == []
    assert not is_in_form("a", "blank \n") and not is_in_form("a", "no end")
    assert not is_in_form("a", "\tx\n") and not is_in_form("a", "x\r\n")


def test_editors_are_told_the_form_that_is_checked() -> None:
    """The length of a line is that of ruff."""
    told = configparser.ConfigParser()
    told.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert int(told["*.py"]["max_line_length"]) == ruff["line-length"]
    assert told["Makefile"]["indent_style"] == "tab"
    everywhere = {"end_of_line": "lf", "trim_trailing_whitespace": "true", "charset": "utf-8"}
    assert everywhere.items() <= dict(told["*"]).items()


def test_every_room_of_the_tests_is_described() -> None:
    """CONTRIBUTING.md says of each folder of tests what is in it, and names no other."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert set(re.findall(r"`tests/(\w+)`", page)) == rooms


@pytest.mark.parametrize("package", ["indexer", "app"])
def test_every_room_is_on_the_map(package: str) -> None:
    """CONTRIBUTING.md says of each folder of the sources what lives there, and names no other."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = page.partition(f"| room of `{package}/` |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([\w/]+/|\w+\.py)`", table))
    paths = [path for path in (ROOT / package).rglob("*") if "__pycache__" not in path.parts]
    folders = {f"{path.name}/" for path in paths if path.is_dir()}
    assert {name for name in named if name.endswith("/")} == folders
    assert {name for name in named if name.endswith(".py")} <= {path.name for path in paths}


def test_recipes_name_what_there_is() -> None:
    """Each path in CONTRIBUTING.md is one of the project, but for what a reader is to write."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"(?:app|docs|indexer|tests)(?:/\w+)+\.\w+", page)
    assert len(paths) > 20
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
