"""A document's text as a reader writes it, part by part: pages, headings, paragraphs, lines.

The text and its list of headings come out in the form that ``indexer.outline`` describes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from indexer.outline import BELOW, HEADINGS, PAGE, SECTION

PARAGRAPH: Final = "\n\n"
LINE: Final = "\n"

MAX_HEADINGS_BYTES: Final = 16_384
"""The most that the metadata list of headings; the deepest are left out first."""

MAX_HEADING: Final = 300
"""Characters; a longer one is a paragraph in the form of a heading."""

Headings: TypeAlias = Sequence[tuple[int, str]]
"""Levels, of which 1 is the highest, and words, in the order of the text."""


class Manuscript:
    """A text that grows."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._headings: list[tuple[int, str]] = []
        self._is_bare = True  # nothing stands on this page yet

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(self._pieces).rstrip()

    @property
    def headings(self) -> Headings:
        """The headings that were written."""
        return self._headings

    @property
    def metadata(self) -> dict[str, Any]:
        """The list of headings; empty without any."""
        return headings_metadata(self._headings)

    def page(self) -> None:
        """Begin another page; the first is there already."""
        self._pieces.append(f"{PARAGRAPH}{PAGE}")
        self._is_bare = True

    def heading(self, level: int, words: str) -> None:
        """Begin a section."""
        line = " ".join(words.split())
        if line:
            self._write(SECTION, line)
            self._headings.append((level, line))

    def paragraph(self, text: str) -> None:
        """Add a paragraph of one or more lines; nothing for an empty one."""
        if text.strip():
            self._write(PARAGRAPH, text.strip("\n"))

    def line(self, text: str) -> None:
        """Add a line to the paragraph; nothing for an empty one."""
        if text.strip():
            self._write(LINE, text.strip("\n"))

    def include(self, text: str, headings: Headings, below: int = 0) -> None:
        """Add a text with headings of its own, which stand ``below`` levels deeper here."""
        if text.strip():
            opens = bool(headings) and f"{text}{LINE}".startswith(f"{headings[0][1]}{LINE}")
            self._write(SECTION if opens else PARAGRAPH, text.strip("\n"))
            self._headings.extend((level + below, words) for level, words in headings)

    def _write(self, gap: str, text: str) -> None:
        self._pieces += [text] if self._is_bare else [gap, text]
        self._is_bare = False


def headings_metadata(headings: Headings) -> dict[str, list[str]]:
    """The metadata that list the headings of a text, each with those above it."""
    fit = [(level, words) for level, words in headings if _is_listed(words)]
    for deepest in sorted({level for level, _ in fit}, reverse=True):
        paths = list(_paths(each for each in fit if each[0] <= deepest))
        if len(json.dumps(paths, ensure_ascii=False).encode()) <= MAX_HEADINGS_BYTES:
            return {HEADINGS: paths}
    return {}


def _is_listed(words: str) -> bool:
    return len(words) <= MAX_HEADING and BELOW not in words and LINE not in words


def _paths(headings: Iterable[tuple[int, str]]) -> Iterable[str]:
    above: list[tuple[int, str]] = []
    for level, words in headings:
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, words))
        yield BELOW.join(each for _, each in above)


def without_title(text: str, headings: Headings, title: str | None) -> tuple[str, Headings]:
    """The text without its first line, if that is the title and there is more.

    The title is embedded in front of the text; once is enough.
    """
    if not headings or headings[0][1] != title or not text.startswith(f"{title}{LINE}"):
        return text, headings
    return text[len(title) :].lstrip("\n"), headings[1:]
