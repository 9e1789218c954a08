"""Passages are kept for the state that they were read of, within a bound, and lent as copies."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.documents import Chunk, Document
from indexer.parts import NO_PARTS, WHOLE
from indexer.passages import ReadPassage
from indexer.storage.query.passage_cache import ENTRY_BYTES, PassageCache, State

NOW, LATER = State(3, 1), State(4, 1)


def passage(text: str = "a fox", metadata: dict[str, Any] | None = None) -> ReadPassage:
    """A document of one chunk."""
    document = Document("a", text, metadata=metadata or {})
    return ReadPassage.of(Chunk(0, 0, len(text)), document, WHOLE)


def test_a_passage_is_known_by_its_row_its_state_and_its_parts() -> None:
    """Of another of these it has to be read."""
    cache = PassageCache()
    cache.keep(NOW, {7: passage()}, WHOLE)
    assert cache.known(NOW, {7, 8}, WHOLE) == {7: passage()}
    assert cache.known(LATER, {7}, WHOLE) == {}
    assert cache.known(State(3, 2), {7}, WHOLE) == {}
    assert cache.known(NOW, {7}, NO_PARTS) == {}


def test_what_an_earlier_state_had_does_not_replace_the_newest() -> None:
    """A search that began before a write ends after others."""
    cache = PassageCache()
    cache.keep(LATER, {7: passage("new")}, WHOLE)
    cache.keep(NOW, {7: passage("old")}, WHOLE)
    assert cache.known(NOW, {7}, WHOLE) == {}
    assert cache.known(LATER, {7}, WHOLE)[7].document.text == "new"


def test_metadata_is_the_readers_own() -> None:
    """Who changes it changes no other reader's, nor does the one that it was kept from."""
    given = passage(metadata={"tags": ["red"], "year": 2020})
    cache = PassageCache()
    cache.keep(NOW, {7: given}, WHOLE)
    for read in (given, cache.known(NOW, {7}, WHOLE)[7]):
        read.document.metadata["tags"].append("blue")  # type: ignore[union-attr]
        read.document.metadata["year"] = 1  # type: ignore[index]
    assert cache.known(NOW, {7}, WHOLE)[7].document.metadata == {"tags": ["red"], "year": 2020}


@pytest.mark.parametrize("field", ["text", "word", "words"])
def test_it_is_bounded(field: str) -> None:
    """Whatever part of a document is long; what would fill it alone is not kept."""
    long = "x" * ENTRY_BYTES
    metadata: dict[str, Any] = {"word": long} if field == "word" else {"words": [long]}
    one = passage(long) if field == "text" else passage(metadata=metadata)
    cache = PassageCache(12 * ENTRY_BYTES)
    for row in range(40):
        cache.keep(NOW, {row: one}, WHOLE)
    kept = [row for row in range(40) if cache.known(NOW, {row}, WHOLE)]
    assert 39 in kept
    assert len(kept) < 5
    cache.keep(NOW, dict.fromkeys(range(100, 140), one), WHOLE)
    assert not cache.known(NOW, range(100, 140), WHOLE)
