"""The tokens of many texts from those of their pieces, each of which is tokenised once.

Tokenizers of BERT's kind part words at spaces and at ASCII's punctuation, whatever stands beside
them. So the tokens of a text are those of its pieces, one after the other, between the special
tokens of the model; and texts repeat most of their words, so looking them up is several times as
fast as tokenising them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.embedder import TextRole, Tokens
from indexer.embedding.tokenizer import Encoded, Ids, ModelTokenizer, Setup
from indexer.embedding.vocabulary import has_words

FEW: Final = 16
"""Fewer texts than these are tokenised as they are: they do not pay for the arrays."""

MOST_PIECES: Final = 50_000
"""Pieces that are remembered before all are forgotten: with their tokens some 10 MB."""

TOGETHER: Final = 128
"""Texts whose tokens are put together at a time: more leave the processor's cache."""

LONGEST: Final = 64
"""Characters of a piece that is worth remembering: more are seldom a word."""

_ASCII: Final = re.compile(r"(?:[A-Za-z0-9]+|[^A-Za-z0-9]) ?")
_OTHER: Final = re.compile(r" |[^ ]+ ?")
"""Pieces of a text of ASCII alone, and of any other, which is parted at spaces only."""

_CONTROLS: Final = frozenset(map(chr, [*range(32), 127])) - set("\t\n\r")
"""Characters that are dropped, which joins what stands beside them."""

_NO_TOKEN: Final = -1


def tokenizer_of(setup: Setup) -> ModelTokenizer | PieceTokenizer:
    """The tokenizer of a model: with a memory for pieces where its kind allows for one."""
    whole = ModelTokenizer(setup)
    return PieceTokenizer(whole) if is_berts(whole) and not setup.padded else whole


def is_berts(tokenizer: ModelTokenizer) -> bool:
    """Return whether a tokenizer parts words as BERT's does."""
    return tokenizer.steps == ("BertNormalizer", "BertPreTokenizer")


@dataclass(frozen=True, slots=True)
class _Found:
    """A text's tokens: ``ids`` is (n,) int32 with special ones, ``spans`` is (t, 2) int32."""

    ids: Ids
    spans: NDArray[np.int32]


class PieceTokenizer:
    """A ModelTokenizer that is_berts, with a memory. Safe to use from several threads."""

    def __init__(self, whole: ModelTokenizer, most: int = MOST_PIECES) -> None:
        self._most = most
        self._whole = whole
        self._unknown_id = whole.unknown_id
        self._front, self._back = whole.around
        self._known = self._forgetful()

    @property
    def room(self) -> int:
        """The number of a document's tokens that fit beside special tokens and prompt."""
        return self._whole.room

    @property
    def size(self) -> int:
        """The number of tokens in the vocabulary."""
        return self._whole.size

    def tokenize(self, texts: Sequence[str], role: TextRole) -> list[Tokens]:
        """Ids with the spans of all tokens."""
        found = self._find(texts, role)
        rest = iter(self._whole.tokenize(_lacking(texts, found), role))
        return [
            Tokens(one.ids, one.spans, truncated=False, unknown=not has_words(text))
            if one
            else next(rest)
            for text, one in zip(texts, found, strict=True)
        ]

    def ids(self, texts: Sequence[str], role: TextRole) -> list[Encoded]:
        """The texts' tokens without their spans."""
        found = self._find(texts, role)
        rest = iter(self._whole.ids(_lacking(texts, found), role))
        return [
            Encoded(one.ids, truncated=False, unknown=not has_words(text)) if one else next(rest)
            for text, one in zip(texts, found, strict=True)
        ]

    def _find(self, texts: Sequence[str], role: TextRole) -> list[_Found | None]:
        """The tokens of the texts; None for one that has to be tokenised as a whole.

        Those are few texts, texts with a prompt, and those that need a closer look.
        """
        if len(texts) < FEW or self._whole.prompt(role):
            return [None] * len(texts)
        parted = {place: pieces for place, text in enumerate(texts) if (pieces := self._part(text))}
        found: list[_Found | None] = [None] * len(texts)
        places = list(parted)
        for start in range(0, len(places), TOGETHER):
            some = places[start : start + TOGETHER]
            joined = self._join([parted[place] for place in some])
            for place, tokens in zip(some, joined, strict=True):
                found[place] = tokens
        return found

    def _part(self, text: str) -> list[str]:
        """The pieces of a text; none if it cannot be parted, or not with profit."""
        pieces: list[str] = (_ASCII if text.isascii() else _OTHER).findall(text)
        parts = pieces and len(max(pieces, key=len)) <= LONGEST
        return pieces if parts and not any(map(text.__contains__, self._whole.added)) else []

    def _join(self, texts: Sequence[list[str]]) -> Iterator[_Found | None]:
        """The tokens of texts, given by their pieces; None where a part is unknown or too much."""
        pieces = list(chain.from_iterable(texts))
        parts = self._tokens(pieces)
        rows = np.frombuffer(b"".join(parts), np.int32).reshape(-1, 3)  # id, start, end in a piece
        counts = np.fromiter(map(len, parts), np.intp, len(parts)) // (3 * rows.itemsize)
        lengths = np.fromiter(map(len, pieces), np.intp, len(pieces))
        sizes = np.fromiter(map(len, texts), np.intp, len(texts))
        firsts = np.cumsum(sizes) - sizes
        begin = np.cumsum(lengths) - lengths  # of each piece, in all texts one after the other
        begin -= np.repeat(begin[firsts], sizes)  # in its own text
        ids = rows[:, 0].copy()
        spans = rows[:, 1:] + np.repeat(begin, counts)[:, None].astype(np.int32)
        tokens = np.append(0, np.cumsum(counts))
        bounds = tokens[np.append(firsts, len(pieces))]
        odd = np.append(0, np.cumsum((ids == self._unknown_id) | (ids == _NO_TOKEN)))[bounds]
        for start, end, is_odd in zip(bounds[:-1], bounds[1:], np.diff(odd), strict=True):
            whole = not is_odd and end - start <= self._whole.most
            yield _Found(self._between(ids[start:end]), spans[start:end]) if whole else None

    def _between(self, ids: Ids) -> Ids:
        """The tokens between the special ones."""
        special = len(self._front) or len(self._back)
        return np.concatenate((self._front, ids, self._back)) if special else ids

    def _tokens(self, pieces: Sequence[str]) -> list[bytes]:
        """The tokens of each piece, as rows of id, start and end."""
        known = self._known
        try:
            return [known[piece] for piece in pieces]
        except KeyError:
            missing = set(pieces) - known.keys()
        if len(known) + len(missing) > self._most:
            known = self._known = self._forgetful()  # other threads keep what they look up in
            missing = set(pieces) - known.keys()
        for piece, encoding in zip(missing, self._whole.bare(list(missing)), strict=True):
            rows = [(id, *span) for id, span in zip(encoding.ids, encoding.offsets, strict=True)]
            known[piece] = np.asarray(rows, np.int32).tobytes()
        return [known[piece] for piece in pieces]

    @staticmethod
    def _forgetful() -> dict[str, bytes]:
        """A memory of nothing but what cannot be tokenised by itself."""
        row = np.asarray([_NO_TOKEN, 0, 0], np.int32).tobytes()
        return {control + space: row for control in _CONTROLS for space in ("", " ")}


def _lacking(texts: Sequence[str], found: Sequence[_Found | None]) -> list[str]:
    return [text for text, one in zip(texts, found, strict=True) if one is None]
