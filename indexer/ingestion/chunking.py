"""Documents cut into chunks that fit the model's window, measured in its own tokens.

What is embedded for a chunk is :func:`chunk_content`: the heading and the chunk's text. A document
that fits is one chunk over its whole text, under its whole title. A longer one is cut where the
text itself pauses: at the end of a paragraph, else of a sentence, a line, a word, in this order,
looking back no further than half the room. Each chunk repeats a little of the one before.

Nothing here knows a model: tokens come as the characters that each stands for. The time taken is
linear in the text, whatever it holds.
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

TITLE_SHARE: Final = 3
"""A title may take one part in this many of the room; beyond, it is cut at a word's end."""

OVERLAP_SHARE: Final = 10
"""A chunk repeats at most one part in this many of the tokens that fit beside the heading."""

_BLANK_LINE: Final = re.compile(r"[^\S\n]*\n[^\S\n]*\n")
_LINE_END: Final = re.compile(r"[^\S\n]*\n")
_SPACED_TERMINALS: Final = frozenset(".!?…؟۔।॥։")  # noqa: RUF001 - stops of many scripts
_TERMINALS: Final = frozenset("。！？｡")  # noqa: RUF001 - white space need not follow these
_CLOSERS: Final = frozenset("\"'”’»)]}」』）】》〉")  # noqa: RUF001 - may stand behind a stop
_MAX_CLOSERS: Final = 4
_JOINER: Final = "\u200d"
_SKIN_TONES: Final = ("\U0001f3fb", "\U0001f3ff")
_UNSPACED_SCRIPTS: Final = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Burmese
    ("\u1780", "\u17ff"),  # Khmer
    ("\u2e80", "\u9fff"),  # CJK, kana
    ("\uf900", "\ufaff"),  # CJK compatibility
    ("\U00020000", "\U0003ffff"),  # CJK extensions
)


class Pause(IntEnum):
    """How good a place between two tokens is for a cut; larger is better."""

    INSIDE = 0
    SEAM = 1
    WORD = 2
    LINE = 3
    SENTENCE = 4
    PARAGRAPH = 5


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands in front of every chunk of a document, and how many tokens it takes.

    ``cut`` says that it is only the beginning of the title.
    """

    text: str
    tokens: int
    cut: bool


def fits(tokens: Tokens, room: int) -> bool:
    """Whether a text of these tokens is embedded whole."""
    return not tokens.truncated and len(tokens.spans) <= room


def heading(document: Document, tokens: Tokens, room: int) -> Heading:
    """The title and a space, or nothing; cut if the document does not fit and the title is long.

    ``tokens`` are those of ``document.content``, ``room`` how many the window has place for.
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
    """The chunks of a document, in order; together they cover all of its text but white space.

    ``tokens`` are those of ``document.content``; a chunk under its heading takes at most ``room``
    of them. Cut inside a word, a chunk may take more once it is tokenised by itself: see to it.
    """
    if fits(tokens, room):
        return (Chunk(0, 0, len(document.text)),)
    top = heading(document, tokens, room)
    spans = _text_spans(document, tokens)
    passages = _passages(document.text, spans, max(1, room - top.tokens))
    return tuple(Chunk(i, start, end) for i, (start, end) in enumerate(passages))


def chunk_content(document: Document, chunk: Chunk, heading: Heading) -> str:
    """What is embedded for a chunk: the heading, then the chunk's text as it stands."""
    return heading.text + document.text[chunk.start : chunk.end]


def _ordered(spans: NDArray[np.int32]) -> NDArray[np.int32]:
    """(t, 2) spans that never go back, as a normalizer that reorders characters could make them."""
    ordered: NDArray[np.int32] = np.maximum.accumulate(spans, axis=0)
    return ordered


def _text_spans(document: Document, tokens: Tokens) -> NDArray[np.int32]:
    """(t, 2) characters of ``document.text`` of those tokens that are not the title's."""
    length = len(document.prefix)
    spans = _ordered(tokens.spans)
    first = int(np.searchsorted(spans[:, 1], length, side="right"))
    shifted: NDArray[np.int32] = np.maximum(spans[first:] - length, 0)
    return shifted


def _passages(text: str, spans: NDArray[np.int32], room: int) -> list[tuple[int, int]]:
    """Characters (start, end) of each chunk, at least one; white space at either end left out."""
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
    """The token in front of which to cut: the last of the best pauses from least to most."""
    if most >= len(spans):
        return len(spans)
    best, strongest = most, Pause.INSIDE
    for token in range(most, least - 1, -1):
        pause = _pause(text, int(spans[token - 1, 1]), int(spans[token, 0]))
        if pause > strongest:
            best, strongest = token, pause
            if pause is Pause.PARAGRAPH:
                break
    return best


def _overlap_start(text: str, spans: NDArray[np.int32], cut: int, most: int) -> int:
    """The token at which the next chunk begins: the first sentence's or word's start in reach.

    It is ``cut`` itself after a paragraph's end, or where only the inside of a word is in reach.
    """
    if _pause(text, int(spans[cut - 1, 1]), int(spans[cut, 0])) is Pause.PARAGRAPH:
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
        return Pause.PARAGRAPH
    spaced = before < len(text) and text[before].isspace()
    if _ends_sentence(text, before, spaced):
        return Pause.SENTENCE
    if spaced:
        return Pause.LINE if _LINE_END.match(text, before) else Pause.WORD
    return Pause.INSIDE if _belong_together(text, after) else Pause.SEAM


def _ends_sentence(text: str, end: int, spaced: bool) -> bool:
    last = end - 1
    while last > 0 and end - last <= _MAX_CLOSERS and text[last] in _CLOSERS:
        last -= 1
    if last < 0:
        return False
    return text[last] in _TERMINALS or (spaced and text[last] in _SPACED_TERMINALS)


def _belong_together(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place are parts of one word or one symbol."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    if _JOINER in (left, right) or unicodedata.category(right).startswith("M"):
        return True
    if _SKIN_TONES[0] <= right <= _SKIN_TONES[1]:
        return True
    return left.isalnum() and right.isalnum() and not (_is_unspaced(left) or _is_unspaced(right))


def _is_unspaced(character: str) -> bool:
    return any(low <= character <= high for low, high in _UNSPACED_SCRIPTS)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The place without the white space at its ends; empty at ``start`` if that is all there is."""
    passage = text[start:end]
    leading = len(passage) - len(passage.lstrip())
    length = len(passage.strip())
    return (start + leading, start + leading + length) if length else (start, start)
