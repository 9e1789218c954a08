"""Which words of a query a document holds, and where."""

from __future__ import annotations

import pytest

from indexer.collection.matched_terms import matching_terms
from indexer.documents import Document
from indexer.engine import Key
from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.memory.lexical import EMPTY, MemoryLexical, Words
from indexer.memory.scope import MemoryScope

TEXT = "Ducks swim. A duck's pond is where the ducks are swimming; ponds freeze."


def words_over(*contents: str) -> MemoryLexical:
    """The words of a few documents."""
    analyzer = Analyzer(Language.ENGLISH)
    words = {Key(key): Words.of(analyzer, content) for key, content in enumerate(contents)}
    ids = {key: str(key) for key in words}
    return MemoryLexical(analyzer, EMPTY.changed({}, words), ids)


def test_terms_stand_where_they_say() -> None:
    """Every form of a word is found, and none that the query does not ask for."""
    words = words_over(TEXT, "A goose flies.", "Nothing of the kind.")
    terms = matching_terms(words, words.asked("where do ducks swim?"), Document("a", TEXT))
    stands = {term.text: [TEXT[start:end] for start, end in term.spans] for term in terms}
    assert stands == {"Ducks": ["Ducks", "duck", "ducks"], "swim": ["swim", "swimming"]}
    assert [term.score for term in terms] == sorted((t.score for t in terms), reverse=True)


def test_parts_add_up_to_the_score() -> None:
    """What the terms add is what the document scores."""
    contents = (TEXT, "A goose swims.", "Ducks.")
    words = words_over(*contents)
    bag = words.asked("ducks swim in ponds")
    found = words.matches(bag).best(3, MemoryScope(None, 3))
    assert len(found) == 3
    for key, score in found:
        terms = matching_terms(words, bag, Document("a", contents[key]))
        assert sum(term.score for term in terms) == pytest.approx(score)


def test_a_word_of_the_title_alone_has_no_span() -> None:
    """The title counts for the score, but spans are of the text."""
    words = words_over("Geese and ducks They swim.", "Other things.")
    document = Document("a", "They swim.", title="Geese and ducks")
    terms = matching_terms(words, words.asked("swimming geese"), document)
    assert {(term.text, term.spans) for term in terms} == {("swim", ((5, 9),)), ("gees", ())}


def test_words_of_scripts_without_spaces_are_rows_of_characters() -> None:
    """A word stands where all of it does, and its particle is not a part of it."""
    text = "学习向量检索"
    words = words_over(text, "别的")
    terms = matching_terms(words, words.asked("向量"), Document("a", text))
    assert [(term.text, term.spans) for term in terms] == [("向量", ((2, 4),))]
    korean = "학교에서 학교가"
    words = words_over(korean, "다른")
    terms = matching_terms(words, words.asked("학교"), Document("a", korean))
    assert [(term.text, term.spans) for term in terms] == [("학교", ((0, 2), (5, 7)))]


def test_a_part_of_a_name_stands_where_it_is() -> None:
    """The whole name is marked only where it was asked for."""
    text = "getUserName gets a user's name"
    words = words_over(text, "other")
    terms = matching_terms(words, words.asked("user"), Document("a", text))
    assert [(term.text, term.spans) for term in terms] == [("User", ((3, 7), (19, 23)))]
    whole = matching_terms(words, words.asked("get_user_name"), Document("a", text))
    assert ("getUserName", ((0, 11),)) in [(term.text, term.spans) for term in whole]


def test_no_word_in_common_gives_no_term() -> None:
    """Nothing is made up."""
    words = words_over(TEXT)
    assert matching_terms(words, words.asked("goose"), Document("a", TEXT)) == ()


def test_a_word_that_the_end_of_a_line_parts() -> None:
    """The whole word is found where its parts stand, and so is each part."""
    text = "Environments differ con-\nsiderably."
    words = words_over(text, "Other things.")
    terms = matching_terms(words, words.asked("considerably"), Document("a", text))
    assert [(text[slice(*term.spans[0])], len(term.spans)) for term in terms] == [
        ("con-\nsiderably", 1)
    ]
    assert matching_terms(words, words.asked("con"), Document("a", text))
