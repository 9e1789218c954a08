"""Markdown: the text without its markup, code kept; CommonMark with tables and strikethrough.

Front matter (YAML between lines of ``---``, or to a line of ``...``; TOML between ``+++``) becomes
metadata; its ``title``, else the first heading, is the title. Front matter that cannot be read is
reported, and the text after it is read without. HTML within is read as ``html`` does. Two blank
lines stand before a heading, and the metadata list them all (see ``indexer.outline``).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.outline import SECTION
from indexer.readers.decoding import decode
from indexer.readers.extracted import Extracted, read_guarded
from indexer.readers.html import visible_text
from indexer.readers.manuscript import Headings, headings_metadata
from indexer.readers.reading import Fields, Read
from indexer.readers.records import TITLE_FIELD, flatten, plain
from indexer.readers.sources import Source

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_FRONT_MATTER: Final = 65_536
MAX_BRACKETS: Final = 500  # the YAML parser takes quadratic time for nested ones
PARAGRAPH: Final = "\n\n"
LINE: Final = "\n"

_GROUPS: Final = frozenset(("bullet_list_open", "ordered_list_open", "table_open"))
_CELLS: Final = frozenset(("th_open", "td_open"))
_TEXTS: Final = frozenset(("inline", "fence", "code_block", "html_block"))
_FRONT = re.compile(
    r"(?:---[ \t]*\n(?P<yaml>.*?)\n?^(?:---|\.\.\.)|\+\+\+[ \t]*\n(?P<toml>.*?)\n?^\+\+\+)"
    r"[ \t]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_KEY = re.compile(r"\s*(?:#.*\n\s*)*[\w\"'][\w .\"'-]*[:=]")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read_markdown(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the file."""
    yield from read_guarded(source, "markdown", extract, __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The file, extracted in a separate process."""
    yield asdict(extract(file.read()))


def extract(data: bytes) -> Extracted:
    """The file's title, text, and front matter."""
    decoded = decode(data)
    front, body, problem = split_front_matter(decoded.text)
    blocks = _parsed(body)
    title = front.pop(TITLE_FIELD, None)
    if title is None:
        title = next((block.text for block in blocks if block.level), None)
        if title is not None and blocks[0].level and len(blocks) > 1:
            del blocks[0]  # the title is embedded in front of the text; once is enough
    text, headings = _joined(blocks)
    named = None if title is None else _one_line(title)
    problems = {"front matter": problem} if problem else {}
    outline = headings_metadata(headings)
    return Extracted(text, named, {**decoded.metadata, **outline, **front}, problems)


def markdown_parts(text: str) -> tuple[str, Headings]:
    """The text of a piece of Markdown, with its headings."""
    return _joined(_parsed(text))


def _parsed(text: str) -> list[Block]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return list(_blocks(parser.parse(text)))


def _joined(blocks: Sequence[Block]) -> tuple[str, Headings]:
    text = "".join(block.gap + block.text for block in blocks).strip("\n")
    return text, [(block.level, block.text) for block in blocks if block.level]


def _one_line(title: object) -> str:
    """A title as it was written, on one line; of a list, its elements."""
    if isinstance(title, list):
        return ", ".join(map(_one_line, title))
    return " ".join((str(title).lower() if isinstance(title, bool) else str(title)).split())


def split_front_matter(text: str) -> tuple[dict[str, Any], str, str | None]:
    """The fields before the text, the text, and the reason if the fields cannot be read."""
    found = _FRONT.match(text)
    if not found:
        return {}, text, None
    given = found["yaml"] if found["toml"] is None else found["toml"]
    body = text[found.end() :]
    try:
        value = plain(_parse(given, _parse_yaml if found["toml"] is None else _parse_toml))
        fields = flatten(value) if isinstance(value, dict) else None
    except Unreadable as error:
        return ({}, body, str(error)) if _KEY.match(given) else ({}, text, None)
    if fields is None:
        return {}, text, None  # two thematic breaks with a paragraph between them
    return {name: value for name, value in fields.items() if value is not None}, body, None


def _parse(text: str, parse: Callable[[str], object]) -> object:
    if len(text) > MAX_FRONT_MATTER:
        raise Unreadable(f"front matter is longer than {MAX_FRONT_MATTER:,} characters")
    return parse(text)


def _parse_yaml(text: str) -> object:
    import yaml

    from indexer.readers import yaml_core

    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise Unreadable(f"front matter has more than {MAX_BRACKETS} lists and objects")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise Unreadable("front matter: aliases (*name) are not read; write the values out")
        return yaml_core.load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise Unreadable(f"front matter is not YAML: {error.problem} (line {line})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"front matter is not YAML: {error}") from error
    except RecursionError as error:
        raise Unreadable("front matter is nested too deeply") from error


def _parse_toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unreadable(f"front matter is not TOML: {error}") from error


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, row or piece of code, and its separator from the block before.

    ``level`` is that of a heading, from 1; 0 for all else.
    """

    text: str
    gap: str = PARAGRAPH
    level: int = 0


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    """The blocks with text. Rows, and items of a tight list, follow line on line."""
    row: list[str] = []
    begun = False  # a list or table, whose first line is set off from the block before
    before: Token | None = None
    for token in tokens:
        tight = token.type == "tr_close" or (before is not None and before.hidden)
        gap = LINE if tight and not begun else PARAGRAPH
        if token.type in _GROUPS:
            begun = begun or token.level == 0
        elif before is not None and before.type in _CELLS:
            row.append(_inline_text(token))
        elif token.type == "tr_close":
            yield from _block("\t".join(row), gap)
            row, begun = [], False
        elif token.type in _TEXTS:
            level = int(before.tag[1]) if before and before.type == "heading_open" else 0
            text = _block_text(token)
            if level:
                text, gap = " ".join(text.split()), SECTION
            yield from _block(text, gap, level)
            begun = False
        before = token


def _block(text: str, gap: str, level: int = 0) -> Iterator[Block]:
    if text.strip():
        yield Block(text.strip("\n"), gap, level)


def _block_text(token: Token) -> str:
    match token.type:
        case "inline":
            return _inline_text(token)
        case "fence" | "code_block":
            return token.content
        case "html_block":
            return visible_text(token.content)
    return ""


def _inline_text(token: Token) -> str:
    """The words of a paragraph, heading or cell; of a picture, its alternative text."""
    pieces: list[str] = []
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline":
                pieces.append(child.content)
            case "softbreak":
                pieces.append(" ")
            case "hardbreak":
                pieces.append("\n")
            case "image":
                pieces.append(_inline_text(child))
            case "html_inline" if _BREAK.fullmatch(child.content):
                pieces.append("\n")
    return "".join(pieces).strip()
