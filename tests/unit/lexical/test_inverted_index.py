"""The index of words against BM25 from its formula, over the documents that are alive."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from tries import tries

from indexer.lexical.bm25 import idf
from indexer.lexical.inverted_index import InvertedIndex, Part
from indexer.lexical.segments import Batch, Terms

TERMS = Terms("some collection")
Texts = Mapping[str, str]


def number_of(id: str) -> int:
    """A number whose order is not that of the ids."""
    return (int(id[1:]) * 7919 + ord(id[0])) % 100_003


def part_of(texts: Texts) -> Part:
    """A segment of texts by id."""
    batch = Batch()
    for id, text in texts.items():
        batch.add(number_of(id), id, TERMS.of(text.split()))
    return Part.of(batch.pack())


def index_of(*parts: Texts, dead: Sequence[str] = ()) -> InvertedIndex:
    """Segments of texts, of which some are dead."""
    gone = np.array([number_of(id) for id in dead], np.int64)
    return InvertedIndex([part_of(part).without(gone) for part in parts], TERMS)


def worth(index: InvertedIndex, bag: Mapping[str, float]) -> dict[str, float]:
    """What words are worth in an index."""
    found = index.find(bag)
    return {word: w * idf(index.documents, found[word].holding) for word, w in bag.items()}


def best(
    index: InvertedIndex, bag: Mapping[str, float], count: int, allowed: Sequence[str] | None = None
) -> list[tuple[int, float]]:
    """Numbers and scores of the best."""
    mask = None
    if allowed is not None:
        mask = np.zeros(max(map(number_of, allowed), default=0) + 1, np.bool_)
        mask[[number_of(id) for id in allowed]] = True
    numbers, scores = index.matches(worth(index, bag)).best(count, mask)
    return list(zip(numbers.tolist(), scores.tolist(), strict=True))


def formula(texts: Texts, bag: Mapping[str, float]) -> dict[str, float]:
    """Every document that holds a word with its score: Lucene's formula, on scikit-learn's counts.

    k1 = 1.2, b = 0.75.
    """
    counter = CountVectorizer(analyzer=str.split)
    counts = counter.fit_transform(texts.values()).toarray().astype(float)  # (n, words)
    lengths = counts.sum(axis=1)
    scores = np.zeros(len(texts))
    for word, weight in bag.items():
        if word in counter.vocabulary_:
            times = counts[:, counter.vocabulary_[word]]
            holding = np.count_nonzero(times)
            value = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
            scores += weight * value * 2.2 * times / (times + norm)
    return {id: s for id, s in zip(texts, scores.tolist(), strict=True) if s > 0}


def ranked(texts: Texts, bag: Mapping[str, float]) -> list[tuple[int, float]]:
    """What the formula finds, best first, equal ones by id."""
    scores = formula(texts, bag)
    order = sorted(scores, key=lambda one: (-round(scores[one], 10), one))
    return [(number_of(id), scores[id]) for id in order]


def make_texts(count: int, seed: int = 0) -> dict[str, str]:
    """Texts of 1 to 30 words, a few of which are in most of them."""
    dice = random.Random(seed)
    return {
        f"d{i}": " ".join(
            f"w{min(int(dice.expovariate(0.12)), 59)}" for _ in range(dice.randint(1, 30))
        )
        for i in range(count)
    }


def agree(found: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    """The same documents in the same order, with the same scores."""
    assert [number for number, _ in found] == [number for number, _ in expected]
    assert [score for _, score in found] == pytest.approx([s for _, s in expected], rel=1e-12)


BAGS = [{"w3": 1.0}, {"w1": 1.0, "w7": 2.0, "w30": 1.0}, {"w55": 1.0, "w58": 1.0, "unheard": 1.0},
        {f"w{i}": 1.0 for i in range(60)}]  # fmt: skip


@pytest.mark.parametrize("bag", BAGS, ids=range(len(BAGS)))
@pytest.mark.parametrize("count", [1, 10, 5_000])
def test_the_best_are_those_of_the_formula(bag: Mapping[str, float], count: int) -> None:
    """Of one segment and of several, of all documents and of those that are alive."""
    texts = make_texts(3_000)
    agree(best(index_of(texts), bag, count), ranked(texts, bag)[:count])
    parts = [dict(list(texts.items())[at::4]) for at in range(4)]
    dead = [id for id in texts if int(id[1:]) % 9 < 4]
    living = {id: text for id, text in texts.items() if id not in dead}
    agree(best(index_of(*parts, dead=dead), bag, count), ranked(living, bag)[:count])


def test_rare_words_add_up() -> None:
    """In documents that hold several of them, though few hold any."""
    texts = make_texts(2_000) | {f"r{i}": f"rare{i % 3} rare{i % 4} rare{i % 5}" for i in range(30)}
    index = index_of(texts)
    bag = {f"rare{i}": 1.0 + i for i in range(5)}
    assert sum(one.holding for one in index.find(bag).values()) * 10 < index.documents
    agree(best(index, bag, 100), ranked(texts, bag))
    found = dict(best(index, bag, 100))
    assert index.matches(worth(index, bag)).scores(np.array(list(found))).tolist() == list(
        found.values()
    )


@pytest.mark.parametrize("share", [0, 1, 50, 97])
def test_only_what_is_allowed_is_found(share: int) -> None:
    """K whenever k hold a word and are allowed, with the scores that all documents imply."""
    texts = make_texts(2_000)
    parts = [dict(list(texts.items())[at::3]) for at in range(3)]
    allowed = [id for id in texts if int(id[1:]) % 97 < share]
    numbers = {number_of(id) for id in allowed}
    for bag, count in itertools.product(BAGS, (10, 5_000)):
        expected = [one for one in ranked(texts, bag) if one[0] in numbers]
        agree(best(index_of(*parts), bag, count, allowed), expected[:count])


def test_chosen_documents_score_as_in_a_search() -> None:
    """To the bit; those without a word, that are dead or unknown, score nothing."""
    texts = make_texts(1_000)
    index = index_of(dict(list(texts.items())[::2]), dict(list(texts.items())[1::2]), dead=["d5"])
    for bag in BAGS:
        found = dict(best(index, bag, 5_000))
        numbers = [*map(number_of, texts), 999_999]
        scores = index.matches(worth(index, bag)).scores(np.array(numbers)).tolist()
        assert scores == [found.get(number, 0.0) for number in numbers]
        assert number_of("d5") not in found


def test_equal_scores_are_in_order_of_ids() -> None:
    """Also across segments; so the first k are the same, however many are asked for."""
    texts = {f"d{i}": "same words" if i % 3 else "same other words" for i in range(600)}
    parts = [dict(list(texts.items())[at::5]) for at in range(5)]
    whole = best(index_of(texts), {"same": 1.0}, 600)
    agree(whole, ranked(texts, {"same": 1.0}))
    for count in (1, 3, 50, 420, 600, 5_000):
        assert best(index_of(*parts), {"same": 1.0}, count) == whole[:count]


WORDS = st.sampled_from([f"w{i}" for i in range(5)])


@settings(max_examples=tries(20), deadline=None)
@given(
    texts=st.dictionaries(
        st.integers(0, 60).map("d{}".format), st.lists(WORDS, max_size=6).map(" ".join), max_size=40
    ),
    data=st.data(),
)
def test_scores_do_not_depend_on_how_documents_are_kept(
    texts: dict[str, str], data: st.DataObject
) -> None:
    """To the bit: in one segment or in many, with dead documents among them or not."""
    homes = {id: data.draw(st.integers(0, 3)) for id in texts}
    dead = {f"d{i}": "w0 w1 w1 w4" for i in data.draw(st.sets(st.integers(100, 140)))}
    parts = [{id: texts[id] for id in texts if homes[id] == home} for home in range(4)]
    parts[0] |= dead
    bag = dict.fromkeys(("w0", "w1", "w3", "unheard"), 1.0)
    one, many = index_of(texts), index_of(*parts, dead=list(dead))
    assert (one.documents, one.mean_length) == (many.documents, many.mean_length)
    count = data.draw(st.integers(1, 50))
    assert best(one, bag, count) == best(many, bag, count) == best(one, bag, 1_000)[:count]


def test_without_documents_nothing_is_found() -> None:
    """Nor without words in them."""
    assert best(index_of(), {"w1": 1.0}, 10) == []
    assert best(index_of({"d1": "", "d2": ""}), {"w1": 1.0}, 10) == []
    assert index_of().matches({"w1": 1.0}).scores(np.array([1, 2])).tolist() == [0.0, 0.0]
    assert best(index_of({"d1": "w1"}), {"w1": 1.0}, 0) == []
    assert best(index_of({"d1": "w1"}, dead=["d1"]), {"w1": 1.0}, 3) == []
