"""Why a document is a hit, against embedding every passage anew by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import Document
from indexer.embedding import Embedder, TextRole
from indexer.ingestion.changes import store
from indexer.library import Library
from indexer.queries import Hit, Passage, Query
from indexer.retrieval.explanation import LEAST_EFFECT, PASSAGES, WORDS, explained, occlude
from indexer.retrieval.search import search

TEXT = "A bearing is a direction; a Bearing has no length. \n\nThe cosine compares bearings."
LONG = " ".join(f"word{n} has direction{n} and part{n}." for n in range(400))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Collection, Embedder]]:
    """A collection with documents of one passage and of many, and its model."""
    config = Config(data=tmp_path, cache=tmp_path, model="hashing")
    with Library(config) as library:
        collection = library.create("things")
        embedder = library.embedder(collection)
        documents = [
            Document("short", TEXT, "Title of it"),
            Document("long", LONG),
            Document("one", "direction"),
            Document("none", "!!!"),
        ]
        store(collection, embedder, documents)
        yield collection, embedder


def hit(text: str, start: int = 0, end: int | None = None) -> Hit:
    """A hit whose passage is a part of its text."""
    end = len(text) if end is None else end
    return Hit(Document("d", text), 0.5, Passage(text[start:end], start, end))


def test_each_word_s_effect_is_the_fall_of_the_cosine_without_it(
    opened: tuple[Collection, Embedder],
) -> None:
    """Words of title and text come by falling effect, and stand where their spans say."""
    collection, embedder = opened
    query = Query(text="a direction has no length", k=4, explain=1)
    (answer,) = search(collection, embedder, [query])
    best = answer.hits[0]
    assert best.document.id == "short" and best.explanation is not None
    vector = embedder.embed([query.text or ""], TextRole.QUERY).vectors[0]
    content = "Title of it " + TEXT
    whole = float(embedder.embed([content]).vectors[0] @ vector)
    assert whole == pytest.approx(best.score, abs=1e-6)
    words = {word.text.casefold(): word for word in best.explanation.words}
    expected = "title of it a bearing is direction has no length the cosine compares bearings"
    assert set(words) <= set(expected.split())
    for name in expected.split():
        pattern = re.compile(rf"\b{name}\b", re.IGNORECASE)
        left = float(embedder.embed([pattern.sub("", content)]).vectors[0] @ vector)
        if name not in words:
            assert abs(whole - left) < LEAST_EFFECT + 1e-5
            continue
        word = words[name]
        assert word.effect == pytest.approx(whole - left, abs=1e-5)
        assert word.spans == tuple(match.span() for match in pattern.finditer(TEXT))
        assert word.title_spans == tuple(match.span() for match in pattern.finditer("Title of it"))
    assert words["title"].title_spans == ((0, 5),) and words["title"].effect < 0
    effects = [word.effect for word in best.explanation.words]
    assert effects == sorted(effects, reverse=True)
    assert len(words["a"].spans) == 3 and len(words["bearing"].spans) == 2
    assert best.explanation.words_left_out == 0
    assert best.explanation.rest is not None
    assert sum(effects) + best.explanation.rest == pytest.approx(best.score, abs=1e-6)


def test_where_no_word_carries_anything_none_is_told() -> None:
    """The whole cosine is the rest."""
    one = hit("as near without any of these words")
    staged = explained(Query(vector=[1.0, 0.0], explain=1), [one])
    next(staged)
    texts = staged.send([None]).items
    with pytest.raises(StopIteration) as end:
        staged.send([[0.6, 0.8]] + [[0.595, 0.804]] * (len(texts) - 1))
    (told,) = end.value.value
    assert told.explanation.words == ()
    assert told.explanation.rest == pytest.approx(0.6)


def test_words_of_the_query_are_tried_first_then_the_title_s_then_the_longest() -> None:
    """Where a passage has more words than are tried."""
    one = Hit(Document("d", "to be considerably"), 0.5, Passage("to be considerably", 0, 18))
    one = replace(one, document=replace(one.document, title="Or not"))
    tried = occlude(one, "to be?", most=5)
    left_out = [tried.content[slice(*spans[0])] for spans in tried.spans]
    assert left_out == ["to", "be", "not", "Or", "considerably"]
    assert len(occlude(one, "to be?", most=4).spans) == 4


@pytest.mark.parametrize("word", ["hasn't", "l\u2019eau", "O'Brien's"])
def test_a_word_with_an_apostrophe_is_one(word: str) -> None:
    """Its parts are no words of anybody's."""
    (alone, other) = occlude(hit(f"{word} it")).texts[1:]
    assert {alone, other} == {" it", f"{word} "}


