"""HTML: the text that a reader of the page sees, one line a block, without menus and scripts.

The title is the page's ``<title>``, else its first heading. If the page marks its main part
(``<main>``), only that is taken, unless most text is elsewhere; form controls and hidden elements
never are, nor is the boilerplate that ``furniture`` finds around the content. The metadata has the
share of the visible text that was left out, as ``left_out``. The alternative text of a picture
(``alt``) is text of the page, and so is the content of a declarative shadow root. Two blank lines
stand before a heading, and the metadata list them all (see ``indexer.outline``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from indexer.outline import SECTION
from indexer.readers.decoding import decode
from indexer.readers.extracted import Extracted, read_guarded
from indexer.readers.furniture import Survey, characters, is_unseen
from indexer.readers.manuscript import Headings, headings_metadata
from indexer.readers.reading import Fields, Read
from indexer.readers.shadows import with_shadows
from indexer.readers.sources import Source

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

PRESCAN_BYTES: Final = 1024
"""The bytes in which browsers look for a declared encoding."""

ELSEWHERE: Final = 3
"""The main part is not taken alone if the text outside it is more than this many times as long."""

LEAST_ELSEWHERE: Final = 500
"""With no more characters than this outside it, the main part is taken alone."""

# fmt: off
PARAGRAPHS: Final = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "details", "div", "dl",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "main",
    "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "section", "table", "ul",
))
# fmt: on
HEADINGS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
LINES: Final = frozenset(("br", "caption", "dd", "dt", "legend", "li", "summary", "tr"))
CELLS: Final = frozenset(("td", "th"))
VERBATIM: Final = frozenset(("pre", "listing", "xmp", "plaintext"))

Parts: TypeAlias = tuple[str, Headings]
"""A text, and its headings."""

_CHARSET = re.compile(
    rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t\n\r\f\xa0]+")


def read_html(source: Source, fields: Fields) -> Iterator[Read]:  # noqa: ARG001
    """The document of the page."""
    yield from read_guarded(source, "html", extract, __file__)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The page, extracted in a separate process."""
    yield asdict(extract(file.read()))


def extract(data: bytes) -> Extracted:
    """The page's title and text."""
    declared = _CHARSET.search(data, 0, PRESCAN_BYTES)
    label = next(filter(None, declared.groups())).decode() if declared else None
    decoded = decode(data, label)
    page = _parse(decoded.text)
    (text, headings), left_out = _body_text(page)
    facts = {"left_out": left_out} if left_out else {}
    outline = headings_metadata(headings)
    return Extracted(text, _title(page), {**decoded.metadata, **facts, **outline})


def visible_text(fragment: str) -> str:
    """All visible text of a piece of HTML."""
    return visible_parts(fragment)[0]


def visible_parts(fragment: str) -> Parts:
    """All visible text of a piece of HTML, with its headings."""
    body = _parse(fragment).body
    return _text_of(body, frozenset()) if body else ("", ())


def _parse(text: str) -> LexborHTMLParser:
    from selectolax.lexbor import LexborHTMLParser

    return with_shadows(LexborHTMLParser(text))


def _title(page: LexborHTMLParser) -> str | None:
    for selector in ("head > title", "h1", "h2"):
        node = page.css_first(selector)
        title = _SPACES.sub(" ", node.text()).strip() if node else ""
        if title:
            return title
    return None


def _body_text(page: LexborHTMLParser) -> tuple[Parts, float]:
    """The text of the content, and the share of the page's text that is left out."""
    body = page.body
    if body is None:
        return ("", ()), 0.0
    survey = Survey(body)
    parts = _text_of(_content(page, body, survey), survey.furniture)
    if not parts[0]:  # a page of links only
        parts = _text_of(body, frozenset())
    whole = survey.amount(body).text
    return parts, max(round(1 - characters(parts[0]) / whole, 2), 0.0) if whole else 0.0


