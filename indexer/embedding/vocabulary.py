"""Texts that say nothing to a model, since its vocabulary has none of their words.

A tokenizer puts one and the same token in the place of each word that it does not know. So a text
of nothing else has the vector of any other such text, whatever either says; and one without any
word, such as a line of dashes, has a vector that says as little.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN_SHARE: Final = 0.8
"""Of its letters and digits so many are in words that are not known where a text says nothing."""

_UNIGRAM: Final = re.compile(r'"model":\s*\{\s*"type":\s*"Unigram",\s*"unk_id":\s*(\d+)')
_LETTER: Final = re.compile(r"[^\W_]")


def unknown_id(tokenizer: Tokenizer, encoded: str) -> int | None:
    """The token that stands for a word that is not known; None where there are no such words.

    ``encoded`` is the tokenizer as JSON, which alone tells it of some kinds.
    """
    if found := _UNIGRAM.search(encoded):
        return int(found[1])
    token = getattr(tokenizer.model, "unk_token", None)
    return None if token is None else tokenizer.token_to_id(token)


def has_words(text: str) -> bool:
    """Return whether there is a letter, a digit, or a symbol such as an emoji in a text."""
    return _LETTER.search(text) is not None or any(map(_is_symbol, text))


def is_unknown(text: str, unknown: Iterable[tuple[int, int]]) -> bool:
    """Return whether a model knows next to nothing of a text.

    ``unknown`` are the places of what it does not know. Letters and digits count; symbols where
    there are none.
    """
    tells = str.isalnum if _LETTER.search(text) else _is_symbol
    letters = sum(map(tells, text))
    missed = sum(sum(map(tells, text[start:end])) for start, end in unknown)
    return missed >= UNKNOWN_SHARE * letters


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character) == "So"
