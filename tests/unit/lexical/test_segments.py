"""Segments: what is packed or merged is what would have been packed of the same documents."""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pytest

from indexer.lexical.segments import Batch, Segment, Terms, merge

TERMS = Terms("some collection")


def pack(texts: Mapping[int, str]) -> Segment:
    """A segment of texts by number, whose ids are in no order of the numbers."""
    batch = Batch()
    for number, text in texts.items():
        batch.add(number, f"{number * 7919 % 1009}-ü{number}", TERMS.of(text.split()))
    return batch.pack()


def make_texts(count: int, seed: int = 0) -> dict[int, str]:
    """Texts of 0 to 40 words, some of them many times."""
    dice = random.Random(seed)
    return {
        i: " ".join(f"w{int(dice.expovariate(0.05))}" for _ in range(dice.randint(0, 40)))
        for i in range(count)
    }


def assert_same(one: Segment, other: Segment) -> None:
    """Every array, bit for bit."""
    for field in fields(Segment):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_a_segment_holds_each_word_of_each_document() -> None:
    """By number, with its frequency and the document's length."""
    texts = make_texts(300)
    segment = pack(texts)
    for word in ("w0", "w3", "w50", "w90"):
        begin, end = segment.span(TERMS[word])
        held = segment.ordinals[begin:end]
        codes = segment.codes[begin:end]
        assert np.all(np.diff(held) > 0)
        found = zip(
            segment.numbers[held].tolist(),
            segment.frequencies[codes].tolist(),
            segment.code_lengths[codes].tolist(),
            strict=True,
        )
        counts = {n: (t.split().count(word), len(t.split())) for n, t in texts.items()}
        assert {n: rest for n, *rest in found} == {
            n: [times, length] for n, (times, length) in counts.items() if times
        }
    assert segment.span(TERMS["unheard"]) == (0, 0)


def test_documents_are_in_order_of_their_ids() -> None:
    """By code points, also beyond those of 16 bits, and each is found by its number."""
    batch, ids = Batch(), ["b", "a\uffff", "a\U0001f986", "ä", "", "a", "z"]
    for number, id in enumerate(ids):
        batch.add(number * 10, id, array("Q"))
    segment = batch.pack()
    assert [segment.id_of(i).decode() for i in range(len(ids))] == sorted(ids)
    numbers = np.array([20, 5, 0, 999, -1])
    places = segment.ordinals_of(numbers).tolist()
    assert [places[1], *places[3:]] == [-1, -1, -1]
    assert [segment.id_of(places[i]).decode() for i in (0, 2)] == [ids[2], "b"]


def test_of_a_number_that_comes_twice_the_last_counts() -> None:
    """And of one that is gone, nothing is held."""
    batch = Batch()
    for number, text in ((1, "old words"), (2, "gone"), (1, "new"), (3, "new new")):
        batch.add(number, f"d{number}", TERMS.of(text.split()))
    segment = batch.pack(frozenset({2}))
    assert sorted(segment.numbers.tolist()) == [1, 3]
    assert [segment.span(TERMS[word]) for word in ("old", "words", "gone")] == [(0, 0)] * 3
    assert int(np.diff(segment.span(TERMS["new"]))[0]) == 2
    assert segment.lengths.tolist() == [1, 2]


@pytest.mark.parametrize("at_once", [1 << 20, 100])
def test_merging_is_packing_the_living_together(at_once: int) -> None:
    """Whatever is in which segment, and however little is merged at once."""
    texts = make_texts(400)
    parts = [dict(list(texts.items())[i::3]) for i in range(3)]
    segments = [pack(part) for part in parts]
    dead = np.random.default_rng(1).random(400) < 0.3
    living = [None, *(~dead[one.numbers] for one in segments[1:])]
    kept = parts[0] | {n: t for part in parts[1:] for n, t in part.items() if not dead[n]}
    merged = merge(segments, living, at_once)
    expected = pack(dict(sorted(kept.items())))
    for name in ("numbers", "by_number", "lengths", "ids", "id_starts", "terms", "starts"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(expected, name))
    np.testing.assert_array_equal(merged.ordinals, expected.ordinals)
    for table in ("frequencies", "code_lengths"):  # codes may stand for pairs that died
        np.testing.assert_array_equal(
            getattr(merged, table)[merged.codes], getattr(expected, table)[expected.codes]
        )


def test_many_pairs_of_frequency_and_length_are_told_apart() -> None:
    """More than two bytes can count, of documents so long that no table holds all pairs."""
    batch = Batch()
    often = array("Q", (word for word in range(60) for _ in range(word + 1)))
    for number in range(1_200):
        batch.add(number, f"{number:04}", often + array("Q", [99]) * number)
    segment = batch.pack()
    assert segment.codes.dtype == np.uint32
    for word in (0, 9, 59):
        begin, end = segment.span(word)
        codes = segment.codes[begin:end]
        assert set(segment.frequencies[codes].tolist()) == {word + 1}
        np.testing.assert_array_equal(segment.code_lengths[codes], segment.lengths)
    assert_same(merge([segment], [None]), segment)


def test_nothing_is_a_segment_too() -> None:
    """Without documents, and of documents without words."""
    nothing = Batch().pack()
    assert (nothing.documents, nothing.span(5)) == (0, (0, 0))
    assert nothing.ordinals_of(np.array([1, 2])).tolist() == [-1, -1]
    empty = pack({1: "", 2: ""})
    assert_same(merge([nothing, empty], [None, None]), empty)


def test_words_have_other_hashes_in_another_collection() -> None:
    """And the same one again when it was forgotten."""
    first = TERMS["word"]
    assert Terms("another collection")["word"] != first
    TERMS.clear()
    assert TERMS["word"] == first
    assert 0 <= first < 1 << 64
