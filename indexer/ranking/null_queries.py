"""Queries to which nothing is related, in any collection: the null of `significance`.

They are made of the texts of unrelated.txt, which are our own: questions, titles, keywords and
sentences of fifty fields, from one word to forty. A collection may be about one of these
fields, or about all of them. So a query is the first half of one text and the second half of
another, of another field and of about the same length: a document about both is nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_STEP: Final = 7
"""The distance, in the order of lengths, to the text whose second half is taken."""


@dataclass(frozen=True, slots=True)
class NullQuery:
    """A query about two things that have nothing to do with each other, by their fields."""

    text: str
    fields: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Text:
    field: str
    words: Sequence[str]


@cache
def null_queries() -> tuple[NullQuery, ...]:
    """All of them, one for each text, always in the same order: by length."""
    texts = sorted(_texts(), key=lambda text: len(text.words))
    return tuple(_spliced(one, _partner(texts, place)) for place, one in enumerate(texts))


def _texts() -> list[_Text]:
    """The texts in the order of the file, where a line with # names the field of those below."""
    written = files("indexer.ranking").joinpath("unrelated.txt").read_text(encoding="utf-8")
    found: list[_Text] = []
    field = ""
    for line in written.splitlines():
        if line.startswith("# "):
            field = line.removeprefix("# ")
        else:
            found.append(_Text(field, line.split()))
    return found


def _partner(texts: Sequence[_Text], place: int) -> _Text:
    """The first text of another field that is _STEP or more further on, round the end."""
    others = (texts[(place + step) % len(texts)] for step in range(_STEP, len(texts)))
    return next(one for one in others if one.field != texts[place].field)


def _spliced(one: _Text, other: _Text) -> NullQuery:
    halves = [*one.words[: (len(one.words) + 1) // 2], *other.words[len(other.words) // 2 :]]
    return NullQuery(" ".join(halves), (one.field, other.field))
