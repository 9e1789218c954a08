"""Where a text holds words of a query."""

from __future__ import annotations

import pytest

from indexer.index_choice import Language
from indexer.lexical.marking import Marker


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("what is a fox", "The foxes are what they are; a Fox is", ["foxes", "Fox"]),
        ("向量", "学习向量检索", ["向量"]),
        ("user_name", "getUserName", ["User", "Name"]),
        ("ab", "abc", []),
        ("", "nothing", []),
    ],
)
def test_words_are_marked_where_they_stand(query: str, text: str, marked: list[str]) -> None:
    """In any form of theirs, and as long as they are; none that has no meaning of its own."""
    spans = Marker(Language.ENGLISH, query).spans(text)
    assert [text[start:end] for start, end in spans] == marked


def test_words_are_those_of_the_language() -> None:
    """Another language has other forms of a word."""
    assert Marker(Language.GERMAN, "Haus").spans("Häuser") == [(0, 6)]
    assert Marker(Language.NONE, "Haus").spans("Häuser") == []
