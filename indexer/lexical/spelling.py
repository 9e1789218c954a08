"""One spelling for variants of the same word, and the further words it is found by.

The only language rule here is how Turkish writes its i.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, TypeAlias

from indexer.scripts import ALPHABETIC, HANGUL, SYLLABIC, character_class

Span: TypeAlias = tuple[int, int]
"""Start and end of some characters of a text."""

LINE_HYPHEN: Final = "-\n"
SOFT_HYPHEN: Final = "\u00ad"
NON_JOINER: Final = "\u200c"
"""Separates the parts of a Persian word; the parts are indexed, and so is the whole."""

ARABIC: Final = "\u0620-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc"
"""Arabic letters and marks, for a character class."""

IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff"
)
"""Invisible characters: soft hyphens, zero-width spaces, joiners, directions, glyph variants."""

MARKS: Final = (
    "\u0300-\u036f"  # accents that no letter is composed with
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # vowels of Hebrew
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"  # of Arabic
    "\u08ca-\u08e1\u08e3-\u08ff"
)
"""Optional marks, which do not make a different word, for a character class."""

_PARTED: Final = re.compile(rf"(?<![^\W\d_])([^\W\d_]+){LINE_HYPHEN}([^\W\d_]+)")
_UNSEEN: Final = re.compile(
    f"(?!{NON_JOINER})[{IGNORABLE}]|(?<![{ARABIC}]){NON_JOINER}|{NON_JOINER}(?![{ARABIC}])"
)
_FOLDED: Final = re.compile(f"[{MARKS}\u0370-\u03ff\u1f00-\u1fff]")
_MARK: Final = re.compile(f"[{MARKS}]")
_GREEK: Final = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")

_LOWER: Final = "a-zß-öø-ÿα-ωά-ώа-џ"
_UPPER: Final = "A-ZÀ-ÖØ-ÞΑ-ΩА-Я"
_HUMP: Final = (
    rf"(?<=[{_LOWER}])(?=[{_UPPER}])|(?<=[{_UPPER}])(?=[{_UPPER}][{_LOWER}]{{2}})"
    rf"|(?<=[0-9])(?=[{_UPPER}][{_LOWER}])"
)
_SEAM: Final = re.compile(rf"_+|{NON_JOINER}|{_HUMP}")
"""The seams of a compound name, such as getUserName and get_user_name."""

_JOINT: Final = re.compile(  # rare characters first, so that most texts are skipped quickly
    rf"[{_UPPER}_{NON_JOINER}](?<=\w.)(?:(?<=[{_LOWER}].)|(?<=[^\W_][_{NON_JOINER}])"
    rf"|(?<=[0-9][{_UPPER}])(?=[{_LOWER}])|(?<=[{_UPPER}]{{2}})(?=[{_LOWER}]{{2}}))"
)
_JOINERS: Final = f"_{NON_JOINER}"

LONGEST: Final = 3
"""Up to this many characters in a row are a word, in scripts without spaces."""

PAIR: Final = 2
"""The shortest row that a query asks for in syllabic scripts; in others it is the longest."""

_SYLLABLES: Final = f"[{character_class(SYLLABIC, HANGUL)}]"
_LETTERS: Final = f"[{character_class(ALPHABETIC)}]"
_RUN: Final = re.compile(f"({_SYLLABLES}+)|{_LETTERS}+")


def unified(text: str) -> str:
    """A text in which variants of a word are spelled alike, except for their case and language.

    Accents are composed; ligatures and full-width letters are plain; invisible characters are left
    out, as are the marks of Arabic and Hebrew. A word hyphenated at the end of a line is followed
    by the whole word, and the parts of a compound name by the whole name.
    """
    seen = text if text.isascii() else text.replace(f"{SOFT_HYPHEN}\n", LINE_HYPHEN)
    if LINE_HYPHEN in seen:
        seen = _PARTED.sub(r"\g<0> \1\2", seen)
    if not seen.isascii():
        seen = folded(seen)
    if _JOINT.search(seen):
        seen = _with_wholes(seen)
    return seen


def folded(text: str) -> str:
    """A text without invisible characters, with variant letters unified."""
    if _UNSEEN.search(text):
        text = _UNSEEN.sub("", text)
    plain = unicodedata.normalize("NFKC", text)
    return _plain_letters(plain) if _FOLDED.search(plain) else plain


def _plain_letters(text: str) -> str:
    return _MARK.sub("", _GREEK.sub(_without_accent, text)).replace("ς", "σ")  # noqa: RUF001


def _without_accent(letter: re.Match[str]) -> str:
    return unicodedata.normalize("NFD", letter[0])[0]


def _with_wholes(text: str) -> str:
    """The text with the whole of each compound name after its parts."""
    told, done = [], 0
    for joint in _JOINT.finditer(text):
        if joint.start() < done:
            continue
        start = end = joint.start()
        while start > done and _is_named(text[start - 1]):
            start -= 1
        while end < len(text) and _is_named(text[end]):
            end += 1
        told += [text[done:start], _with_whole(text[start:end])]
        done = end
    return "".join([*told, text[done:]])


def _is_named(character: str) -> bool:
    return character.isalnum() or character in _JOINERS


def _with_whole(name: str) -> str:
    parts = [name[start:end] for start, end in parts_of(name)]
    return " ".join([*parts, "".join(parts)]) if len(parts) > 1 else name


def parts_of(name: str) -> list[Span]:
    """The places of the words in a compound name; the whole if it is a single word.

    A single letter beside one other part is not split off, as in mRNA and iPhone.
    """
    starts = [0, *(seam.end() for seam in _SEAM.finditer(name))]
    ends = [*(seam.start() for seam in _SEAM.finditer(name)), len(name)]
    parts = [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
    humps = sum(end - start for start, end in parts) == len(name)
    if len(parts) == 2 and humps and min(end - start for start, end in parts) == 1:
        return [(0, len(name))]
    return parts


def parted(text: str, *, asked: bool = False) -> str:
    """A unified text with spaces inserted where a script has none, so that each part is a word.

    The parts are its characters, and pairs and triples of them. A query asks only for the most
    specific: for triples of letters; for pairs of syllables too, since many words are no longer.
    """
    return _RUN.sub(lambda run: f" {' '.join(_grams(run, asked=asked))} ", text)


def _grams(run: re.Match[str], *, asked: bool) -> Iterator[str]:
    text = run[0]
    longest = min(LONGEST, len(text))
    shortest = min(PAIR, longest) if run[1] else longest
    for count in range(shortest if asked else 1, longest + 1):
        for start in range(len(text) - count + 1):
            yield text[start : start + count]
