"""Frequent words as tokens of their own."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

from indexer.learning.word_entries import with_words

TEXTS = ["Foxdog, dog foxdog", "foxdog lazyfox lazyfox", "lazyfox dogs \u4e2d\u4e2d x9", "lazyfox"]


def test_words_that_are_split_often_become_tokens(bert: Path) -> None:
    """The most frequent first, with the ids after all others; rare and unknown ones do not."""
    given = (bert / "tokenizer.json").read_text()
    before = Tokenizer.from_str(given)
    made, words = with_words(given, TEXTS, 10)
    assert words == ["lazyfox", "foxdog"]
    after = Tokenizer.from_str(made)
    size = before.get_vocab_size()
    assert len(before.encode("foxdog", add_special_tokens=False).ids) > 1
    found = after.encode("Lazyfox foxdog dog", add_special_tokens=False).ids
    assert found == [size, size + 1, before.token_to_id("dog")]
    assert with_words(given, TEXTS, 1)[1] == ["lazyfox"]


def test_other_tokenizers_stay_as_they_are(bert: Path) -> None:
    """So does one that no word is asked for."""
    other = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    given = other.to_str()
    assert with_words(given, ["ab ab ab ab"], 10) == (given, [])
    berts = json.dumps(json.loads((bert / "tokenizer.json").read_text()))
    assert with_words(berts, TEXTS, 0) == (berts, [])