def _content(page: LexborHTMLParser, body: LexborNode, survey: Survey) -> LexborNode:
    """The main part if the page marks one, and little text is elsewhere; else the body."""
    marked = page.css("main, [role=main]")  # an element that is both comes twice
    mains = {node.mem_id: node for node in marked if survey.amount(node).text}
    if len(mains) != 1:
        return body
    (main,) = mains.values()
    inside = survey.amount(main).own
    around = survey.amount(body).own - inside
    return body if around > max(inside * ELSEWHERE, LEAST_ELSEWHERE) else main


def _text_of(root: LexborNode, furniture: AbstractSet[int]) -> Parts:
    """The text below a node, with its headings. Not recursive: pages nest arbitrarily deep."""
    flow = _Flow()
    node: LexborNode | None = root
    while node is not None:
        entered = node.mem_id not in furniture and _enter(node, flow)
        if entered and node.first_child is not None:
            node = node.first_child
            continue
        while node is not None:
            if entered:
                _leave(node, flow)
            if node.mem_id == root.mem_id:
                return flow.text(), flow.headings
            if node.next is not None:
                node = node.next
                break
            node, entered = node.parent, True
    return flow.text(), flow.headings


def _enter(node: LexborNode, flow: _Flow) -> bool:
    """Write the text before a node's children; False if they are to be skipped."""
    tag = node.tag or ""
    if tag == "-text":
        flow.write(node.text_content or "")
        return False
    if tag.startswith("-") or is_unseen(node):
        return False
    if tag == "img":
        flow.write(f" {node.attributes.get('alt') or ''} ")
    flow.part(tag)
    if tag in HEADINGS:
        flow.begin_heading()
    if tag in VERBATIM:
        flow.verbatim += 1
    return True


def _leave(node: LexborNode, flow: _Flow) -> None:
    tag = node.tag or ""
    if tag in VERBATIM:
        flow.verbatim -= 1
    if tag in HEADINGS:
        flow.end_heading(int(tag[1]))
    if tag not in CELLS and tag != "br":
        flow.part(tag)


class _Flow:
    """Text as a browser lays it out: spaces collapsed, blocks on lines of their own."""

    def __init__(self) -> None:
        self.verbatim = 0
        self.headings: list[tuple[int, str]] = []
        self._heading: int | None = None  # the piece with which an open one begins
        self._pieces: list[str] = []
        self._gap = ""  # between the last text and the next: nothing, a space, newlines

    def write(self, text: str) -> None:
        if not self.verbatim:
            text = _SPACES.sub(" ", text)
            if text.startswith(" "):
                self._widen(" ")
            if not text.strip(" "):
                return
        self._pieces.append(self._gap if self._pieces else "")
        self._pieces.append(text if self.verbatim else text.strip(" "))
        self._gap = " " if text.endswith(" ") and not self.verbatim else ""

    def part(self, tag: str) -> None:
        """Begin or end an element."""
        if self._pieces and tag in PARAGRAPHS:
            self._pieces[-1] = self._pieces[-1].rstrip("\n")
        if tag in PARAGRAPHS:
            self._widen("\n\n")
        elif tag in LINES:
            self._widen("\n")
        elif tag in CELLS:
            self._widen("\t")

    def begin_heading(self) -> None:
        if self._heading is None:
            self._widen(SECTION)
            self._heading = len(self._pieces)

    def end_heading(self, level: int) -> None:
        if self._heading is None:
            return
        words = "".join(self._pieces[self._heading + 1 :])
        self._heading = None
        if words:
            self.headings.append((level, words))
        else:
            self._gap = "\n\n"

    def text(self) -> str:
        return "".join(self._pieces).strip()

    def _widen(self, gap: str) -> None:
        if self._heading is not None and len(self._pieces) > self._heading:
            gap = " "  # a heading is one line
        order = ("", " ", "\t", "\n", "\n\n", SECTION)
        self._gap = max(self._gap, gap, key=order.index)
