"""One spelling for what is the same word, and what a word is found by beside itself.

Nothing of a language is known here but how Turkish writes its i.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, TypeAlias

from indexer.scripts import ALPHABETIC, HANGUL, SYLLABIC, character_class

Span: TypeAlias = tuple[int, int]
"""Characters start to end of a text."""

LINE_HYPHEN: Final = "-\n"
SOFT_HYPHEN: Final = "\u00ad"
NON_JOINER: Final = "\u200c"
"""Between Arabic letters it parts what Persian writes in one: found by the parts and the whole."""

ARABIC: Final = "\u0620-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc"
"""Letters and marks, for a character class."""

IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff"
)
"""What is not seen: soft hyphens, spaces of no width, joiners, directions, variants of a glyph."""

MARKS: Final = (
    "\u0300-\u036f"  # accents that no letter is composed with
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # vowels of Hebrew
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"  # of Arabic
    "\u08ca-\u08e1\u08e3-\u08ff"
)
"""What may stand with letters or not and makes no other word, for a character class."""

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
"""Where a name is joined of words, as getUserName and get_user_name are."""

_JOINT: Final = re.compile(  # what is rare comes first: most texts are passed over at a glance
    rf"[{_UPPER}_{NON_JOINER}](?<=\w.)(?:(?<=[{_LOWER}].)|(?<=[^\W_][_{NON_JOINER}])"
    rf"|(?<=[0-9][{_UPPER}])(?=[{_LOWER}])|(?<=[{_UPPER}]{{2}})(?=[{_LOWER}]{{2}}))"
)
_JOINERS: Final = f"_{NON_JOINER}"

LONGEST: Final = 3
"""So many characters in a row are words of what is written without spaces, and fewer."""

PAIR: Final = 2
"""A query asks for no fewer of syllables, nor for fewer than the longest of letters."""

_SYLLABLES: Final = f"[{character_class(SYLLABIC, HANGUL)}]"
_LETTERS: Final = f"[{character_class(ALPHABETIC)}]"
_RUN: Final = re.compile(f"({_SYLLABLES}+)|{_LETTERS}+")


def unified(text: str) -> str:
    """A text in which equal words are spelled alike, but for their case and language.

    Accents are composed; ligatures and letters of full width are plain; what is not seen is left
    out, as are the marks of Arabic and Hebrew. Behind a word that a hyphen parts at the end of a
    line stands the whole, and behind one that is joined of several the whole stands with them.
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
    """A text without what is not seen, and its letters as others write them too."""
    if _UNSEEN.search(text):
        text = _UNSEEN.sub("", text)
    plain = unicodedata.normalize("NFKC", text)
    return _plain_letters(plain) if _FOLDED.search(plain) else plain


def _plain_letters(text: str) -> str:
    return _MARK.sub("", _GREEK.sub(_without_accent, text)).replace("ς", "σ")  # noqa: RUF001


def _without_accent(letter: re.Match[str]) -> str:
    return unicodedata.normalize("NFD", letter[0])[0]


def _with_wholes(text: str) -> str:
    """The text with the whole behind the parts of each name that is joined."""
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
    """Where the words stand that a name is joined of; the whole of it where it is one word.

    A letter in front or behind makes a word of its own, as in mRNA and iPhone.
    """
    starts = [0, *(seam.end() for seam in _SEAM.finditer(name))]
    ends = [*(seam.start() for seam in _SEAM.finditer(name)), len(name)]
    parts = [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
    humps = sum(end - start for start, end in parts) == len(name)
    if len(parts) == 2 and humps and min(end - start for start, end in parts) == 1:
        return [(0, len(name))]
    return parts


def parted(text: str, *, asked: bool = False) -> str:
    """A unified text with spaces in what is written without, so that each part of it is a word.

    These are its characters, pairs of them, and threes. A query asks only for those that tell
    most: for threes of letters; for pairs of syllables too, since many words are no longer.
    """
    return _RUN.sub(lambda run: f" {' '.join(_grams(run, asked=asked))} ", text)


def _grams(run: re.Match[str], *, asked: bool) -> Iterator[str]:
    text = run[0]
    longest = min(LONGEST, len(text))
    shortest = min(PAIR, longest) if run[1] else longest
    for count in range(shortest if asked else 1, longest + 1):
        for start in range(len(text) - count + 1):
            yield text[start : start + count]
