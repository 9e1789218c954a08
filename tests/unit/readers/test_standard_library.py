"""The documentation of the running Python as a corpus."""

from __future__ import annotations

import inspect
import json.decoder
import shutil
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from indexer.documents import Document
from indexer.readers import Rejection
from indexer.readers.standard_library import read_standard_library, standard_library_parts


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small library with a test folder, and a file that is no Python."""
    files = {
        "pack/__init__.py": '"""A package."""\n',
        "pack/mod.py": '''
            """A module.

                Indented.
            Not so.
            """
            if True:
                def twice(a, *, b: int = 1) -> str:
                    """The first."""
            else:
                def twice(a):
                    """The second."""

            class Outer(dict, metaclass=type):
                """A class."""

                async def method(self):
                    """A method."""
                    def inner():
                        """Within a function."""

                def silent(self): ...

                class Inner:
                    """A class within."""
            ''',
        "broken.py": "def (:\n",
        "latin.py": "# -*- coding: latin-1 -*-\n'''Caf\xe9.'''\n",
        "test/test_x.py": '"""A test."""',
        "pack/tests/x.py": '"""A test."""',
        "site-packages/other.py": '"""Another package."""',
        "config-3/x.py": '"""No module."""',
        "notes.txt": "nothing",
    }
    for name, text in files.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="latin-1")
    return tmp_path / "lib"


def test_small_library(library: Path) -> None:
    """Each docstring outside tests is a document with a qualified, unique id."""
    items = [read.item for read in read_standard_library(library)]
    documents = {item.id: item for item in items if isinstance(item, Document)}
    assert list(documents) == [
        "latin",
        "pack",
        "pack.mod",
        "pack.mod.twice",
        "pack.mod.twice#2",
        "pack.mod.Outer",
        "pack.mod.Outer.method",
        "pack.mod.Outer.method.<locals>.inner",
        "pack.mod.Outer.Inner",
    ]
    assert documents["latin"].text == "Café."
    assert documents["pack.mod"].text == "A module.\n\n    Indented.\nNot so."
    assert documents["pack.mod.twice#2"].title == "pack.mod.twice"
    assert [item.place for item in items if isinstance(item, Rejection)] == ["broken"]


@pytest.mark.parametrize(
    ("id", "kind", "signature", "line"),
    [
        ("pack.mod.twice", "function", "def twice(a, *, b: int=1) -> str", 8),
        ("pack.mod.Outer", "class", "class Outer(dict, metaclass=type)", 14),
        ("pack.mod.Outer.method", "method", "async def method(self)", 17),
        ("pack.mod.Outer.Inner", "class", "class Inner", 24),
        ("pack.mod.Outer.method.<locals>.inner", "function", "def inner()", 19),
    ],
)
def test_metadata(library: Path, id: str, kind: str, signature: str, line: int) -> None:
    """Metadata say what it is, where it is defined, and how."""
    items = {getattr(read.item, "id", None): read.item for read in read_standard_library(library)}
    metadata = items[id].metadata
    assert metadata["module"] == "pack.mod"
    assert metadata["python"] == sys.version.split()[0]
    assert (metadata["kind"], metadata["signature"], metadata["line"]) == (kind, signature, line)


def test_progress(library: Path) -> None:
    """Progress ends at the total."""
    last = list(read_standard_library(library))[-1]
    assert [last.consumed] == [part.size for part in standard_library_parts(library)]


PART = ("json", "asyncio", "curses", "email", "logging", "unittest")
"""Packages of the library that runs this, of classes, functions and coroutines."""


@pytest.fixture(scope="module", params=["part", pytest.param("whole", marks=pytest.mark.long)])
def corpus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Document]:
    """The documents of the Python that runs this, or of some of its modules."""
    whole = folder = Path(inspect.__file__).parent
    if request.param == "part":
        folder = tmp_path_factory.mktemp("part")
        for path in (path for name in PART for path in (whole / name).rglob("*.py")):
            copied = folder / path.relative_to(whole)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
    items = [read.item for read in read_standard_library(folder)]
    assert all(isinstance(item, Document) for item in items)
    assert len({item.id for item in items}) == len(items)
    assert len(items) > (300 if request.param == "part" else 5_000)
    return {item.id: item for item in items}


def test_real_library(corpus: dict[str, Document]) -> None:
    """The documents say what the imported objects say of themselves."""
    objects = {
        "json.decoder": json.decoder,
        "json.decoder.JSONDecoder": json.decoder.JSONDecoder,
        "json.decoder.JSONDecoder.decode": json.decoder.JSONDecoder.decode,
        "json.dumps": json.dumps,
    }
    for name, thing in objects.items():
        assert corpus[name].text == inspect.getdoc(thing)
        assert corpus[name].title == name


def test_nothing_is_imported(corpus: dict[str, Document]) -> None:
    """Modules are read as text: those that nobody needs here are not imported."""
    assert "curses.textpad" in corpus
    assert "curses.textpad" not in sys.modules


def test_without_a_folder_it_is_the_library_that_runs() -> None:
    """From its first module on."""
    first = next(read_standard_library()).item
    assert isinstance(first, Document)
    assert (first.id, first.metadata["python"]) == ("__future__", sys.version.split()[0])
