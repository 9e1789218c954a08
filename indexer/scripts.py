"""Scripts written without spaces between words: their characters and their punctuation.

One list for all that splits text: words, chunks, explanations, PDFs and the page, whose
``words.js`` holds the same ranges (a test says so).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Code points, the first and last of each range."""

SYLLABIC: Final[Ranges] = (
    (0x2E80, 0x2FDF),  # radicals of Han
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3038, 0x303B),
    (0x3041, 0x3096),  # Hiragana
    (0x3099, 0x309A),
    (0x309D, 0x309F),
    (0x30A1, 0x30FA),  # Katakana
    (0x30FC, 0x30FF),
    (0x3105, 0x312F),  # Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA000, 0xA48C),  # Yi
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # Katakana of half width
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x323AF),
)
"""Each character is a syllable or a word: two in a row identify a text about as well as a word."""

ALPHABETIC: Final[Ranges] = (
    (0x0E01, 0x0E3A),  # Thai; its digits are words by themselves, as all digits are
    (0x0E40, 0x0E4E),
    (0x0E81, 0x0EBD),  # Lao
    (0x0EC0, 0x0ECE),
    (0x0EDC, 0x0EDF),
    (0x0F00, 0x0F00),  # Tibetan, within its syllables
    (0x0F40, 0x0F84),
    (0x0F86, 0x0FBC),
    (0x1000, 0x103F),  # Burmese
    (0x1050, 0x108F),
    (0x109A, 0x109D),
    (0x1780, 0x17D3),  # Khmer
    (0x17D7, 0x17D7),
    (0x17DC, 0x17DD),
    (0x1950, 0x19CF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1A7C),  # Tai Tham
    (0x1B00, 0x1B4C),  # Balinese
    (0xA980, 0xA9C0),  # Javanese
    (0xA9E0, 0xA9EF),
    (0xA9FA, 0xA9FE),
    (0xAA60, 0xAADD),  # Burmese, Tai Viet
    (0x11700, 0x1172B),  # Ahom
)
"""Each character is a letter or a part of one: three in a row identify as much."""

HANGUL: Final[Ranges] = (
    (0x1100, 0x11FF),
    (0x3131, 0x318E),
    (0xA960, 0xA97C),
    (0xAC00, 0xD7A3),
    (0xD7B0, 0xD7FB),
    (0xFFA1, 0xFFDC),
)
"""Korean has spaces, but appends particles to its words."""

FULL_STOPS: Final = "。！？｡．︒‼⁇⁈⁉។៕៚။༎༏༐༑།๚๛꧉᪨᪩᭞᭟"  # noqa: RUF001
"""Marks that end a sentence without a space after them."""

POINTS: Final = "．"  # noqa: RUF001
"""Stops that may occur within a number."""

COMMAS: Final = "、，；：､﹐﹑﹔၊៖༔꧈᭝"  # noqa: RUF001
"""Marks that end a clause without a space after them."""


def character_class(*ranges: Ranges) -> str:
    """The inside of a regular expression's brackets for these code points."""
    pairs = (pair for several in ranges for pair in several)
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in pairs)


def _marks(ranges: Ranges) -> Iterable[str]:
    for first, last in ranges:
        for code in range(first, last + 1):
            if unicodedata.category(chr(code)).startswith("M"):
                yield chr(code)


UNSPACED: Final = character_class(SYLLABIC, ALPHABETIC)
"""The characters of these scripts, for a character class."""

MARKS: Final = "".join([*_marks(ALPHABETIC), "\u3099\u309a\uff9e\uff9f"])
"""The marks among them, each a part of the character before it."""

STACKERS: Final = "\u17d2\u1039\u1a60"
"""Characters after which the next letter is written below the one before."""

CHARACTER: Final = rf"[{UNSPACED}](?:[{STACKERS}][{UNSPACED}]|[{MARKS}])*"
"""A regular expression for one visible character of these scripts."""

_ONE: Final = re.compile(f"[{UNSPACED}]")


def is_unspaced(character: str) -> bool:
    """Return whether a character is of a script that is written without spaces."""
    return _ONE.match(character) is not None
