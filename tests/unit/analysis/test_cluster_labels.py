"""The words that mark a group: c-TF-IDF, as it is defined."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from indexer.analysis.cluster_labels import marking_words


def test_the_words_are_those_of_the_largest_weight() -> None:
    """Held against the formula, computed as matrices."""
    rng = np.random.default_rng(0)
    counts = rng.integers(2, 40, size=(4, 12))
    names = [f"w{i:02}" for i in range(12)]
    classes = [Counter(dict(zip(names, line.tolist(), strict=True))) for line in counts]
    shares = counts / counts.sum(axis=1, keepdims=True)
    weights = shares * np.log(1 + counts.sum(axis=1).mean() / counts.sum(axis=0))
    expected = [[names[i] for i in np.argsort(-line)[:3]] for line in weights]
    assert [list(words) for words in marking_words(classes)] == expected


def test_a_word_of_every_group_gives_way_to_one_of_its_own() -> None:
    """Though it is the more frequent."""
    classes = [Counter({"study": 30, own: 20}) for own in ("heart", "lung", "wing", "jet")]
    assert [words[0] for words in marking_words(classes)] == ["heart", "lung", "wing", "jet"]


def test_a_word_of_one_document_marks_no_group_that_shares_others() -> None:
    """It would say what one document is about; where there is nothing else it is said."""
    found = marking_words([Counter({"shared": 2, "lone": 1}), Counter({"alone": 1})])
    assert found == [("shared",), ("alone",)]


@pytest.mark.parametrize("classes", [[], [Counter()], [Counter(), Counter({"a": 3})]])
def test_groups_without_words_have_no_label(classes: list[Counter[str]]) -> None:
    """As of documents that are numbers only."""
    assert [bool(words) for words in marking_words(classes)] == [bool(one) for one in classes]
