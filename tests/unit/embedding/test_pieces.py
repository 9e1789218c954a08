"""Tokens put together from pieces are those of the whole text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import bert_tokenizer, byte_tokenizer
from tries import tries

from indexer.embedding import TextRole, pieces
from indexer.embedding.pieces import PieceTokenizer, is_berts, tokenizer_of
from indexer.embedding.tokenizer import ModelTokenizer, Setup

WINDOW = 24


def bare(tokenizer: object) -> str:
    """A tokenizer as static models have it, without special tokens around a text."""
    fields = json.loads(tokenizer.backend_tokenizer.to_str())
    return json.dumps({**fields, "post_processor": None})


def encoded(tokenizer: object) -> str:
    """A tokenizer as models that attend have it, with special tokens around a text."""
    return str(tokenizer.backend_tokenizer.to_str())


SETUP = Setup(bare(bert_tokenizer()), {}, WINDOW, 8, "none", 0)
AROUND = Setup(encoded(bert_tokenizer()), {TextRole.QUERY: "the query: "}, WINDOW, 8, "mean", 0)
WHOLE = ModelTokenizer(SETUP)
PAIRS = [(PieceTokenizer(one), one) for one in (WHOLE, ModelTokenizer(AROUND))]

ODD = [
    *("the fox", "[MASK]", "[CLS]a", " ", "\t", "\n", "\x00", "\x0b", "\x1f", "\x7f", "\xa0"),
    *("\u2019", "\xe9", "e\u0301", "\u0130", "\u4e2d\u6587", "\U0001f9ed", "\u200d", "\ufb01"),
    *("_", "-", "x" * 70, "don't", "\xdf", "\ufffd"),
]
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=12).map("".join)


def same(texts: list[str]) -> None:
    """Fail unless both tokenizers agree on everything that they tell of these texts."""
    # Texts are few where pieces do not pay.
    texts = texts + ["the quick brown fox"] * pieces.FEW
    for pieced, whole in PAIRS:
        for ours, theirs in zip(
            pieced.tokenize(texts, TextRole.DOCUMENT),
            whole.tokenize(texts, TextRole.DOCUMENT),
            strict=True,
        ):
            assert ours.ids.tolist() == theirs.ids.tolist()
            assert ours.ids.dtype == theirs.ids.dtype
            assert ours.spans.tolist() == theirs.spans.tolist()
            assert (ours.truncated, ours.unknown) == (theirs.truncated, theirs.unknown)
        for role in TextRole:
            for short, plain in zip(pieced.ids(texts, role), whole.ids(texts, role), strict=True):
                assert short.ids.tolist() == plain.ids.tolist()
                assert short[1:] == plain[1:]


@settings(max_examples=tries(25), deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_pieces_have_the_tokens_of_the_whole(texts: list[str]) -> None:
    """Whatever stands in a text: controls that join words, accents, marks of other scripts."""
    same(texts)


@pytest.mark.parametrize("odd", ODD, ids=[str(place) for place in range(len(ODD))])
def test_odd_characters_within_words(odd: str) -> None:
    """Before, within and behind words, and by themselves."""
    same([odd, f"fox{odd}dog", f"fox {odd} dog", f"{odd}fox", f"a lazy{odd}"])


def test_a_long_text_is_cut_to_the_window() -> None:
    """It is reported as truncated, with the spans of all tokens."""
    text = "fox " * 2 * WINDOW
    same([text])
    for pieced, _ in PAIRS:
        tokens = pieced.tokenize([text] * pieces.FEW, TextRole.DOCUMENT)[0]
        assert (len(tokens.ids), len(tokens.spans), tokens.truncated) == (WINDOW, 2 * WINDOW, True)


@pytest.mark.parametrize("words", range(WINDOW - 3, WINDOW + 2))
def test_special_tokens_take_room(words: int) -> None:
    """The longest text that fits whole has room for both beside it; the next is cut."""
    same([" ".join(["fox"] * words)])


def test_a_full_memory_is_emptied() -> None:
    """Many different words do not make it grow without bound, nor change tokens."""
    most = 400
    tokenizer = PieceTokenizer(WHOLE, most)
    for start in range(0, 1000, 100):
        texts = [f"fox {number}" for number in range(start, start + 100)]
        ours, theirs = tokenizer.ids(texts, TextRole.QUERY), WHOLE.ids(texts, TextRole.QUERY)
        assert [one.ids.tolist() for one in ours] == [one.ids.tolist() for one in theirs]
        assert len(tokenizer._known) <= most


def test_only_tokenizers_of_berts_kind_are_parted() -> None:
    """One of bytes gives a word other tokens where a space stands before it."""
    assert is_berts(WHOLE)
    bytes_setup = Setup(encoded(byte_tokenizer("<s>", "</s>")), {}, WINDOW, 8, "mean", 1)
    assert not is_berts(ModelTokenizer(bytes_setup))
    assert isinstance(tokenizer_of(bytes_setup), ModelTokenizer)


def test_texts_that_are_padded_are_not_put_together() -> None:
    """A model that takes but one length gets each text filled up to it."""
    padded = replace(AROUND, padded=True)
    assert isinstance(tokenizer_of(padded), ModelTokenizer)
    assert isinstance(tokenizer_of(AROUND), PieceTokenizer)
