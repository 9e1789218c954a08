"""Documents cut into chunks that fit the model's window, measured in its own tokens.

The embedded text of a chunk is :func:`chunk_content`: the heading and the chunk's text. A document
that fits is one chunk over its whole text, under its whole title. A longer one is cut where the
text itself pauses: at the end of a page or section, else of a paragraph, a sentence, a line, a
word, in this order, looking back no further than half the room. Each chunk repeats a little of the
one before.

Nothing here knows a model: tokens come as the characters each stands for. Time is linear in the
length of the text, whatever it contains.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Chunk, Document
from indexer.embedding.embedder import Tokens
from indexer.outline import PAGE, SECTION
from indexer.scripts import COMMAS, FULL_STOPS, POINTS, is_unspaced

TITLE_SHARE: Final = 3
"""A title may take one part in this many of the room; a longer one is cut at a word's end."""

OVERLAP_SHARE: Final = 10
"""A chunk repeats at most one part in this many of the tokens that fit beside the heading."""

_BLANK_LINE: Final = re.compile(r"[^\S\n]*\n[^\S\n]*\n")
_LINE_END: Final = re.compile(r"[^\S\n]*\n")
_SPACED_TERMINALS: Final = frozenset(".!?…؟۔।॥։")  # noqa: RUF001 - stops of many scripts
_CLOSERS: Final = frozenset("\"'”’»)]}」』）】》〉")  # noqa: RUF001 - may stand behind a stop
_MAX_CLOSERS: Final = 4
_JOINER: Final = "\u200d"
_SKIN_TONES: Final = ("\U0001f3fb", "\U0001f3ff")


class Pause(IntEnum):
    """The quality of a cut between two tokens; larger is better."""

    INSIDE = 0
    SEAM = 1
    WORD = 2
    LINE = 3
    SENTENCE = 4
    PARAGRAPH = 5
    SECTION = 6


@dataclass(frozen=True, slots=True)
class Heading:
    """The text put before every chunk of a document, and its number of tokens.

    ``cut`` says that it is only the beginning of the title.
    """

    text: str
    tokens: int
    cut: bool


def fits(tokens: Tokens, room: int) -> bool:
    """Return whether a text of these tokens can be embedded whole."""
    return not tokens.truncated and len(tokens.spans) <= room


