"""An embedder without a model: signed hashes of words. For tests, and where no model is installed.

Texts that share words are close, others nearly orthogonal (Weinberger et al., Feature Hashing for
Large Scale Multitask Learning, 2009).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.embedder import Runtime, TextRole, Tokens
from indexer.embedding.engine import Description, EngineEmbedder
from indexer.embedding.images.pixels import open_pixels
from indexer.embedding.tokenizer import Encoded, Ids
from indexer.embedding.vocabulary import has_words
from indexer.errors import ModelError

WINDOW: Final = 256
DIMENSION: Final = 256
MIN_DIMENSION: Final = 2
MAX_DIMENSION: Final = 4096
BIAS: Final = 0.5
"""The constant first component, which makes the empty text's vector a unit vector too."""

PIECES: Final = re.compile(r"\w+|[^\w\s]")
PAD_ID: Final = -1
BUDGET: Final = 65_536

REMEMBERED_WORDS: Final = 65_536
"""Words whose hashes are kept, since most words come again: some 10 MB."""

MIX: Final = 0x9E3779B1
MASK: Final = 0x7FFFFFFF
SHIFTS: Final = (4, 13, 22, 31)
"""Bit shifts for four hashes of a token: with four components each, no two words cancel out."""


def open_hashing(dimension: int = DIMENSION, *, sees: bool = False) -> EngineEmbedder:
    """The hashing embedder of this dimension, the same in every process on every machine.

    If it ``sees``, it embeds images, too: see indexer.embedding.images.pixels.
    """
    if not MIN_DIMENSION <= dimension <= MAX_DIMENSION:
        raise ModelError(
            f"a hashing embedder has {MIN_DIMENSION} to {MAX_DIMENSION} dimensions, not {dimension}"
        )
    digest = sha256(f"hashing 1 {dimension} {WINDOW} {BIAS}".encode()).hexdigest()
    name = f"hashing-images-{dimension}" if sees else f"hashing-{dimension}"
    description = Description(name, digest, digest, dimension, WINDOW, "sum")
    embedder = EngineEmbedder(description, HashingTokenizer(), HashingEngine(dimension))
    return embedder.seeing(open_pixels(dimension)) if sees else embedder


class HashingTokenizer:
    """Words and single marks, each identified by 31 bits of the hash of its lower case."""

    @property
    def room(self) -> int:
        """The whole window: there are no special tokens."""
        return WINDOW

    def tokenize(self, texts: Sequence[str], role: TextRole) -> list[Tokens]:  # noqa: ARG002
        """Ids with the spans of all tokens."""
        return [_tokens(text) for text in texts]

    def ids(self, texts: Sequence[str], role: TextRole) -> list[Encoded]:
        """The texts' tokens without their spans."""
        return [Encoded(one.ids, one.truncated, one.unknown) for one in self.tokenize(texts, role)]


def _tokens(text: str) -> Tokens:
    pieces = list(PIECES.finditer(text))
    ids = [_hash(piece.group()) for piece in pieces[:WINDOW]]
    spans = np.asarray([piece.span() for piece in pieces], np.int32).reshape(-1, 2)
    return Tokens(np.asarray(ids, np.int32), spans, len(pieces) > WINDOW, not has_words(text))


@lru_cache(REMEMBERED_WORDS)
def _hash(word: str) -> int:
    digest = blake2b(word.lower().encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


class HashingEngine:
    """Counts of tokens, each in four components, signed by a bit of their hashes."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    @property
    def runtime(self) -> Runtime:
        """NumPy on one thread."""
        return Runtime("hashing", "cpu", "f32", 1)

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterator[Batch]:
        """The sequences in batches of at most BUDGET tokens."""
        return plan_batches(sequences, places, BUDGET, PAD_ID)

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:  # noqa: ARG002
        """Each batch with its vectors."""
        return ((batch, self._count(batch.ids)) for batch in batches)

    def _count(self, ids: NDArray[np.int32]) -> Vectors:
        vectors = np.zeros((len(ids), self._dimension), np.float32)
        rows, places = np.nonzero(ids != PAD_ID)
        known = ids[rows, places].astype(np.int64)
        for shift in SHIFTS:
            bits = known * MIX >> shift & MASK
            columns = 1 + (bits >> 1) % (self._dimension - 1)
            np.add.at(vectors, (rows, columns), np.where(bits & 1, 1.0, -1.0).astype(np.float32))
        vectors[:, 0] = BIAS
        return vectors

    def warm(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to release."""