def test_a_long_document_shows_its_best_passages(opened: tuple[Collection, Embedder]) -> None:
    """At most three, best first, each with its cosine; words are those of the best, and bounded."""
    collection, embedder = opened
    query = Query(text="word77 and word78 has part77", k=1, explain=1)
    (answer,) = search(collection, embedder, [query])
    (best,) = answer.hits
    (stored,) = collection.vectors(["long"])
    assert best.document.id == "long" and best.explanation is not None and stored is not None
    vector = embedder.embed([query.text or ""], TextRole.QUERY).vectors[0]
    cosines = sorted((stored.vectors @ vector).tolist(), reverse=True)
    told = best.explanation.passages
    assert len(told) == PASSAGES < len(cosines)
    assert [one.score for one in told] == pytest.approx(cosines[:PASSAGES], abs=1e-6)
    assert told[0].passage == best.passage
    for one in told:
        assert LONG[one.passage.start : one.passage.end] == one.passage.text
    words = best.explanation.words
    assert 0 < len(words) <= WORDS and best.explanation.words_left_out > 0
    for word in words:
        for start, end in word.spans:
            assert best.passage.start <= start < end <= best.passage.end
            assert LONG[start:end].casefold() == word.text.casefold()


def test_only_the_first_hits_are_explained(opened: tuple[Collection, Embedder]) -> None:
    """As many as are asked for, whatever their texts; hits stay as they are otherwise."""
    collection, embedder = opened
    query = Query(text="direction", k=4)
    (plain,) = search(collection, embedder, [query])
    for count in (0, 1, 3, 9):
        (answer,) = search(collection, embedder, [replace(query, explain=count)])
        told = [hit.explanation is not None for hit in answer.hits]
        assert told == [place < count for place in range(4)]
        assert [replace(hit, explanation=None) for hit in answer.hits] == list(plain.hits)
    by_id = {hit.document.id: hit.explanation for hit in answer.hits}
    assert by_id["one"] is not None and by_id["one"].words == ()
    assert by_id["one"].words_left_out == 1
    assert by_id["none"] is not None and by_id["none"].words == ()


def test_a_search_by_examples_tells_the_best_passage(opened: tuple[Collection, Embedder]) -> None:
    """There is no query whose cosine could fall."""
    collection, embedder = opened
    (answer,) = search(collection, embedder, [Query(like=("one",), explain=2)])
    for found in answer.hits[:2]:
        assert found.explanation is not None and found.explanation.words == ()
        assert found.explanation.passages[0].passage == found.passage
        assert found.explanation.passages[0].score == found.score


def test_what_was_deleted_or_changed_meanwhile_shows_what_was_found() -> None:
    """The passage is the hit's own, and its words are explained by its own text."""
    one = hit("a b")
    staged = explained(Query(vector=[1.0, 0.0], explain=1), [one])
    next(staged)
    assert staged.send([None]).items == ["a b", " b", "a "]
    with pytest.raises(StopIteration) as end:
        staged.send([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    (told,) = end.value.value
    assert [one.passage for one in told.explanation.passages] == [one.passage]
    assert [(word.text, word.spans) for word in told.explanation.words] == [
        ("a", ((0, 1),)),
        ("b", ((2, 3),)),
    ]
    assert [word.effect for word in told.explanation.words] == pytest.approx([1.0, 0.4])


@given(st.text(max_size=80), st.integers(1, 5))
def test_words_partition_what_is_tried_and_what_is_not(text: str, most: int) -> None:
    """Spans never overlap, a word is what its spans say, and no more are tried than allowed."""
    found = occlude(hit(text), "", most)
    spans = sorted(span for word in found.spans for span in word)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert len(found.spans) <= most
    assert len(found.texts) == len(found.spans) + 1
    for word in found.spans:
        spellings = {text[start:end].casefold().replace("\u2019", "'") for start, end in word}
        assert len(spellings) == 1
    assert found.left_out == 0 or len(found.spans) in (0, most)


def test_scripts_without_spaces_are_taken_by_the_character() -> None:
    """A Chinese sentence is not one word."""
    assert len(occlude(hit("方向没有长度 direction")).spans) == 7