def heading(document: Document, tokens: Tokens, room: int) -> Heading:
    """The title and a space, or nothing; cut if the document does not fit and the title is long.

    ``tokens`` are those of ``document.content``, ``room`` the number that fits the window.
    """
    length = len(document.prefix)
    count = int(np.searchsorted(_ordered(tokens.spans)[:, 1], length, side="right"))
    allowed = room // TITLE_SHARE
    if fits(tokens, room) or count <= allowed:
        return Heading(document.prefix, count, cut=False)
    spans = _ordered(tokens.spans)[:count]
    kept = _best_cut(document.prefix, spans, max(1, allowed // 2), allowed) if allowed else 0
    title = document.prefix[: int(spans[kept, 0])].rstrip()
    return Heading(f"{title} " if title else "", kept, cut=True)


def chunk(document: Document, tokens: Tokens, room: int) -> tuple[Chunk, ...]:
    """The chunks of a document, in order; together they cover all of its text except white space.

    ``tokens`` are those of ``document.content``; a chunk under its heading takes at most ``room``
    of them. A chunk cut inside a word may take more when tokenised by itself: the caller checks.
    """
    if fits(tokens, room):
        return (Chunk(0, 0, len(document.text)),)
    top = heading(document, tokens, room)
    spans = _text_spans(document, tokens)
    passages = _passages(document.text, spans, max(1, room - top.tokens))
    return tuple(Chunk(i, start, end) for i, (start, end) in enumerate(passages))


def chunk_content(document: Document, chunk: Chunk, heading: Heading) -> str:
    """The text to embed for a chunk: the heading, then the chunk's text unchanged."""
    return heading.text + document.text[chunk.start : chunk.end]


def _ordered(spans: NDArray[np.int32]) -> NDArray[np.int32]:
    """(t, 2) spans that never go back; a normalizer that reorders characters could make them so."""
    ordered: NDArray[np.int32] = np.maximum.accumulate(spans, axis=0)
    return ordered


def _text_spans(document: Document, tokens: Tokens) -> NDArray[np.int32]:
    """(t, 2) spans in ``document.text`` of the tokens that are not the title's."""
    length = len(document.prefix)
    spans = _ordered(tokens.spans)
    first = int(np.searchsorted(spans[:, 1], length, side="right"))
    shifted: NDArray[np.int32] = np.maximum(spans[first:] - length, 0)
    return shifted


def _passages(text: str, spans: NDArray[np.int32], room: int) -> list[tuple[int, int]]:
    """Start and end of each chunk, at least one, without the white space around it."""
    found: list[tuple[int, int]] = []
    first, total = 0, len(spans)
    while first < total:
        cut = _best_cut(text, spans, first + (room + 1) // 2, first + room)
        start = int(spans[first, 0]) if first else 0
        end = int(spans[cut, 0]) if cut < total else len(text)
        passage = _trimmed(text, start, end)
        if passage[0] < passage[1]:
            found.append(passage)
        if cut >= total:
            break
        first = max(first + 1, _overlap_start(text, spans, cut, room // OVERLAP_SHARE))
    return found or [_trimmed(text, 0, len(text))]


def _best_cut(text: str, spans: NDArray[np.int32], least: int, most: int) -> int:
    """The token before which to cut: at the last of the best pauses from least to most."""
    if most >= len(spans):
        return len(spans)
    best, strongest = most, Pause.INSIDE
    parted = _is_parted(text[int(spans[least - 1, 1]) : int(spans[most, 0])])
    enough = Pause.SECTION if parted else Pause.PARAGRAPH
    for token in range(most, least - 1, -1):
        pause = _pause(text, int(spans[token - 1, 1]), int(spans[token, 0]))
        if pause > strongest:
            best, strongest = token, pause
            if pause >= enough:
                break
    return best


def _overlap_start(text: str, spans: NDArray[np.int32], cut: int, most: int) -> int:
    """The token at which the next chunk begins: the first start of a sentence or word in reach.

    It is ``cut`` itself after a paragraph's or section's end, or where only the inside of a word
    is in reach.
    """
    if _pause(text, int(spans[cut - 1, 1]), int(spans[cut, 0])) >= Pause.PARAGRAPH:
        return cut
    best, strongest = cut, Pause.INSIDE
    for token in range(max(1, cut - most), cut):
        pause = _pause(text, int(spans[token - 1, 1]), int(spans[token, 0]))
        if pause > strongest:
            best, strongest = token, pause
    return best


def _pause(text: str, before: int, after: int) -> Pause:
    """The pause between a token that ends at ``before`` and one that starts at ``after``."""
    if _BLANK_LINE.match(text, before):
        return Pause.SECTION if _is_parted(text[before:after]) else Pause.PARAGRAPH
    spaced = before < len(text) and text[before].isspace()
    if _ends_sentence(text, before, spaced):
        return Pause.SENTENCE
    if spaced:
        return Pause.LINE if _LINE_END.match(text, before) else Pause.WORD
    if before and text[before - 1] in COMMAS:
        return Pause.WORD
    return Pause.INSIDE if _belong_together(text, after) else Pause.SEAM


def _is_parted(stretch: str) -> bool:
    """Return whether a page or section begins within."""
    return PAGE in stretch or SECTION in stretch


def _ends_sentence(text: str, end: int, spaced: bool) -> bool:
    last = end - 1
    while last > 0 and end - last <= _MAX_CLOSERS and text[last] in _CLOSERS:
        last -= 1
    if last < 0:
        return False
    if text[last] in FULL_STOPS:
        return text[last] not in POINTS or not text[end : end + 1].isdigit()
    return spaced and text[last] in _SPACED_TERMINALS


def _belong_together(text: str, at: int) -> bool:
    """Return whether the characters around a place are parts of one word or one symbol."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if _JOINER in (left, right) or unicodedata.category(right).startswith("M"):
        return True
    if right in FULL_STOPS or right in COMMAS:
        return True
    if _SKIN_TONES[0] <= right <= _SKIN_TONES[1]:
        return True
    return left.isalnum() and right.isalnum() and not (is_unspaced(left) or is_unspaced(right))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends; empty at ``start`` if it holds nothing else."""
    passage = text[start:end]
    leading = len(passage) - len(passage.lstrip())
    length = len(passage.strip())
    return (start + leading, start + leading + length) if length else (start, start)
