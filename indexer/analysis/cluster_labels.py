"""The words characteristic of a group of texts among others: class-based TF-IDF.

The weight of a word x in a class c is tf(x, c) · log(1 + A / f(x)): its share of the class's words,
its frequency in all classes, f, and the mean number of words of a class, A (Grootendorst,
"BERTopic: neural topic modeling with a class-based TF-IDF procedure", 2022). A word counts once
for each document that contains it, so that no long document dominates its class.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

WORDS: Final = 3
_LEAST_DOCUMENTS: Final = 2


def marking_words(classes: Sequence[Counter[str]], most: int = WORDS) -> list[tuple[str, ...]]:
    """The characteristic words of each class, given the number of its documents with each word.

    Best first. A word of one document is taken only where all words are of one document.
    """
    everywhere: Counter[str] = Counter()
    for words in classes:
        everywhere.update(words)
    mean = everywhere.total() / max(len(classes), 1)
    return [_best(words, everywhere, mean, most) for words in classes]


def _best(words: Counter[str], everywhere: Counter[str], mean: float, most: int) -> tuple[str, ...]:
    shared = [word for word, count in words.items() if count >= _LEAST_DOCUMENTS]
    weights = {
        word: words[word] / words.total() * math.log(1.0 + mean / everywhere[word])
        for word in shared or words
    }
    return tuple(sorted(weights, key=lambda word: (-weights[word], word))[:most])
