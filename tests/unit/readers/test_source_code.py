"""Source code, held against Python's own parser where the code is Python."""

from __future__ import annotations

import ast
import gzip
import heapq
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.readers.languages import LANGUAGES


def defined(node: ast.AST, prefix: str = "") -> Iterator[str]:
    """The names of the definitions that are not within functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from defined(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            yield from defined(child, prefix)


@pytest.mark.parametrize("module", [ast, heapq, textwrap])
def test_the_definitions_are_those_that_python_finds(read, module) -> None:
    """With the same names, and no line of the file is in none of the documents."""
    source = Path(module.__file__).read_text()
    documents = read("m.py", source).documents
    found = [one.title for one in documents if one.title]
    assert found == list(defined(ast.parse(source)))
    together = "\n".join(one.text for one in documents)
    held = {line.strip() for line in together.split("\n")}
    assert [line for line in source.split("\n") if line.strip() not in held | {""}] == []


PYTHON = '''\
"""About it."""

import os

# Of old.

# It adds,
# and more.
@cached
def add(a, b):
    def inner():
        return a
    return inner() + b


class Tree(dict):
    """A tree."""

    size = 0

    def grow(self):  # up
        """More."""
        self.size += 1

    if os.name:

        @property
        async def high(self): return 2
'''


def test_functions_methods_and_classes_are_documents(read) -> None:
    """With the comments before them; a class shows the heads of what is within."""
    documents = {one.id: one for one in read("a.py", PYTHON).documents}
    assert list(documents) == ["a.py", "a.py#add", "a.py#Tree", "a.py#Tree.grow", "a.py#Tree.high"]
    assert documents["a.py"].text == '"""About it."""\n\nimport os\n\n# Of old.'
    assert documents["a.py#add"].text.startswith(
        "# It adds,\n# and more.\n@cached\ndef add(a, b):\n"
    )
    assert documents["a.py#Tree"].text == (
        'class Tree(dict):\n    """A tree."""\n\n    size = 0\n\n    def grow(self):  # up\n\n'
        "    if os.name:\n\n        @property\n        async def high(self):"
    )
    grow = documents["a.py#Tree.grow"]
    assert grow.text == 'def grow(self):  # up\n    """More."""\n    self.size += 1'
    assert grow.title == "Tree.grow"
    assert grow.metadata == {
        "format": "code",
        "language": "python",
        "kind": "method",
        "line": 21,
        "last_line": 23,
    }


SAMPLES = {
    "a.js": (
        "export default class A { m(){} }\nconst f = (x) => x;\nexport function g(){}\nlet n = 1;",
        ["A class", "A.m method", "f function", "g function"],
    ),
    "a.ts": (
        "export interface I { a: number }\ntype T = I;\nenum E {A}\nabstract class C { m() {} }\n"
        "namespace N { export const f = function() {} }",
        ["I class", "T class", "E class", "C class", "C.m method", "N.f function"],
    ),
    "a.tsx": ("export const B = () => <b>bold</b>;", ["B function"]),
    "A.java": (
        "package a; public class A { int x; A(){} /** Do. */ void m(){} interface I{} }",
        ["A class", "A.A method", "A.m method", "A.I class"],
    ),
    "a.go": (
        "package a\ntype T[K any] struct{}\nfunc (t *T[K]) M() {}\nfunc F() {}",
        ["T class", "T.M method", "F function"],
    ),
    "a.rs": (
        "mod m { fn g(){} }\n#[derive(Debug)]\nstruct S;\nimpl T for S { fn m(&self){} }",
        ["m.g function", "S class", "S.m method"],
    ),
    "a.c": (
        "struct s { int x; };\ntypedef struct { int y; } t;\nstatic int *f(int a) { return 0; }",
        ["s class", "t class", "f function"],
    ),
    "a.h": (
        "#ifndef A\nnamespace n { template<class T> class A { void m() {} };\n"
        "void A::q() {} }\n#endif",
        ["n.A class", "n.A.m method", "n.A::q function"],
    ),
    "a.rb": (
        "module M\n class A < B\n  def m; end\n  def self.s; end\n end\nend",
        ["M.A class", "M.A.m method", "M.A.s method"],
    ),
    "a.cs": (
        "namespace N { class A { int P {get;set;} void M() {} void M(int x) {} } }",
        ["N.A class", "N.A.M method", "N.A.M~2 method"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_every_language_has_its_definitions(read, name) -> None:
    """Named with the classes, modules and namespaces that they are in."""
    source, wanted = SAMPLES[name]
    found = read(name, source)
    parts = [one for one in found.documents if one.title]
    assert [f"{one.id.partition('#')[2]} {one.metadata['kind']}" for one in parts] == wanted
    assert {one.metadata["language"] for one in parts} == {LANGUAGES[Path(name).suffix]}
    assert not found.rejections


def test_code_with_errors_and_in_other_encodings_is_read(read) -> None:
    """What is wrong stands in the document of the rest; an empty file is refused."""
    found = read(
        "a.py", "def f(:\n    x = (\n\ndef g():\n    return 'caf\u00e9'\n".encode("cp1252")
    )
    assert "caf\u00e9" in "".join(one.text for one in found.documents)
    assert {one.metadata["encoding"] for one in found.documents} == {"cp1252"}
    assert read("a.py", "\n").rejection.reason == "no text in it"
    assert read("a.py.gz", gzip.compress(b"def f(): pass")).documents[0].id == "a.py.gz#f"
    assert "NUL" in read("film.ts", b"G\0\0\0" * 99).rejection.reason
