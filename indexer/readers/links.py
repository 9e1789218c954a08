"""The links of a page of HTML, and what it says of itself to robots; in a process with limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from indexer.readers.isolation import Limits, run_isolated

LIMITS: Final = Limits(cpu_seconds=10, wall_seconds=30)
MOST: Final = 10_000
"""Links of a page that are told."""


@dataclass(frozen=True, slots=True)
class Links:
    """The links as they are written, the page's own address if it names one, and its base.

    ``robots`` are the words of its meta element of that name, in lower case.
    """

    links: tuple[str, ...] = ()
    canonical: str | None = None
    base: str | None = None
    robots: frozenset[str] = frozenset()


def links_of(path: Path) -> Links:
    """The links of a page; none of one that cannot be read."""
    with path.open("rb") as file:
        outcome = run_isolated(Path(__file__), file, LIMITS)
    if not outcome.lines:
        return Links()
    told = outcome.lines[0]
    words = frozenset(told["robots"].lower().replace(",", " ").split())
    return Links(tuple(told["links"]), told["canonical"], told["base"], words)


def report(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The links, found in a separate process."""
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(file.read())

    def first(selector: str, attribute: str) -> str | None:
        node = page.css_first(selector)
        return node.attributes.get(attribute) if node else None

    links = [
        target
        for node in page.css("a[href], area[href]")[:MOST]
        if (target := node.attributes.get("href"))
        and "nofollow" not in (node.attributes.get("rel") or "").lower()
    ]
    yield {
        "links": links,
        "canonical": first('link[rel="canonical"]', "href"),
        "base": first("base[href]", "href"),
        "robots": first('meta[name="robots" i]', "content") or "",
    }
