"""Frequent words of a collection as tokens of their own, where a tokenizer splits them.

The mean of pieces says less of a word than a vector of its own, which a static model has room for.
Only WordPiece takes a word by adding it to the vocabulary; others stay as they are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS: Final = 10_000
"""Texts whose words are counted, at most."""

LEAST: Final = 3
"""A word that is seen less often is not worth an entry."""

_SHORTEST: Final = 2


def with_words(tokenizer: str, texts: Sequence[str], most: int) -> tuple[str, list[str]]:
    """A tokenizer, as JSON, with the ``most`` frequent words that it splits, and these words.

    They have the ids after all others, in their order.
    """
    from tokenizers import Tokenizer

    fields: dict[str, Any] = json.loads(tokenizer)
    model = fields["model"]
    opened = Tokenizer.from_str(tokenizer)
    if model.get("type") != "WordPiece" or opened.pre_tokenizer is None or not most:
        return tokenizer, []
    longest = int(model.get("max_input_chars_per_word", 100))
    vocabulary: dict[str, int] = model["vocab"]
    counts = Counter(
        word
        for word in _words(opened, texts[:TEXTS])
        if word not in vocabulary and word[0].isalpha() and _SHORTEST <= len(word) <= longest
    )
    frequent = sorted(word for word, count in counts.items() if count >= LEAST)
    pieces = opened.encode_batch(frequent, add_special_tokens=False)
    known = [
        word
        for word, one in zip(frequent, pieces, strict=True)
        if model.get("unk_token") not in one.tokens  # else the model knows nothing of it
    ]
    chosen = sorted(known, key=lambda word: -counts[word])[:most]
    size = opened.get_vocab_size()
    vocabulary |= {word: size + place for place, word in enumerate(chosen)}
    return json.dumps(fields), chosen


def _words(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[str]:
    """All words of the texts as the tokenizer sees them."""
    normalizer, parting = tokenizer.normalizer, tokenizer.pre_tokenizer
    for text in texts:
        plain = normalizer.normalize_str(text) if normalizer else text
        yield from (word for word, _ in parting.pre_tokenize_str(plain))
