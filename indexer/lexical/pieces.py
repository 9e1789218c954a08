"""The places of words in a text: pieces of it, each with the word that it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from indexer.lexical.spelling import (
    IGNORABLE,
    LONGEST,
    MARKS,
    SOFT_HYPHEN,
    folded,
    parts_of,
)
from indexer.scripts import ALPHABETIC, HANGUL, SYLLABIC, character_class
from indexer.scripts import MARKS as SCRIPT_MARKS

_SYLLABLES: Final = character_class(SYLLABIC, HANGUL)
_LETTERS: Final = character_class(ALPHABETIC)
_MARKED: Final = f"{MARKS}\u0483-\u0489\u0900-\u0963\u0966-\u0dff\u1dc0-\u1dff\u20d0-\u20ff"
"""Marks, which belong to their words, and letters of scripts that have many of them."""

_WORD: Final = rf"(?:(?![{_SYLLABLES}{_LETTERS}])[\w{_MARKED}{IGNORABLE}])+"
_HYPHEN: Final = f"(?:-|(?<={SOFT_HYPHEN}))\n"
_PIECE: Final = re.compile(
    rf"([{_SYLLABLES}][{_SYLLABLES}{IGNORABLE}]*|[{_LETTERS}][{_LETTERS}{IGNORABLE}]*)"
    rf"|{_WORD}(?:{_HYPHEN}{_WORD})?"
)
_HYPHENED: Final = re.compile(_HYPHEN)
_CHARACTER: Final = re.compile(rf".[{SCRIPT_MARKS}{IGNORABLE}\u1160-\u11ff]*", re.DOTALL)
"""A character with its combining marks, or with what it is composed with."""


class Piece(NamedTuple):
    """Characters start to end of a text, and the word they stand for."""

    spelled: str
    start: int
    end: int


def pieces(text: str) -> Iterator[Piece]:
    """All pieces of a text that may be a word; a compound's parts and its whole are pieces each."""
    for found in _PIECE.finditer(text):
        if found[1]:
            yield from _rows(found[0], found.start())
        elif cut := _HYPHENED.search(found[0]):
            first, second = found[0][: cut.start()], found[0][cut.end() :]
            yield Piece((first + second).lower(), *found.span())
            yield from _names(first, found.start())
            yield from _names(second, found.start() + cut.end())
        else:
            yield from _names(found[0], found.start())


def _names(name: str, at: int) -> Iterator[Piece]:
    parts = parts_of(name)
    for start, end in parts:
        yield Piece(name[start:end], at + start, at + end)
    if len(parts) > 1:
        whole = "".join(name[start:end] for start, end in parts)
        yield Piece(whole.lower(), at + parts[0][0], at + parts[-1][1])


def _rows(run: str, at: int) -> Iterator[Piece]:
    """The characters of a run, and pairs and triples of them, as they are indexed."""
    spelled, places = [], []
    for seen in _CHARACTER.finditer(run):
        for character in folded(seen[0]):
            spelled.append(character)
            places.append(seen.span())
    for count in range(1, LONGEST + 1):
        for first in range(len(spelled) - count + 1):
            last = first + count - 1
            row = "".join(spelled[first : last + 1])
            yield Piece(row, at + places[first][0], at + places[last][1])


def taken_for(words: Iterable[str]) -> str:
    """The word that a piece is, of the words that a query of it asks for; "" if it is none.

    A row of characters asks for shorter ones too: the longest is meant.
    """
    return max(words, key=len, default="")
