"""Parts of a document's text: its pages, and the headings a passage stands under.

The text itself tells them. A form feed begins each page, slide or sheet but the first; two blank
lines stand before a heading, unless it opens the text or a page. The metadata ``headings`` lists
the headings in the order of the text, each with those above it: ``Methods > Data``. Readers write
both (see ``readers.manuscript``); a text without them has no parts.
"""

from __future__ import annotations

from typing import Final

from indexer.filters import Metadata

PAGE: Final = "\f"
SECTION: Final = "\n\n\n"
"""The end of a paragraph, and the two blank lines before a heading."""

HEADINGS: Final = "headings"
BELOW: Final = " > "
"""Stands between a heading and the one below it."""

COUNTS: Final = frozenset({"pages", "slides"})
"""The metadata that say that a text without a form feed is one page."""


def page_of(text: str, metadata: Metadata, start: int) -> int | None:
    """The page, from 1, on which a character stands; None for a text without pages."""
    counted = metadata.keys() & COUNTS
    if PAGE not in text and not any(isinstance(metadata[name], int) for name in counted):
        return None
    return text.count(PAGE, 0, start) + 1


def headings_of(text: str, metadata: Metadata, start: int) -> tuple[str, ...]:
    """The headings above a character, the highest first; empty if none is known."""
    listed = metadata.get(HEADINGS)
    path: tuple[str, ...] = ()
    behind = 0
    for each in listed if isinstance(listed, list | tuple) else ():
        steps = tuple(str(each).split(BELOW))
        place = find_heading(text, steps[-1], behind)
        if place is None or place > start:
            break  # where one is missing, the text has changed since
        path, behind = steps, place + len(steps[-1])
    return path


def find_heading(text: str, heading: str, behind: int) -> int | None:
    """The first place from ``behind`` on where a heading of these words stands."""
    place = text.find(heading, behind) if heading else -1
    while place >= 0:
        if _opens(text, place) and text[place + len(heading) : place + len(heading) + 1] in "\n":
            return place
        place = text.find(heading, place + 1)
    return None


def _opens(text: str, place: int) -> bool:
    """Return whether a heading may begin here."""
    return place == 0 or text[place - 1] == PAGE or text.endswith(SECTION, 0, place)
