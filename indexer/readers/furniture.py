"""The boilerplate around a page's content, found by structure: landmarks, and the share of links.

Names of classes and ids are no evidence: content is called sidebar, and menus are called content.
Furniture is

* a landmark (``nav``, ``header``, ``footer``, ``aside``, and the equivalent roles) that is mostly
  links, or has hardly any text of its own; a header keeps its headings;
* any part beside the content that is mostly links. The content is found by descending from the
  top as long as one part holds most of the text, to where headings or paragraphs begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

# fmt: off
DROPPED: Final = frozenset((
    "script", "style", "noscript", "noframes", "template", "head",
    "svg", "canvas", "object", "embed", "iframe", "audio", "video", "map",
    "menu", "button", "select", "textarea", "input",
    "annotation", "annotation-xml",  # MathML's own source beside the formula
))
"""Elements that are never text of the page."""

LANDMARKS: Final = {
    "nav": "navigation", "header": "banner", "footer": "contentinfo", "aside": "complementary",
    "search": "search",
}
# fmt: on
ROLES: Final = frozenset((*LANDMARKS.values(), "menu", "menubar", "toolbar"))
HEADINGS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
SUMMARIES: Final = HEADINGS | {"summary", "dt"}
"""Elements in which a button is the heading of the part it opens."""

SECTIONS: Final = frozenset(("article", "section"))
"""Elements in which a header or footer is a part of the content."""

OWN_TEXT: Final = {"banner": 150, "contentinfo": 300}
"""Characters outside links that make a landmark content. Other landmarks need :data:`ENOUGH`."""

ENOUGH: Final = 200
MOST: Final = 0.6
MENU_LINKS: Final = 3

MARKS: Final = frozenset(("main", "article"))
"""Parts outside these, beside them, are less likely content than parts beside a ``div``."""

LABEL: Final = 60
"""Characters above the links of a small menu, such as "On this page"."""

LABELLED: Final = 0.4

_SPACES = re.compile(r"\s+")


def is_unseen(node: LexborNode) -> bool:
    """Return whether a browser shows nothing of an element, or no text of the page."""
    tag = node.tag or ""
    attributes = node.attributes
    if tag in DROPPED:
        in_heading = tag == "button" and node.parent is not None and node.parent.tag in SUMMARIES
        return not in_heading
    return (
        ("hidden" in attributes and (attributes["hidden"] or "").lower() != "until-found")
        or attributes.get("aria-hidden") == "true"
        or (tag == "dialog" and "open" not in attributes)
        or "headerlink" in (attributes.get("class") or "").split()
    )


def characters(text: str) -> int:
    """The number of characters in a text, not counting spaces."""
    return len(_SPACES.sub("", text))


@dataclass(slots=True)
class Amount:
    """The text below an element, in characters: all, in links, and in headings outside links.

    Furniture counts as links; ``titles`` are headings of the first order.
    """

    text: int = 0
    linked: int = 0
    links: int = 0
    headed: int = 0
    titles: int = 0

    @property
    def own(self) -> int:
        """The text outside links."""
        return self.text - self.linked

    @property
    def density(self) -> float:
        """The share of links in the text."""
        return self.linked / self.text if self.text else 1.0

    def add(self, other: Amount) -> None:
        """Add the text below a child."""
        self.text += other.text
        self.linked += other.linked
        self.links += other.links
        self.headed += other.headed
        self.titles += other.titles


class Survey:
    """The text of a page by element, and the elements that are furniture (by their ``mem_id``)."""

    def __init__(self, root: LexborNode) -> None:
        self.furniture: set[int] = set()
        self._amounts: dict[int, Amount] = {}
        self._sections = 0
        self._measure(root)
        self._judge_beside(root)

    def amount(self, node: LexborNode) -> Amount:
        """The text below a surveyed element."""
        return self._amounts.get(node.mem_id, Amount())

    def _measure(self, root: LexborNode) -> None:
        waiting: list[tuple[LexborNode, Amount, bool]] = [(root, Amount(), False)]
        while waiting:
            node, above, done = waiting.pop()
            if done:
                self._leave(node, above)
                continue
            amount = Amount()
            self._amounts[node.mem_id] = amount
            self._sections += node.tag in SECTIONS
            waiting.append((node, above, True))
            for child in _children(node):
                if child.tag == "-text":
                    amount.text += characters(child.text_content or "")
                elif not is_unseen(child):
                    waiting.append((child, amount, False))

    def _leave(self, node: LexborNode, above: Amount) -> None:
        amount = self._amounts[node.mem_id]
        tag = node.tag or ""
        self._sections -= tag in SECTIONS
        if tag == "img":
            amount.text += characters(node.attributes.get("alt") or "")
        if tag == "a" and "href" in node.attributes:
            amount.linked, amount.links = amount.text, amount.links + 1
        if tag in HEADINGS and amount.density < 0.5:
            amount.headed += amount.own
            amount.titles += tag == "h1"
        if self._is_furniture(node, amount):
            self.furniture.add(node.mem_id)
            amount = Amount(amount.text, amount.text, amount.links)
            self._amounts[node.mem_id] = amount
        above.add(amount)

    def _is_furniture(self, node: LexborNode, amount: Amount) -> bool:
        role = node.attributes.get("role") or ""
        part = role if role in ROLES else LANDMARKS.get(node.tag or "")
        if part is None or not amount.text or (part != role and role):
            return False
        if part == "complementary":
            return amount.density >= 0.5 and amount.links >= MENU_LINKS
        if part in OWN_TEXT and part != role and self._sections:
            return False
        if part == "banner" and amount.headed:
            return False
        return amount.density >= 0.5 or amount.own < OWN_TEXT.get(part, ENOUGH)

    def _judge_beside(self, root: LexborNode) -> None:
        """Mark the parts beside the content that are mostly links."""
        path = list(self._way_to_content(root))
        within = {inner.tag for _, inner in path} & MARKS
        for here, inner in path:
            for part in _children(here):
                amount = self.amount(part)
                is_title = amount.titles > 0 and not self.amount(inner).titles
                if part.mem_id == inner.mem_id or is_title:
                    continue
                if self._is_menu(amount, marked=bool(within)):
                    self.furniture.add(part.mem_id)
            within.discard(inner.tag or "")

    def _way_to_content(self, root: LexborNode) -> Iterator[tuple[LexborNode, LexborNode]]:
        """Each element on the way to the content, with the part that holds most of its own text."""
        here = root
        while True:
            parts = [each for each in _children(here) if each.mem_id in self._amounts]
            most = self.amount(here).own * MOST
            inner = next((each for each in parts if self.amount(each).own > most), None)
            if inner is None or any(each.tag in HEADINGS or each.tag == "p" for each in parts):
                return
            yield here, inner
            here = inner

    @staticmethod
    def _is_menu(amount: Amount, marked: bool) -> bool:
        """Return whether this is mostly links; if the content is marked, a few links are enough."""
        if marked and amount.links and amount.own < LABEL:
            return amount.density >= LABELLED
        return amount.density >= MOST and amount.links >= MENU_LINKS


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next
