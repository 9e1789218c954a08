"""Lines of Hebrew and Arabic in reading order, from the positions of their glyphs.

A PDF gives the position of each glyph, not the reading order, and PDFium's own order of such lines
mixes up words. Here a line's glyphs are sorted by position, and the Unicode Bidirectional Algorithm
(UAX #9) is reversed: first its base direction, then each run of the other direction. Numbers run
from the left in either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

GAP: Final = 0.25
"""The gap between words, as a share of the line's height."""

MIRRORED: Final = {"(": ")", ")": "(", "[": "]", "]": "[", "{": "}", "}": "{", "«": "»", "»": "«"}
OPENING: Final = frozenset("([{«")

_CLASSES: Final = {
    "L": "L",
    "R": "R",
    "AL": "R",
    "EN": "D",
    "AN": "D",
    "CS": "S",
    "ES": "S",
    "ET": "E",
}
_FROM_LEFT = re.compile(r"(?:E*D[DSEN]*)?L(?:[LDSEN]*[LD]E*)?|E*D(?:S?D)*E*")
_FROM_RIGHT = re.compile(r"R(?:[RDSEN]*R)?")


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character, and the position of its glyph on the page, whose y grows upwards."""

    text: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def centre(self) -> float:
        """The middle of its extent along the line."""
        return (self.left + self.right) / 2

    @property
    def direction(self) -> str:
        """L or R for letters, D for digits, S and E for characters of numbers, N for others."""
        return _CLASSES.get(unicodedata.bidirectional(self.text[0]), "N")


def text_of(glyphs: Sequence[Glyph]) -> str:
    """The text of a page's glyphs, whose lines are separated by line feeds."""
    return "\n".join(map(_line_text, _lines(glyphs)))


def _lines(glyphs: Sequence[Glyph]) -> Iterator[list[Glyph]]:
    """The lines; PDFium splits some because of marks above letters, and these are joined."""
    lines: list[list[Glyph]] = [[]]
    for glyph in glyphs:
        if glyph.text == "\n":
            lines.append([])
        elif glyph.text != "\r":
            lines[-1].append(glyph)
    held: list[Glyph] = []
    for line in lines:
        if held and not _continues(held, line):
            yield held
            held = []
        held = held + line
    yield held


def _continues(line: Sequence[Glyph], more: Sequence[Glyph]) -> bool:
    """Return whether more glyphs belong to the line, among or right beside its own."""
    if not any(map(_is_right_to_left, (*line, *more))):
        return False
    (left, right, bottom, top), (left_2, right_2, bottom_2, top_2) = _extent(line), _extent(more)
    common = min(top, top_2) - max(bottom, bottom_2)
    height = min(top - bottom, top_2 - bottom_2)
    apart = max(left, left_2) - min(right, right_2)
    return common > height / 2 and apart < max(top - bottom, top_2 - bottom_2) / 2


def _extent(line: Sequence[Glyph]) -> tuple[float, float, float, float]:
    return (
        min((each.left for each in line), default=0),
        max((each.right for each in line), default=0),
        min((each.bottom for each in line), default=0),
        max((each.top for each in line), default=0),
    )


def _is_right_to_left(glyph: Glyph) -> bool:
    return glyph.direction == "R"


def _line_text(line: Sequence[Glyph]) -> str:
    left, right, bottom, top = _extent(line)
    upright = right - left >= top - bottom or len(line) == 1
    if not upright or not any(map(_is_right_to_left, line)):
        return "".join(each.text for each in line)
    visual = _spaced(sorted(_marked(line), key=lambda each: each.centre), (top - bottom) * GAP)
    return _composed("".join(each.text for each in _logical(visual)))


def _marked(line: Sequence[Glyph]) -> Iterator[Glyph]:
    """The letters, each with its marks: those beside it in the file that are nearest to it."""
    bases = [i for i, each in enumerate(line) if unicodedata.category(each.text) != "Mn"]
    marks: dict[int, str] = {}
    for index, glyph in enumerate(line):
        if unicodedata.category(glyph.text) == "Mn" and bases:
            before = max((i for i in bases if i < index), default=bases[0])
            after = min((i for i in bases if i > index), default=before)
            nearest = min(before, after, key=lambda i: (_distance(line[i], glyph), i))
            marks[nearest] = marks.get(nearest, "") + glyph.text
    for index in bases:
        each = line[index]
        if each.text.isspace() and each.left == each.right and index not in marks:
            continue  # inserted by PDFium between distant glyphs: decided again here
        yield Glyph(each.text + marks.get(index, ""), each.left, each.right, each.bottom, each.top)


def _distance(base: Glyph, mark: Glyph) -> float:
    return max(base.left - mark.centre, mark.centre - base.right, 0)


def _spaced(visual: Sequence[Glyph], gap: float) -> list[Glyph]:
    """The glyphs from left to right, with a space wherever two words are apart without one."""
    spaced: list[Glyph] = []
    for glyph in visual:
        before = spaced[-1] if spaced else None
        blank = glyph.text.isspace() or (before is not None and before.text.isspace())
        if before and not blank and glyph.left - before.right > gap:
            spaced.append(Glyph(" ", before.right, glyph.left, glyph.bottom, glyph.top))
        spaced.append(glyph)
    return spaced


def _logical(visual: Sequence[Glyph]) -> list[Glyph]:
    """Glyphs from left to right, in reading order."""
    directions = "".join(each.direction for each in visual)
    if _begins_at_the_right(directions):
        return _from_right(visual)
    ordered: list[Glyph] = []
    done = 0
    for run in _FROM_RIGHT.finditer(directions):
        ordered += visual[done : run.start()]
        ordered += _from_right(visual[run.start() : run.end()])
        done = run.end()
    return ordered + list(visual[done:])


def _begins_at_the_right(directions: str) -> bool:
    """The base direction: that of both ends if they agree, else that of most letters."""
    letters = [each for each in directions if each in "LR"]
    if letters[0] == letters[-1]:
        return letters[0] == "R"
    return letters.count("R") >= letters.count("L")


def _from_right(visual: Sequence[Glyph]) -> list[Glyph]:
    """Glyphs of a run that is read from the right, except parts that are read from the left."""
    turned = list(reversed(visual))
    ordered: list[Glyph] = []
    done = 0
    facing = _facing(turned)
    for run in _FROM_LEFT.finditer("".join(each.direction for each in turned)):
        ordered += facing[done : run.start()]
        ordered += reversed(turned[run.start() : run.end()])
        done = run.end()
    return ordered + facing[done:]


def _facing(turned: Sequence[Glyph]) -> list[Glyph]:
    """The glyphs with brackets as written: some files name the mirrored shapes instead."""
    brackets = [each.text for each in turned if each.text in MIRRORED]
    if not brackets or brackets[0] in OPENING:
        return list(turned)
    return [
        Glyph(MIRRORED.get(each.text, each.text), each.left, each.right, each.bottom, each.top)
        for each in turned
    ]


def _composed(text: str) -> str:
    """The text with letters in place of their presentation forms."""
    return re.sub(
        "[\ufb1d-\ufdff\ufe70-\ufefc]", lambda form: unicodedata.normalize("NFKC", form[0]), text
    )
