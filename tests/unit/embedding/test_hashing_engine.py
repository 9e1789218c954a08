"""The hashing embedder: a test double, so it must be plain and the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.embedding import Backend, Embedder, open_embedder
from indexer.errors import ModelError


def open_hashing(name: str = "hashing") -> Embedder:
    """It needs no cache."""
    return open_embedder(name, cache=Path("nowhere"))


def test_another_process_gives_the_same_vectors() -> None:
    """Vectors do not depend on the process's hash seed."""
    code = (
        "from pathlib import Path; from indexer.embedding import open_embedder; import sys;"
        "e = open_embedder('hashing', cache=Path('nowhere'));"
        "sys.stdout.buffer.write(e.embed(['a fox', 'ünder the sün 🧭', '']).vectors.tobytes())"
    )
    command = [sys.executable, "-c", code]
    other = subprocess.run(command, check=True, capture_output=True).stdout
    assert other == open_hashing().embed(["a fox", "ünder the sün 🧭", ""]).vectors.tobytes()


def test_it_imports_no_model_library() -> None:
    """Opening it leaves torch, transformers, tokenizers and openvino out."""
    code = (
        "from pathlib import Path; from indexer.embedding import open_embedder; import sys;"
        "open_embedder('hashing', cache=Path('nowhere')).embed(['a']);"
        "print([m for m in 'torch transformers tokenizers openvino'.split() if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


def test_shared_words_bring_texts_closer() -> None:
    """The nearest text is the one with the most words in common."""
    vectors = open_hashing().embed(["the quick brown fox", "quick fox", "lazy dog"]).vectors
    scores = vectors @ vectors.T
    assert scores[0, 1] > scores[0, 2]


def test_no_two_words_cancel_out() -> None:
    """Among 500 words no pair's vector is that of the empty text, nor are two words alike."""
    words = [f"word{n}" for n in range(500)]
    vectors = open_hashing().embed(words).vectors
    scores = vectors @ vectors.T - np.eye(len(words))
    assert scores.min() > -0.9
    assert scores.max() < 0.9


def test_the_empty_text_has_a_direction() -> None:
    """Nothing, spaces and lone surrogates are embedded like any other text."""
    vectors = open_hashing().embed(["", "  \n", "\ud800"]).vectors
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert (vectors[0] == vectors[1]).all()


def test_spans_and_window() -> None:
    """A token is a word or a mark; all have spans, and 256 are embedded."""
    embedder = open_hashing()
    text = "Hello, wörld! " * 100
    tokens = embedder.tokenize([text])[0]
    assert [text[start:end] for start, end in tokens.spans[:4]] == ["Hello", ",", "wörld", "!"]
    assert (len(tokens.ids), len(tokens.spans), tokens.truncated) == (256, 400, True)
    assert embedder.room == 256
    assert embedder.embed([text, "short"]).truncated == (0,)


def test_name_and_backend() -> None:
    """The name carries the dimension; the backend alone chooses it for any name."""
    assert open_hashing("hashing-64").identity.dimension == 64
    with open_embedder("anything", cache=Path("nowhere"), backend=Backend.HASHING) as embedder:
        assert embedder.identity.name == "hashing-256"
        assert embedder.runtime.backend == "hashing"
    assert open_hashing("hashing-64").identity.weights != open_hashing().identity.weights


@pytest.mark.parametrize("name", ["hashing-0", "hashing-1", "hashing-4097"])
def test_dimensions_out_of_bounds(name: str) -> None:
    """The error says which dimensions there are."""
    with pytest.raises(ModelError, match="2 to 4096"):
        open_hashing(name)


def test_a_batch_larger_than_a_sort_window() -> None:
    """20,000 texts of mixed length come back in their order, repeats included."""
    texts = [f"w{n % 7000} " * (n % 9 + 1) for n in range(20_000)]
    embedder = open_hashing("hashing-16")
    vectors = embedder.embed(texts).vectors
    for place in (0, 8191, 8192, 15_999, 19_999):
        assert (vectors[place] == embedder.embed([texts[place]]).vectors[0]).all()
