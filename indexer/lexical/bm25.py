"""BM25, by the formula of Lucene, for numbers and for arrays of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

K1: Final = 1.2
B: Final = 0.75

Bm25Scores: TypeAlias = NDArray[np.float64]
"""(n,) float64, BM25 scores."""

_Amount = TypeVar("_Amount", float, Bm25Scores)


def idf(count: int, holding: int) -> float:
    """The inverse document frequency of a word in ``holding`` of ``count`` documents; above 0."""
    return math.log(1.0 + (count - holding + 0.5) / (holding + 0.5))


def saturated(frequency: _Amount, length: _Amount, mean_length: float) -> _Amount:
    """The contribution of a word's frequency in a document of this length: (k1 + 1) at most.

    Numbers and arrays give the same bits. Robertson and Zaragoza, "The probabilistic relevance
    framework: BM25 and beyond", 2009.
    """
    return (K1 + 1) * frequency / (frequency + K1 * (1 - B + B * length / mean_length))


def shares(
    words: Sequence[str], worth: Mapping[str, float], mean_length: float
) -> dict[str, float]:
    """The part of each weighted word in the score of a document with these words."""
    frequencies, length = Counter(words), float(len(words))
    return {
        word: worth[word] * saturated(float(frequencies[word]), length, mean_length)
        for word in sorted(worth)
        if word in frequencies
    }
