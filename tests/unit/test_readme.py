"""What README.md and docs/ say is so: promises, settings, links and commands."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from app.commands import demo, key, mcp, serve, token
from app.settings import PREFIX, Settings, settings_table
from indexer.cli.app import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

OUTSIDE_OF_SETTINGS = {
    "BEARING_API_KEY",
    "BEARING_COLLECTION",
    "BEARING_METRICS_KEY_FILE",
    "BEARING_PUBLISH_PORT",
}
"""Read by the command line, and by docker/compose.yaml."""

PROMISES = re.findall(r"^(\d+)\. \*\*(.+?)\*\*.*?\n((?:   .*\n)+)", README, re.MULTILINE)


def fenced_lines(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks, with those that a backslash continues joined."""
    for block in re.findall(r"```[a-z]*\n(.*?)```", page.read_text(), re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def spans(page: Path) -> list[str]:
    """What stands as code within the sentences of a page."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def shown_commands(program: str) -> list[list[str]]:
    """Each call of a program in the pages, split as a shell would."""
    fenced = [line.removeprefix("$ ") for page in PAGES for line in fenced_lines(page)]
    shown = [*fenced, *(span for page in PAGES for span in spans(page))]
    lines = [line.removeprefix(".venv/bin/") for line in shown]
    calls = [re.split(r" [|<>] | #", line)[0] for line in lines if line.startswith(f"{program} ")]
    return [shlex.split(call) for call in calls]


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def is_test_in(path: Path, name: str) -> bool:
    """Whether a file defines this function, at its top or in a class, or assigns a test case."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return True
    return False


def test_ten_promises_are_made() -> None:
    """The README states each promise under its number."""
    assert [int(number) for number, _, _ in PROMISES] == list(range(1, 11))


@pytest.mark.parametrize(("promise", "body"), [(title, body) for _, title, body in PROMISES])
def test_a_promise_names_tests_that_exist(promise: str, body: str) -> None:
    """Each promise names at least one test, and each test that it names is there."""
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", body)
    assert tests, promise
    missing = [each for each in tests if not is_test_in(ROOT / each[0], each[1])]
    assert missing == []


def test_the_table_of_settings_is_complete() -> None:
    """The README's table is the one that the settings themselves print."""
    assert settings_table() in README


def test_every_variable_that_is_read_is_in_the_readme() -> None:
    """No source reads a variable that the README does not name."""
    sources = [*(ROOT / "app").rglob("*.py"), *(ROOT / "indexer").rglob("*.py")]
    read = {
        name for path in sources for name in re.findall(r"\bBEARING_[A-Z_]+\b", path.read_text())
    }
    assert read - set(re.findall(r"\bBEARING_[A-Z_]+\b", README)) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_that_are_spoken_of_exist(page: Path) -> None:
    """No page names a variable that nothing reads."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | OUTSIDE_OF_SETTINGS
    assert set(re.findall(r"\bBEARING_[A-Z_]+\b", page.read_text())) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Every link and picture that is not on the web is a file here, and its anchor a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), target


def test_shown_make_targets_exist() -> None:
    """Every `make` in the pages names a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {words[1] for words in shown_commands("make")}
    assert {"demo", "test"} <= shown <= targets


def test_shown_bearing_commands_exist() -> None:
    """Every `bearing` in the pages is a command with options that it has."""
    bearing = commands()
    bearing.command()(serve)
    bearing.command()(demo)
    bearing.command()(key)
    bearing.command()(token)
    bearing.command()(mcp)
    group = typer.main.get_command(bearing)
    assert shown_commands("bearing")
    for _, name, *words in shown_commands("bearing"):
        if name == "--version":
            continue
        command = group.commands[name]
        if words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words[0]]
        known = {option for each in command.params for option in each.opts}
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert used <= known | {"--help"}, (name, words)
