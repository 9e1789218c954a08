"""Lines that are read from the right."""

from __future__ import annotations

import pytest

from indexer.readers.right_to_left import Glyph, text_of


def drawn(visual: str, bottom: float = 0) -> list[Glyph]:
    """The glyphs of a line, six wide and twelve high, from left to right; a line feed ends it."""
    return [
        *(
            Glyph(character, 6 * place, 6 * place + 6, bottom, bottom + 12)
            for place, character in enumerate(visual)
        ),
        Glyph("\n", 0, 0, bottom, bottom),
    ]


@pytest.mark.parametrize(
    ("visual", "logical"),
    [
        ("םלוע םולש", "שלום עולם"),
        ("עצמאב Bearing םע 42 רפסמה", "המספר 42 עם Bearing באמצע"),
        ("ןאכ New York הנש 3.14", "3.14 שנה New York כאן"),
        ("50% החנה", "הנחה 50%"),
        ("English with םלוע םולש inside", "English with שלום עולם inside"),
        ("םע (םיירגוס) הרוש", "שורה (סוגריים) עם"),
        ("םע )םיירגוס( הרוש", "שורה (סוגריים) עם"),
        ("ةيبرعلا ةغللاب", "باللغة العربية"),
        ("ﻢﻠﺴﻣ ﻻ", "لا مسلم"),
        ("plain words", "plain words"),
    ],
)
def test_order(visual: str, logical: str) -> None:
    """Words and letters are in reading order, numbers and Latin within them from the left."""
    assert text_of(drawn(visual)[:-1]) == logical


def test_marks_stay_with_their_letters() -> None:
    """A vowel point stands behind the letter that it is nearest to."""
    shin, lamed, point = "\u05e9", "\u05dc", "\u05b8"
    glyphs = [
        Glyph(shin, 12, 18, 0, 12),
        Glyph(point, 13, 15, 0, 12),
        Glyph(lamed, 6, 12, 0, 12),
    ]
    assert text_of(glyphs) == shin + point + lamed


def test_words_that_stand_apart() -> None:
    """Where no space is drawn between words, there is one; none that was guessed too close by."""
    alef = "\u05d0"
    glyphs = [Glyph(alef, place, place + 6, 0, 12) for place in (0, 6, 20)]
    assert text_of([*glyphs, Glyph(" ", 6, 6, 0, 0)]) == f"{alef} {alef}{alef}"


def test_lines_that_marks_parted() -> None:
    """What stands beside a line at its height is of it; what stands below is not."""
    beside = [Glyph("\u05d1", -6, 0, 3, 14), Glyph("\n", 0, 0, 0, 0)]
    below = drawn("\u05d2", bottom=-20)[:-1]
    assert text_of([*drawn("\u05d0"), *beside, *below]) == "\u05d0\u05d1\n\u05d2"
