"""Words of scripts without spaces are found, judged by the exact substring; and joined names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import pytest
from samples import random_units
from unspaced import WORDS, texts

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.queries import Mode, Query

K = 10


def fill(collection: Collection, given: Mapping[str, str]) -> None:
    """Store texts by their ids."""
    vectors = random_units(len(given))
    collection.put(
        [
            EmbeddedDocument(Document(id, text), (Chunk(0, 0, len(text)),), vectors[i : i + 1])
            for i, (id, text) in enumerate(given.items())
        ]
    )


def found(collection: Collection, text: str) -> list[str]:
    """The ids of the best by words."""
    (answer,) = collection.search([Query(text=text, mode=Mode.LEXICAL, k=K)])
    return [hit.document.id for hit in answer.hits]


LANGUAGES = [
    (engine, language)
    if engine == "local" or language in ("chinese", "thai")
    else pytest.param(engine, language, marks=pytest.mark.long)
    for engine in ("local", "memory", "postgresql")
    for language in WORDS
]
"""All engines cut texts by the same rules: one sees every language, and all see two of them."""


@pytest.mark.parametrize(("engine", "language"), LANGUAGES, indirect=["engine"])
def test_words_and_pairs_of_characters_are_found_where_they_stand(
    collection: Collection, language: str
) -> None:
    """The best by words hold the word, the first one always: recall@10 is 0.95 or more.

    So do the best by pairs of characters that are no words, or cross their borders.
    """
    given = texts(language)
    fill(collection, given)
    recalls = []
    for word in sorted(set(WORDS[language].split())):
        holding = {id for id, text in given.items() if word in text}
        best = found(collection, word)
        assert not holding or best[0] in holding, word
        recalls += [recall(best, holding)] if holding else []
    assert len(recalls) > 30
    assert sum(recalls) / len(recalls) >= 0.95
    text = " ".join(chain.from_iterable(given[id].split() for id in list(given)[:40]))
    pairs = [text[at : at + 2] for at in range(0, len(text) - 2, 3)]
    pairs = [pair for pair in pairs if pair.isalpha()][:40]
    recalls = [
        recall(found(collection, pair), {id for id, text in given.items() if pair in text})
        for pair in pairs
    ]
    assert len(recalls) > 20
    assert sum(recalls) / len(recalls) >= 0.95


def recall(found: Sequence[str], holding: set[str]) -> float:
    """The share of the texts that hold something that are found, of at most K."""
    return len(holding & {*found}) / min(K, len(holding))


def test_a_noun_is_found_with_its_particle(collection: Collection) -> None:
    """Korean writes them in one; and a question with one finds the noun with another."""
    fill(collection, {"a": "학교에서 배웁니다", "b": "은행이 닫혔다", "c": "고양이가 잔다"})
    assert found(collection, "학교") == ["a"]
    assert found(collection, "은행은") == ["b"]


def test_a_name_is_found_by_its_parts_and_best_as_a_whole(collection: Collection) -> None:
    """Whatever way it is joined in."""
    fill(
        collection,
        {
            "apart": "Get the name of the user, and the user of the name; get it, get it.",
            "camel": "One calls getUserName here, and there is much else besides to be read.",
            "snake": "One calls get_user_name here, and there is much else besides to be read.",
        },
    )
    assert set(found(collection, "user")) == {"apart", "camel", "snake"}
    for name in ("getUserName", "get_user_name", "getusername"):
        assert set(found(collection, name)[:2]) == {"camel", "snake"}, name


def test_characters_that_are_not_seen_do_not_hide_a_word(collection: Collection) -> None:
    """Soft hyphens, spaces of no width, and a byte order mark in the middle of a text."""
    fill(
        collection,
        {"a": "The co\u00adop\u00aderation of foo\u200bbar and \ufeffqux.", "b": "None."},
    )
    for word in ("cooperation", "foobar", "qux"):
        assert found(collection, word) == ["a"], word
