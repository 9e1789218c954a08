"""Documents are divided among processes by their ids."""

from __future__ import annotations

import pytest

from indexer.documents import Document
from indexer.errors import InvalidInput
from indexer.ingestion.shards import Shard
from indexer.readers import Read, Rejection


def test_each_document_is_in_one_shard_and_shards_are_of_a_size() -> None:
    """Whatever the ids are; what was rejected is told once."""
    reads = [Read(Document(f"d{i}", "text"), i) for i in range(8_000)]
    reads.append(Read(Rejection("a.jsonl, line 3", "no text"), 8_000))
    parts = [list(Shard(number, 8).of(reads)) for number in range(1, 9)]
    assert sorted(read.consumed for part in parts for read in part) == list(range(8_001))
    assert all(900 < len(part) < 1_100 for part in parts)
    assert reads[-1] in parts[0]


def test_a_document_stays_in_its_shard() -> None:
    """The division is the same on every machine and in every version."""
    found = [next(n for n in range(1, 5) if Shard(n, 4).holds(id)) for id in ("a", "b", "\u00e9")]
    assert found == [4, 2, 4]


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/4"])
def test_other_words_are_refused(text: str) -> None:
    """With the form that is meant."""
    with pytest.raises(InvalidInput, match="2/8"):
        Shard.parse(text)
    assert Shard.parse("2/8") == Shard(2, 8)
