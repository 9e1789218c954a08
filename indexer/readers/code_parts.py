"""The functions and classes of a source file, as the process in ``isolation`` reports them.

tree-sitter parses it, whatever errors it has. Imports nothing of this project, so that the process
starts fast.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from tree_sitter import Language, Node, Parser

# fmt: off
FUNCTIONS: Final = frozenset((
    "function_definition", "function_declaration", "generator_function_declaration",
    "function_item", "method_definition", "method_declaration", "method", "singleton_method",
    "macro_definition", "constructor_declaration", "compact_constructor_declaration",
    "destructor_declaration", "operator_declaration", "conversion_operator_declaration",
))
CLASSES: Final = frozenset((
    "class_definition", "class_declaration", "abstract_class_declaration", "class",
    "class_specifier", "struct_specifier", "struct_declaration", "struct_item",
    "union_specifier", "union_item", "enum_specifier", "enum_declaration", "enum_item",
    "interface_declaration", "trait_item", "record_declaration", "annotation_type_declaration",
    "type_alias_declaration", "type_definition", "type_spec", "type_item",
))
SPACES: Final = frozenset((
    "namespace_definition", "namespace_declaration", "file_scoped_namespace_declaration",
    "mod_item", "internal_module", "module", "impl_item",
))
"""Blocks that only give their name to what is within."""

OUTER: Final = frozenset((
    "export_statement", "decorated_definition", "template_declaration", "ambient_declaration",
    "type_declaration",
))
"""Nodes around a definition that belong to it."""

OPEN: Final = OUTER | frozenset((
    "block", "declaration_list", "class_body", "interface_body", "enum_body", "body_statement",
    "statement_block", "field_declaration_list", "if_statement", "else_clause", "elif_clause",
    "try_statement", "except_clause", "with_statement", "preproc_ifdef", "preproc_if",
    "preproc_else", "preproc_elif", "linkage_specification", "expression_statement",
    "enum_body_declarations", "annotation_type_body", "ERROR",
))
"""Nodes whose definitions are those of the block around them."""

COMMENTS: Final = frozenset((
    "comment", "line_comment", "block_comment", "attribute_item", "doc_comment",
))
FUNCTION_VALUES: Final = frozenset((
    "arrow_function", "function_expression", "generator_function", "class",
))
# fmt: on
VARIABLES: Final = frozenset(("lexical_declaration", "variable_declaration"))
TYPED: Final = frozenset(
    ("struct_specifier", "class_specifier", "union_specifier", "enum_specifier")
)
"""Nodes that are definitions only with a body."""

MAX_NAME: Final = 200
ALIASES: Final = frozenset(("type_alias_declaration", "type_definition", "type_item"))
"""Classes that are told with all that is within."""

_WORD: Final = re.compile(r"\w")
_BLANK: Final = re.compile(r"\n(?:[ \t]*\n){3,}")


@dataclass(frozen=True, slots=True)
class Part:
    """A definition: bytes from ``start``, where the comments before it begin, to ``end``."""

    name: str
    kind: str
    start: int
    own: int
    body: int
    end: int
    line: int
    last_line: int
    inner: Sequence[Part] = field(default=())


def report(file: BinaryIO, language: str) -> Iterator[dict[str, Any]]:
    """The text outside of definitions, then each of these, in the order of the file.

    A class shows the heads of its methods, which are reported by themselves; so no line is lost.
    """
    data = file.read()
    root = Parser(Language(_grammar(language))).parse(data).root_node
    parts = list(_parts(data, root, "", within=False))
    rest = _tidy(_outside(data, parts, 0, len(data)))
    if _WORD.search(rest):
        lines = data.count(b"\n") + 1
        yield _item(rest, None, language, "module", 1, lines)
    names: Counter[str] = Counter()
    for part in _flat(parts):
        names[part.name] += 1
        count = names[part.name]
        name = part.name if count == 1 else f"{part.name}~{count}"
        text = _text(data, part)
        item = _item(text, part.name, language, part.kind, part.line, part.last_line)
        yield {**item, "part": name}


def _item(
    text: str, title: str | None, language: str, kind: str, line: int, last: int
) -> dict[str, Any]:
    facts = {"language": language, "kind": kind, "line": line, "last_line": last}
    return {"text": text, "title": title, "metadata": facts}


def _grammar(language: str) -> object:
    """The grammar of a language, each a package of its own."""
    match language:
        case "python":
            import tree_sitter_python as python

            return python.language()
        case "javascript":
            import tree_sitter_javascript as javascript

            return javascript.language()
        case "typescript" | "tsx":
            import tree_sitter_typescript as typescript

            tsx = language == "tsx"
            return typescript.language_tsx() if tsx else typescript.language_typescript()
        case "java":
            import tree_sitter_java as java

            return java.language()
        case "go":
            import tree_sitter_go as go

            return go.language()
        case "rust":
            import tree_sitter_rust as rust

            return rust.language()
        case "c":
            import tree_sitter_c as c

            return c.language()
        case "c++":
            import tree_sitter_cpp as cpp

            return cpp.language()
        case "ruby":
            import tree_sitter_ruby as ruby

            return ruby.language()
        case "c#":
            import tree_sitter_c_sharp as c_sharp

            return c_sharp.language()
    raise ValueError(f"no grammar for {language}")


def _parts(
    data: bytes, node: Node, prefix: str, within: bool, outer: Node | None = None
) -> Iterator[Part]:
    """The definitions in a block, those of blocks within it that are no definitions included."""
    for child in node.named_children:
        kind = child.type
        if _is_definition(child):
            yield _part(data, child, prefix, within, outer or child)
        elif kind in SPACES:
            belongs = within or kind == "impl_item"
            yield from _parts(data, child, f"{prefix}{_name(child)}.", belongs)
        elif kind in VARIABLES and _function_of(child) is not None:
            yield _part(data, child, prefix, within, outer or child)
        elif kind in OPEN:
            yield from _parts(data, child, prefix, within, child if kind in OUTER else None)


def _is_definition(node: Node) -> bool:
    if node.type in TYPED and node.child_by_field_name("body") is None:
        return False
    return node.type in FUNCTIONS or node.type in CLASSES


def _function_of(node: Node) -> Node | None:
    """The only variable of a declaration, if its value is a function or class."""
    if len(node.named_children) != 1:
        return None
    value = node.named_children[0].child_by_field_name("value")
    return node.named_children[0] if value and value.type in FUNCTION_VALUES else None


def _part(data: bytes, node: Node, prefix: str, within: bool, outer: Node) -> Part:
    name = f"{prefix}{_name(node)}"
    is_class = node.type in CLASSES
    start, own = _start(data, outer)
    body = node.child_by_field_name("body")
    is_method = within or node.child_by_field_name("receiver") is not None
    kind = "class" if is_class else "method" if is_method else "function"
    is_open = is_class and node.type not in ALIASES
    return Part(
        name[:MAX_NAME],
        kind,
        start,
        own,
        body.start_byte if body else outer.end_byte,
        outer.end_byte,
        outer.start_point.row + 1,
        outer.end_point.row + 1,
        tuple(_parts(data, node, f"{name}.", within=True)) if is_open else (),
    )


def _start(data: bytes, node: Node) -> tuple[int, int]:
    """The bytes at which the comments before a node begin, and the node itself."""
    first = node
    while (before := first.prev_sibling) is not None and before.type in COMMENTS:
        if before.end_point.row + 1 < first.start_point.row:
            break
        if data.rfind(b"\n", 0, before.start_byte) < _line_start(data, before.start_byte) - 1:
            break
        if data[_line_start(data, before.start_byte) : before.start_byte].strip():
            break  # it stands behind something on its line
        first = before
    return _indented(data, first.start_byte), _indented(data, node.start_byte)


def _line_start(data: bytes, place: int) -> int:
    return data.rfind(b"\n", 0, place) + 1


def _indented(data: bytes, place: int) -> int:
    """The start of the line, if nothing but space stands before the place."""
    start = _line_start(data, place)
    return place if data[start:place].strip() else start


def _name(node: Node) -> str:
    """The name of a definition: of a method in Go with its type, of ``impl`` the type's."""
    holder = _function_of(node) if node.type in VARIABLES else node
    assert holder is not None
    receiver = node.child_by_field_name("receiver")
    found = holder.child_by_field_name("name")
    if found is None:
        found = holder.child_by_field_name("declarator") or holder.child_by_field_name("type")
        while found is not None and (inner := found.child_by_field_name("declarator")):
            found = inner
    name = _words(found) or "unnamed"
    if receiver is not None and (kind := re.search(r"\*?\s*(\w+)(?:\[.*)?\)", _words(receiver))):
        return f"{kind[1]}.{name}"
    return name


def _words(node: Node | None) -> str:
    text = node.text if node is not None else None
    return " ".join((text or b"").decode("utf-8", "replace").split())


def _flat(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from _flat(part.inner)


def _text(data: bytes, part: Part) -> str:
    """The text of a definition; of what is within a class, only the heads."""
    return textwrap.dedent(_tidy(_outside(data, part.inner, part.start, part.end, heads=True)))


def _outside(data: bytes, parts: Sequence[Part], start: int, end: int, heads: bool = False) -> str:
    """A stretch without the parts within it, or with their heads in their place."""
    pieces: list[bytes] = []
    for part in parts:
        pieces.append(data[start : part.start])
        if heads:
            pieces.append(data[part.own : part.body].rstrip())
        start = max(start, part.end)
    pieces.append(data[start:end])
    return b"".join(pieces).decode("utf-8", "replace")


def _tidy(text: str) -> str:
    return _BLANK.sub("\n\n\n", text).strip("\n").rstrip()
