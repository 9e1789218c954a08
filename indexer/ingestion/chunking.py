"""Documents cut into chunks that fit the model's window, measured in its own tokens.

The embedded text of a chunk is :func:`chunk_content`: the heading and the chunk's text. A document
that fits is one chunk over its whole text, under its whole title. A longer one is cut where the
text itself pauses: at the end of a page or section, else of a paragraph, a sentence, a line, a
word, in this order, looking back no further than half the room. Each chunk repeats a little of the
one before. A collection may choose otherwise: see Chunking.

Nothing here knows a model: tokens come as the characters each stands for. Time is linear in the
length of the text, whatever it contains.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Chunk, Document
from indexer.embedding.embedder import Tokens
from indexer.index_choice import USUAL_CHUNKING, Chunking, CutBy
from indexer.outline import BELOW, HEADINGS, PAGE, SECTION
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


def chunk(
    document: Document, tokens: Tokens, room: int, how: Chunking = USUAL_CHUNKING
) -> tuple[Chunk, ...]:
    """The chunks of a document, in order; together they cover all of its text except white space.

    ``tokens`` are those of ``document.content``; a chunk under its heading takes at most ``room``
    of them. A chunk cut inside a word may take more when tokenised by itself: the caller checks.
    """
    whole = fits(tokens, room)
    if whole and how.by in (CutBy.PAUSES, CutBy.SENTENCES):
        return (Chunk(0, 0, len(document.text)),)
    top = heading(document, tokens, room)
    spans = _text_spans(document, tokens)
    parts = _parts(document, spans, how.by)
    if whole and len(parts) == 1:
        return (Chunk(0, 0, len(document.text)),)
    passages = _passages_of(document.text, spans, parts, max(1, room - top.tokens), how)
    return tuple(Chunk(i, start, end) for i, (start, end) in enumerate(passages))


def _parts(document: Document, spans: NDArray[np.int32], by: CutBy) -> list[int]:
    """The first token of each part of the text that is cut by itself, beginning with 0."""
    if by not in (CutBy.HEADINGS, CutBy.PAGES) or not len(spans):
        return [0]
    begins = _begins_page if by is CutBy.PAGES else _begins_section(document)
    text, ends, starts = document.text, spans[:-1, 1], spans[1:, 0]
    gaps = np.flatnonzero(starts > ends)
    return [0, *(int(at) + 1 for at in gaps if begins(text, int(ends[at]), int(starts[at])))]


def _begins_page(text: str, before: int, after: int) -> bool:
    return PAGE in text[before:after]


def _begins_section(document: Document) -> Callable[[str, int, int], bool]:
    """A test of whether a section begins between two places; one may open a page, too."""
    listed = document.metadata.get(HEADINGS)
    paths = listed if isinstance(listed, list | tuple) else ()
    headings = {str(path).split(BELOW)[-1] for path in paths}

    def begins(text: str, before: int, after: int) -> bool:
        gap = text[before:after]
        if SECTION in gap:
            return True
        return PAGE in gap and text[after:].partition("\n")[0].strip() in headings

    return begins


def _passages_of(
    text: str, spans: NDArray[np.int32], parts: list[int], room: int, how: Chunking
) -> list[tuple[int, int]]:
    """Start and end of each chunk of each part, at least one of all."""
    found: list[tuple[int, int]] = []
    for first, following in pairwise([*parts, len(spans)]):
        end = int(spans[following, 0]) if following < len(spans) else len(text)
        begin = int(spans[first, 0]) if first else 0
        own = spans[first:following]
        found += [one for one in _passages(text[:end], begin, own, room, how) if one[0] < one[1]]
    return found or [_trimmed(text, 0, len(text))]


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


def _passages(
    text: str, begin: int, spans: NDArray[np.int32], room: int, how: Chunking
) -> list[tuple[int, int]]:
    """Start and end of each chunk from ``begin`` on, at least one, without white space around."""
    found: list[tuple[int, int]] = []
    first, total = 0, len(spans)
    overlap = room // OVERLAP_SHARE if how.overlap is None else min(how.overlap, room // 2)
    by_sentences = how.by is CutBy.SENTENCES
    while first < total:
        cut = _last_sentence(text, spans, first, first + room) if by_sentences else None
        cut = cut or _best_cut(text, spans, first + (room + 1) // 2, first + room)
        start = int(spans[first, 0]) if first else begin
        end = int(spans[cut, 0]) if cut < total else len(text)
        passage = _trimmed(text, start, end)
        if passage[0] < passage[1]:
            found.append(passage)
        if cut >= total:
            break
        least = Pause.SENTENCE if by_sentences else Pause.SEAM
        first = max(first + 1, _overlap_start(text, spans, cut, overlap, least))
    return found or [_trimmed(text, begin, len(text))]


def _last_sentence(text: str, spans: NDArray[np.int32], first: int, most: int) -> int | None:
    """The token behind the last sentence that ends within reach; None if none does."""
    if most >= len(spans):
        return len(spans)
    for token in range(most, first, -1):
        if _pause(text, int(spans[token - 1, 1]), int(spans[token, 0])) >= Pause.SENTENCE:
            return token
    return None


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


def _overlap_start(text: str, spans: NDArray[np.int32], cut: int, most: int, least: Pause) -> int:
    """The token at which the next chunk begins: the first start of a sentence or word in reach.

    It is ``cut`` itself after a paragraph's or section's end, or where no pause in reach is at
    ``least`` that good.
    """
    if _pause(text, int(spans[cut - 1, 1]), int(spans[cut, 0])) >= Pause.PARAGRAPH:
        return cut
    best, strongest = cut, Pause(least - 1)
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
