"""Tokens put together from pieces are those of the whole text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import bert_tokenizer, byte_tokenizer

from indexer.embedding import TextRole
from indexer.embedding.static import pieces
from indexer.embedding.static.pieces import PieceTokenizer, is_berts
from indexer.embedding.tokenizer import ModelTokenizer, Setup

WINDOW = 24


def bare(tokenizer: object) -> str:
    """A tokenizer as static models have it, without special tokens around a text."""
    fields = json.loads(tokenizer.backend_tokenizer.to_str())
    return json.dumps({**fields, "post_processor": None})


SETUP = Setup(bare(bert_tokenizer()), {}, WINDOW, 8, "none", 0)
PIECED, WHOLE = PieceTokenizer(SETUP), ModelTokenizer(SETUP)

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
    for ours, theirs in zip(
        PIECED.tokenize(texts, TextRole.DOCUMENT),
        WHOLE.tokenize(texts, TextRole.DOCUMENT),
        strict=True,
    ):
        assert ours.ids.tolist() == theirs.ids.tolist()
        assert ours.spans.tolist() == theirs.spans.tolist()
        assert (ours.truncated, ours.unknown) == (theirs.truncated, theirs.unknown)
    for short, plain in zip(
        PIECED.ids(texts, TextRole.QUERY), WHOLE.ids(texts, TextRole.QUERY), strict=True
    ):
        assert short.ids.tolist() == plain.ids.tolist()
        assert short[1:] == plain[1:]


@settings(max_examples=50, deadline=None)
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
    tokens = PIECED.tokenize([text] * pieces.FEW, TextRole.DOCUMENT)[0]
    assert (len(tokens.ids), len(tokens.spans), tokens.truncated) == (WINDOW, 2 * WINDOW, True)


def test_a_full_memory_is_emptied() -> None:
    """Many different words do not make it grow without bound, nor change tokens."""
    most = 400
    tokenizer = PieceTokenizer(SETUP, most)
    for start in range(0, 1000, 100):
        texts = [f"fox {number}" for number in range(start, start + 100)]
        ours, theirs = tokenizer.ids(texts, TextRole.QUERY), WHOLE.ids(texts, TextRole.QUERY)
        assert [one.ids.tolist() for one in ours] == [one.ids.tolist() for one in theirs]
        assert len(tokenizer._known) <= most


def test_only_tokenizers_of_berts_kind_are_parted() -> None:
    """One of bytes gives a word other tokens where a space stands before it."""
    assert is_berts(SETUP.tokenizer)
    assert not is_berts(bare(byte_tokenizer("<s>", "</s>")))
