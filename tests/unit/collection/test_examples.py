"""Queries to begin with: what they say, and how they are spread."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.collection.examples import phrase, spread
from indexer.documents import Document


@pytest.mark.parametrize(
    ("title", "text", "said"),
    [
        ("Heart and blood", "x", "Heart and blood"),
        (
            "functools.lru_cache",
            "Least recently used cache. More of it.",
            "Least recently used cache",
        ),
        (None, "One line\nand another\n\nA paragraph", "One line and another"),
        (None, "long " * 40, None),
        ("single", "----- 1234", None),
        ("part ii", "A study of the flow of gases", "A study of the flow of gases"),
        ("\uc11c\uc6b8 \ub0a0\uc528", "x", "\uc11c\uc6b8 \ub0a0\uc528"),
        ("\u8840\u6db2\u306e\u6d41\u308c", "x", "\u8840\u6db2\u306e\u6d41\u308c"),
        (
            "\u6771\u4eac",
            "\u6771\u4eac\u306e\u5929\u6c17\u3002\u660e\u65e5",
            "\u6771\u4eac\u306e\u5929\u6c17",
        ),
        (None, "", None),
    ],
)
def test_a_phrase_is_a_title_of_words_or_a_first_sentence(
    title: str | None, text: str, said: str | None
) -> None:
    """Names and numbers are no questions, in any script; long sentences are not cut."""
    assert phrase(Document("a", text, title)) == said


def test_each_stands_for_another_group() -> None:
    """Of three groups of different sizes one each is taken first, and no outlier before them."""
    axes = np.eye(5, dtype=np.float32)
    rng = np.random.default_rng(1)
    groups = [axes[i] + 0.05 * rng.normal(size=(n, 5)) for i, n in ((0, 30), (1, 20), (2, 10))]
    vectors = np.concatenate([*groups, axes[3:4]]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = spread(vectors, 4)
    assert [int(vectors[place].argmax()) for place in order] == [0, 1, 2, 3]


def test_no_more_are_taken_than_there_are() -> None:
    """Few vectors are all taken, and none gives none."""
    assert sorted(spread(np.eye(2, dtype=np.float32), 5)) == [0, 1]
    assert spread(np.empty((0, 3), dtype=np.float32), 5) == []
