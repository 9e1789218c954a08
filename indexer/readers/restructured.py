"""reStructuredText (.rst), by docutils: the text with its headings, Sphinx's marks understood.

Nothing is included or fetched. Directives that docutils does not know, as those of Sphinx, are
their content, below the words they are given (``.. function:: f(x)``); roles are their text.
Tables of contents, indexes, comments and what is raw for one output are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from indexer.readers.decoding import decode
from indexer.readers.extracted import MAX_TEXT_BYTES, Extracted, read_apart
from indexer.readers.manuscript import Manuscript
from indexer.readers.reading import Fields, Read
from indexer.readers.sources import Source

if TYPE_CHECKING:
    from docutils.nodes import Node

SETTINGS: Final = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 3,
    "halt_level": 5,
    "warning_stream": False,
    "input_encoding": "unicode",
    "line_length_limit": 10**7,
}
MESSAGES: Final = "system-messages"
"""The class of a section that docutils adds at the end."""

# fmt: off
CODE: Final = frozenset((
    "code", "code-block", "sourcecode", "doctest", "testcode", "testoutput", "ipython",
    "prompt", "math",
))
UNSHOWN: Final = frozenset((
    "toctree", "index", "currentmodule", "py:currentmodule", "module", "highlight", "meta",
    "contents", "literalinclude", "tabularcolumns", "include", "raw", "testsetup", "testcleanup",
))
SKIPPED: Final = frozenset((
    "comment", "substitution_definition", "problematic", "target", "raw", "meta", "pending",
    "topic_contents", "decoration", "label", "docinfo", "image",
))
# fmt: on
LINES: Final = frozenset(("bullet_list", "enumerated_list", "definition_list", "field_list"))

_DIRECTIVE: Final = re.compile(r"^\s*\.\. +(?:\|[^|\n]*\| +)?([\w:.+-]+)::", re.MULTILINE)
_ROLE: Final = re.compile(r":([\w:.+-]+):`|`:([\w:.+-]+):")
_TARGET: Final = re.compile(r"(.+?)\s*<[^<>]*>\Z", re.DOTALL)


def read_restructured(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    yield from read_apart(source, "rst", __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted."""
    from docutils.core import publish_doctree
    from docutils.nodes import docinfo

    decoded = decode(file.read(MAX_TEXT_BYTES))
    _know_all(decoded.text)
    tree = publish_doctree(decoded.text, settings_overrides=SETTINGS)
    made = Manuscript()
    for each in tree.children:
        _write(made, each, 1)
    facts: dict[str, Any] = {}
    for each in (field for info in tree.findall(docinfo) for field in info.children):
        if each.tagname in ("author", "date", "version", "organization"):
            facts[each.tagname] = each.astext()
    title = tree.get("title")
    if not title and made.headings:
        title = made.headings[0][1]
    yield asdict(Extracted(made.text, title, {**decoded.metadata, **facts, **made.metadata}))


def _write(made: Manuscript, node: Node, level: int) -> None:
    """Write what stands in a node, at this level of headings."""
    from docutils.nodes import literal_block

    name = node.tagname
    if name in ("title", "subtitle"):
        if node.parent.tagname == "section":
            made.heading(level - 1, node.astext())
        elif node.parent.tagname not in ("document", "topic"):
            made.paragraph(node.astext())
    elif name == "section":
        if MESSAGES not in _classes(node):
            for each in node.children:
                _write(made, each, level + 1)
    elif name == "system_message":  # a directive that went wrong, as it is written
        for each in node.findall(literal_block):
            made.paragraph(each.astext())
    elif name == "image":
        made.paragraph(str(node.get("alt", "")))
    elif name in SKIPPED or (name == "topic" and "contents" in _classes(node)):
        return
    elif name in LINES:
        made.paragraph("\n".join(_lines(node)))
    elif name == "table":
        made.paragraph("\n".join(_rows(node)))
    elif name in ("literal_block", "doctest_block", "math_block", "line_block"):
        made.paragraph(node.astext())
    elif any(_is_text(each) for each in node.children):
        made.paragraph(" ".join(node.astext().split()))
    else:
        for each in node.children:
            _write(made, each, level)


def _is_text(node: Node) -> bool:
    from docutils.nodes import Inline, Text

    return isinstance(node, Text | Inline)


def _classes(node: Node) -> list[str]:
    found: list[str] = node.get("classes", [])
    return found


def _lines(node: Node) -> Iterator[str]:
    """The paragraphs in a list, a line each; a term or field with what it stands for."""
    for each in node.children:
        if each.tagname in ("paragraph", "term", "literal_block", "field_name"):
            text = each.astext()
            yield text if each.tagname == "literal_block" else " ".join(text.split())
        elif each.tagname not in SKIPPED:
            yield from _lines(each)


def _rows(node: Node) -> Iterator[str]:
    from docutils.nodes import row, title

    yield from (each.astext() for each in node.children if isinstance(each, title))
    for each in node.findall(row):
        yield "\t".join(" ".join(entry.astext().split()) for entry in each.children)


def _know_all(text: str) -> None:
    """Let docutils know each directive and role of a text; for this process only."""
    from docutils.parsers.rst import directives, roles
    from docutils.parsers.rst.languages import en

    for name in {each.lower() for each in _DIRECTIVE.findall(text)}:
        if name not in en.directives or name in UNSHOWN or name in CODE:
            directives.register_directive(name, _directive(name))
    for name in {(first or second).lower() for first, second in _ROLE.findall(text)}:
        if name not in en.roles:
            roles.register_local_role(name, _role)


def _directive(name: str) -> type:
    from docutils.nodes import container, literal_block, paragraph
    from docutils.parsers.rst import Directive

    class Options(dict[str, Callable[[str], str]]):
        def __missing__(self, _: str) -> Callable[[str], str]:
            return lambda given: given or ""

    class Unknown(Directive):  # type: ignore[misc] # docutils is not typed
        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True
        option_spec = Options(name=str)

        def run(self) -> list[Node]:
            if name in UNSHOWN:
                return []
            content = "\n".join(self.content)
            if name in CODE:
                return [literal_block(content, content)]
            whole = container()
            words = " ".join(self.arguments)
            if words:
                whole += paragraph(words, words)
            self.state.nested_parse(self.content, self.content_offset, whole)
            return [whole]

    return Unknown


def _role(
    name: str,  # noqa: ARG001 - as docutils calls it
    source: str,
    text: str,
    *_: object,
    **__: object,
) -> tuple[list[Any], list[Any]]:
    """The text of a role: of ``~package.Name`` the last part, of ``text <target>`` the text."""
    from docutils.nodes import inline, unescape

    words = unescape(text)
    found = _TARGET.match(words)
    if found:
        words = found[1]
    elif words.startswith("~"):
        words = words.rpartition(".")[2].lstrip("~")
    words = words.lstrip("!")
    return [inline(source, words)], []
