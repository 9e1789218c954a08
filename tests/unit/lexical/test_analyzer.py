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
        ("C++ foo_bar 3.14", ["c", "foo", "bar", "foobar", "3", "14"]),
        (
            "東京に hello世界",
            ["東", "京", "に", "東京", "京に", "東京に", "hello", "世", "界", "世界"],
        ),
        ("학교 텍스트", ["학", "교", "학교", *"텍스트", "텍스", "스트", "텍스트"]),
        ("ｶﾞｿﾘﾝ ー", [*"ガソリン", "ガソ", "ソリ", "リン", "ガソリ", "ソリン", "ー"]),
        ("๒๕๖๗ ฿", ["๒๕๖๗"]),  # digits of any script are a word together
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # marks belong to their words
        ("😀 !? \x00", []),
        ("x" * 1_000 + " cat", ["cat"]),
        ("differ con-\nsiderably", ["differ", "con", "sider", "consider"]),
        ("A4-\n5 x -\ny well-known", ["a4", "5", "x", "y", "well", "known"]),
    ],
)
def test_texts_become_words(text: str, words: list[str]) -> None:
    """Lower case, without accents, stemmed; of scripts without spaces, rows of characters."""
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


@pytest.mark.parametrize("language", [Language.NONE, Language.ENGLISH, Language.TURKISH])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("co\u00adope\u00adrate", "cooperate"),
        ("foo\u200bbar\ufeff ba\u2060z", "foobar baz"),
        ("con\u00ad\nsider", "con-\nsider"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u0937"),  # a joiner shapes letters of Hindi
        ("Auf\u200clage", "Auflage"),
        ("ΟΔΟΣ", "οδος"),
        ("ὁδός", "οδοσ"),
        ("كِتَابٌ", "كتاب"),
        ("العـــربية", "العربية"),
        ("שָׁלוֹם", "שלום"),
        ("İSTANBUL", "istanbul"),
        ("i\u0307stanbul", "istanbul"),  # how others lower the case of the capital
        ("葛\U000e0100城", "葛城"),
    ],
    ids=ascii,
)
def test_what_is_not_seen_and_marks_make_no_other_word(
    one: str, other: str, language: Language
) -> None:
    """Soft hyphens, spaces of no width, vowels of Arabic, the last sigma of Greek: all fold."""
    analyzer = Analyzer(language)
    assert analyzer.words(one) == analyzer.words(other) != []


def test_turkish_has_two_letters_i() -> None:
    """Each is found by its own small letter; who writes none but the Latin one finds it too."""
    turkish = Analyzer(Language.TURKISH)
    assert turkish.words("IŞIK") == turkish.words("\u0131ş\u0131k") == turkish.words("isik")
    assert turkish.words("İŞ") == turkish.words("iş")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("getUserName", ["get", "user", "name"]),
        ("get_user_name", ["get", "user", "name"]),
        ("GET_USER_NAME", ["get", "user", "name"]),
        ("HTTPServerError", ["http", "server", "error"]),
        ("base64Encode", ["base64", "encode"]),
        ("isAValidName", ["is", "a", "valid", "name"]),
        ("__init_subclass__", ["init", "subclass"]),
        ("größteZahl", ["grosste", "zahl"]),
        ("میخواهم".replace("می", "می\u200c"), ["می", "خواهم"]),  # what Persian writes in one
    ],
)
def test_a_name_that_is_joined_is_its_parts_and_the_whole(name: str, parts: list[str]) -> None:
    """However it is joined, so that one way of writing it finds the other."""
    assert Analyzer(Language.NONE).words(name) == [*parts, "".join(parts)]
    assert list(Analyzer(Language.NONE).asked(name)) == [*parts, "".join(parts)]


@pytest.mark.parametrize("word", ["mRNA", "iPhone", "IDs", "PDFs", "3F2504E0", "_private", "pH"])
def test_some_words_only_look_joined(word: str) -> None:
    """One letter in front is a part of no name, nor is an s behind capitals."""
    assert Analyzer(Language.NONE).words(word) == [word.strip("_").lower()]


def test_a_query_asks_for_what_tells_most() -> None:
    """For pairs and threes of syllables, for threes of letters; for less where there is no more."""
    assert set(ENGLISH.asked("図書館")) == {"図書", "書館", "図書館"}
    assert set(ENGLISH.asked("학교")) == {"학교"}
    assert set(ENGLISH.asked("ธนาคา")) == {"ธนา", "นาค", "าคา"}
    assert set(ENGLISH.asked("ดี")) == {"ดี"}
    assert set(ENGLISH.asked("水 ณ")) == {"水", "ณ"}
