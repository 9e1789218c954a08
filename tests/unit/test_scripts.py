"""Which scripts are written without spaces, and that the page knows the same."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from indexer.scripts import (
    ALPHABETIC,
    CHARACTER,
    COMMAS,
    FULL_STOPS,
    HANGUL,
    SYLLABIC,
    Ranges,
    is_unspaced,
)

WORDS_JS = Path(__file__).parents[2] / "app" / "web" / "words.js"
NAMES = {
    "CJK UNIFIED": True,
    "HIRAGANA LETTER": True,
    "KATAKANA LETTER": True,
    "THAI CHARACTER": True,
    "LAO LETTER": True,
    "KHMER LETTER": True,
    "MYANMAR LETTER": True,
    "HANGUL SYLLABLE": False,
    "LATIN SMALL LETTER": False,
    "CYRILLIC SMALL LETTER": False,
    "DEVANAGARI LETTER": False,
    "ETHIOPIC SYLLABLE": False,
}


@pytest.mark.parametrize(("name", "unspaced"), NAMES.items())
def test_all_letters_of_a_script_are_of_one_kind(name: str, unspaced: bool) -> None:
    """None is left out, by the names that Unicode gives them."""
    letters = [
        character
        for character in map(chr, range(0x323B0))
        if unicodedata.category(character).startswith("L")
        and unicodedata.name(character, "").startswith(name)
    ]
    assert len(letters) > 20
    assert {is_unspaced(letter) for letter in letters} == {unspaced}


def test_punctuation_and_digits_are_of_no_script() -> None:
    """What ends a sentence ends a word, and a number is a word by itself."""
    assert not any(map(is_unspaced, FULL_STOPS + COMMAS + " 0๒។၂"))
    assert not set(FULL_STOPS) & set(COMMAS)


def test_a_character_is_what_is_seen_as_one() -> None:
    """With the vowels and tones on it, and the letters below it."""
    assert re.findall(CHARACTER, "ที่น้ำភ្លើកမ္ဘာ日ー") == [
        *("ที่", "น้", "ำ", "ភ្លើ", "ក"),
        *("မ္ဘာ", "日", "ー"),
    ]


@pytest.mark.parametrize(
    ("name", "ranges"), [("SYLLABLES", SYLLABIC + HANGUL), ("LETTERS", ALPHABETIC)]
)
def test_the_page_has_the_same_list(name: str, ranges: Ranges) -> None:
    """The ranges in words.js are these."""
    given = re.search(rf"const {name} =(.*?);\n", WORDS_JS.read_text(), re.DOTALL)
    assert given is not None
    found = re.findall(r"\\u\{(\w+)\}-\\u\{(\w+)\}", given[1])
    assert tuple((int(first, 16), int(last, 16)) for first, last in found) == ranges
