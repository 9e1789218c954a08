"""How texts become words, and which of them a query asks for."""

from __future__ import annotations

import pytest

from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer

ENGLISH = Analyzer(Language.ENGLISH)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Running cats", ["run", "cat"]),
        ("naïve Straße", ["naiv", "strass"]),
        (
            "e\u0301tudes \ufb01n \uff21\uff22",
            ["etud", "fin", "ab"],
        ),  # composed; a ligature; full width
        ("C++ foo_bar 3.14", ["c", "foo", "bar", "3", "14"]),
        ("東京に住む hello世界", ["東", "京", "に", "住", "む", "hello", "世", "界"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # marks belong to their words
        ("😀 !? \x00", []),
        ("x" * 1_000 + " cat", ["cat"]),
        ("differ con-\nsiderably", ["differ", "con", "sider", "consider"]),
        ("A4-\n5 x -\ny well-known", ["a4", "5", "x", "y", "well", "known"]),
    ],
)
def test_texts_become_words(text: str, words: list[str]) -> None:
    """Lower case, without accents, stemmed; characters of scripts without spaces stand alone."""
    assert ENGLISH.words(text) == words


@pytest.mark.parametrize("language", list(Language))
def test_every_language_is_known(language: Language) -> None:
    """Each language that can be chosen has its rules; "none" leaves words as they are."""
    words = Analyzer(language).words("Running")
    assert len(words) == 1
    assert language is not Language.NONE or words == ["running"]


def test_stemmers_see_the_accents_of_their_language() -> None:
    """Accents are taken off after stemming, which needs them."""
    assert Analyzer(Language.GERMAN).words("Häuser") == Analyzer(Language.GERMAN).words("Haus")


def test_words_that_say_nothing_are_not_asked_for() -> None:
    """A query asks for its other words, with how often it says them."""
    assert ENGLISH.asked("What is the flow of the flow in a pipe?") == {"flow": 2.0, "pipe": 1.0}


def test_a_query_of_nothing_else_asks_for_them() -> None:
    """So that "to be or not to be" can be found."""
    assert ENGLISH.asked("to be or not to be") == {"to": 2.0, "be": 2.0, "or": 1.0, "not": 1.0}


@pytest.mark.parametrize("text", ["", "   ", "😀", '"(*~^', "\x00"])
def test_a_query_may_ask_for_nothing(text: str) -> None:
    """Without a word, none is asked for."""
    assert ENGLISH.asked(text) == {}


def test_operators_are_words() -> None:
    """Nothing in a query is an instruction."""
    assert set(ENGLISH.asked('+cat -dog title:"x y" AND NOT (z*')) == {
        *("cat", "dog", "titl", "x", "y", "z")
    }
