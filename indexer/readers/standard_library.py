"""The documentation of the running Python: a corpus that every machine has.

Every docstring of a module, class or function in the standard library is a document. The source
is parsed, never imported. Modules compiled into the interpreter have no source, and tests are not
documentation; both are left out.
"""

from __future__ import annotations

import ast
import platform
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indexer.documents import Document
from indexer.errors import InvalidDocument
from indexer.filters import Scalar
from indexer.readers.reading import Part, Read, Rejection

SKIPPED: Final = frozenset(
    ("test", "tests", "idle_test", "site-packages", "dist-packages", "lib-dynload", "__pycache__")
)

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Described:
    """A module, class or function with a docstring; ``name`` is qualified."""

    name: str
    kind: str
    text: str
    line: int
    signature: str | None


def read_standard_library(root: Path | None = None) -> Iterator[Read]:
    """A document for each docstring, module by module in the order of their names.

    The id is the qualified name; if a name is defined more than once, as under ``if``, the second
    has ``#2`` appended, and so on. Metadata: module, kind (module, class, function or method),
    line, python (its version), and except for modules the signature.
    """
    folder = root or _library()
    consumed = 0
    for path in _modules(folder):
        source = path.read_bytes()
        consumed += len(source)
        for item in _documents(_module_name(folder, path), source):
            yield Read(item, consumed)


def standard_library_parts(root: Path | None = None) -> list[Part]:
    """The parts of the input that :func:`read_standard_library` will read."""
    return [Part("Python", sum(path.stat().st_size for path in _modules(root or _library())))]


def described(module: str, tree: ast.Module) -> Iterator[Described]:
    """Everything with a docstring in a module, in source order."""
    text = ast.get_docstring(tree)
    if text:
        yield Described(module, "module", text, 1, None)
    yield from _definitions(tree, module, inside_class=False)


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _modules(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if not SKIPPED.intersection(parts) and all(_is_name(part) for part in parts):
            yield path


def _is_name(part: str) -> bool:
    """Return whether a folder or file can be imported; not so ``config-3.11-x86_64``."""
    return part.removesuffix(".py").isidentifier()


def _module_name(folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _documents(module: str, source: bytes) -> Iterator[Document | Rejection]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        yield Rejection(module, f"not Python {platform.python_version()}: {error}")
        return
    seen: Counter[str] = Counter()
    for each in described(module, tree):
        seen[each.name] += 1
        try:
            yield _document(module, each, seen[each.name])
        except InvalidDocument as error:
            yield Rejection(f"{module}:{each.line}", str(error))


def _document(module: str, found: Described, occurrence: int) -> Document:
    metadata: dict[str, Scalar] = {
        "module": module,
        "kind": found.kind,
        "line": found.line,
        "python": platform.python_version(),
    }
    if found.signature is not None:
        metadata["signature"] = found.signature
    id = found.name if occurrence == 1 else f"{found.name}#{occurrence}"
    return Document(id, found.text, found.name, metadata)


def _definitions(node: ast.AST, scope: str, inside_class: bool) -> Iterator[Described]:
    """The definitions below a node, also under ``if``, ``try`` and within functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Definition):
            yield from _definitions(child, scope, inside_class)
            continue
        name = f"{scope}.{child.name}"
        text = ast.get_docstring(child)
        if text:
            kind = _kind(child, inside_class)
            yield Described(name, kind, text, child.lineno, _signature(child))
        is_class = isinstance(child, ast.ClassDef)
        yield from _definitions(child, name if is_class else f"{name}.<locals>", is_class)


def _kind(node: Definition, inside_class: bool) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    return "method" if inside_class else "function"


def _signature(node: Definition) -> str:
    """The line of its definition, such as ``def load(fp, *, cls=None)``, without its colon."""
    if isinstance(node, ast.ClassDef):
        parts = [ast.unparse(part) for part in (*node.bases, *node.keywords)]
        return f"class {node.name}({', '.join(parts)})" if parts else f"class {node.name}"
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}"
