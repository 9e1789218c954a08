"""BM25 and standard scores from their formulas, for tests to hold against what is found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def bm25(texts: Mapping[str, str], query: str) -> dict[str, float]:
    """The score of each text that holds a word.

    Lucene's formula, k1 = 1.2, b = 0.75, of words that are between spaces and stems of themselves.
    """
    counts = {id: Counter(text.split()) for id, text in texts.items()}
    mean = sum(one.total() for one in counts.values()) / max(1, len(counts))
    scores: dict[str, float] = {}
    for word, times in Counter(query.split()).items():
        holding = [id for id, one in counts.items() if word in one]
        idf = math.log(1 + (len(texts) - len(holding) + 0.5) / (len(holding) + 0.5))
        for id in holding:
            frequency, length = counts[id][word], counts[id].total()
            part = frequency / (frequency + 1.2 * (0.25 + 0.75 * length / mean))
            scores[id] = scores.get(id, 0.0) + times * idf * 2.2 * part
    return scores


def agree(found: Sequence[tuple[str, float]], scores: Mapping[str, float], k: int) -> None:
    """Ids and scores are of the k best, best first, equal ones by id.

    Sums that are equal on paper may differ in their last bit, and are in order of that.
    """
    expected = sorted(scores.values(), reverse=True)[:k]
    given = [score for _, score in found]
    for wanted in (expected, [scores[id] for id, _ in found]):
        np.testing.assert_allclose(given, wanted, rtol=1e-9, atol=1e-12)
    assert list(found) == sorted(found, key=lambda one: (-one[1], one[0]))


def standardised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores less their mean, in deviations of at least an eighth of their range."""
    unit = max(float(scores.std()), float(np.ptp(scores)) / 8)
    return (scores - scores.mean()) / unit
