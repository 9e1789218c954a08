"""Of which texts a model knows no word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from small_models import bert_tokenizer
from tokenizers import Tokenizer, models

from indexer.embedding.embedder import TextRole
from indexer.embedding.hashing_engine import open_hashing
from indexer.embedding.tokenizer import ModelTokenizer, Setup
from indexer.embedding.vocabulary import has_words, is_unknown, unknown_id

THAI = "\u0e41\u0e21\u0e27\u0e19\u0e2d\u0e19"


def tokenizer(prompts: dict[str, str] | None = None) -> ModelTokenizer:
    """That of a small model, which knows the letters of ASCII."""
    backend: Tokenizer = bert_tokenizer().backend_tokenizer
    return ModelTokenizer(Setup(backend.to_str(), prompts or {}, 48, 32, "mean", 0))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        (THAI, True),
        (f"{THAI} {THAI}, 12", True),
        ("\U0001f389", True),
        ("", True),
        ("--- ... ***", True),
        ("a fox", False),
        (f"a fox and {THAI}", False),
        ("\U0001f389 a fox", False),
        ("7", False),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("prompts", [{}, {"document": "document: ", "query": f"{THAI}: "}])
def test_a_text_is_unknown_if_next_to_no_letter_is_in_a_known_word(
    text: str, unknown: bool, prompts: dict[str, str]
) -> None:
    """With spans or without, whatever prompt stands in front."""
    own = tokenizer(prompts)
    for role in TextRole:
        assert own.tokenize([text], role)[0].unknown is unknown
        assert own.ids([text], role)[0].unknown is unknown


def test_what_does_not_fit_the_window_is_judged_once_it_is_cut() -> None:
    """A long text is embedded in parts, each of which is judged by itself."""
    (long,) = tokenizer().tokenize([f"{THAI} " * 100], TextRole.DOCUMENT)
    assert long.truncated and not long.unknown


def test_the_share_is_of_letters() -> None:
    """A word that is not known counts by its length, and punctuation not at all."""
    assert is_unknown("abcdefgh ij", [(0, 8)])
    assert not is_unknown("abcdefg ijk", [(0, 7)])
    assert is_unknown("abcdefgh, ?! ij...", [(0, 8)])


def test_a_text_without_words() -> None:
    """Letters, digits and pictures are words, punctuation and drawn lines are not."""
    assert [has_words(text) for text in ("a", "7", "\u0e41", "\U0001f389")] == [True] * 4
    assert [has_words(text) for text in ("", " \n", "---", "|=|_+~$")] == [False] * 4


def test_the_token_for_words_that_are_not_known_is_found_in_any_kind_of_tokenizer() -> None:
    """Some say it by its number, some by its name, and some have none."""
    vocabulary: list[tuple[str, Any]] = [("<s>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("a", -1.0)]
    unigram = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    pieces = Tokenizer(models.WordPiece({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    pairs = Tokenizer(models.BPE({"a": 0}, []))
    found = [unknown_id(one, one.to_str()) for one in (unigram, pieces, pairs)]
    assert found == [2, 1, None]
    spaced = json.dumps(json.loads(unigram.to_str()), indent=2)
    assert unknown_id(unigram, spaced) == 2


def test_embeddings_say_which_inputs_are_unknown() -> None:
    """By their places, be they given as texts or as tokens."""
    with open_hashing(16) as embedder:
        (dashes,) = embedder.tokenize(["---"])
        assert embedder.embed(["a", "---", "b", dashes]).unknown == (1, 3)
