"""An embedder whose vectors come from an external model.

Its tokens are not the model's: words are counted in pieces of a few letters, more than most models
make of them, so that passages fit. What is sent is the text itself, carried as its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.embedder import CANARIES, Runtime, TextRole, Tokens
from indexer.embedding.engine import Description, EngineEmbedder
from indexer.embedding.external.addresses import Address
from indexer.embedding.external.calling import Caller
from indexer.embedding.tokenizer import Encoded, Ids
from indexer.embedding.vocabulary import has_words
from indexer.errors import ModelError

PIECES: Final = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,2}|[^\W\d_A-Za-z]|[^\w\s]|_|\d")
"""A token, as far as can be told: a few letters or digits, or another character but a space."""

MARGIN: Final = 8
"""Tokens that the model may add of its own."""

BATCH_BYTES: Final = 256 * 1024
_PAD: Final = -1


def open_external(name: str, key: str, caller: Caller | None = None) -> EngineEmbedder:
    """The embedder of an external model, which is asked at once for the vectors of known texts.

    Raises ModelError.
    """
    address = Address.parse(name)
    asked = caller or Caller(address, key)
    dimension = asked.vectors([CANARIES[1]]).shape[1]
    if address.dimensions not in (None, dimension):
        raise ModelError(
            f"the model {address.model!r} at {address.base} gives {dimension} numbers, not "
            f"{address.dimensions}"
        )
    # Where it is served is no part of it: a server may move.
    told = f"external 1 {address.kind} {address.model} {address.dimensions}"
    weights = sha256(told.encode()).hexdigest()
    setup = sha256(f"{told} {address.window}".encode()).hexdigest()
    description = Description(name, weights, setup, dimension, address.window, "external")
    return EngineEmbedder(description, PieceTokenizer(address.window), ExternalEngine(asked))


@dataclass(frozen=True, slots=True)
class PieceTokenizer:
    """Texts as their bytes, with the places of the pieces that count as tokens."""

    window: int

    @property
    def room(self) -> int:
        """The pieces that fit."""
        return self.window - MARGIN

    def tokenize(self, texts: Sequence[str], role: TextRole) -> list[Tokens]:  # noqa: ARG002
        """The bytes with the spans of all pieces."""
        return [self._tokens(text) for text in texts]

    def ids(self, texts: Sequence[str], role: TextRole) -> list[Encoded]:
        """The bytes without the spans."""
        return [Encoded(one.ids, one.truncated, one.unknown) for one in self.tokenize(texts, role)]

    def _tokens(self, text: str) -> Tokens:
        spans = [piece.span() for piece in PIECES.finditer(text)]
        cut = len(spans) > self.room
        sent = text[: spans[self.room - 1][1]] if cut else text
        ids = np.frombuffer(sent.encode("utf-8", "replace"), np.uint8).astype(np.int32)
        places = np.asarray(spans, np.int32).reshape(-1, 2)
        return Tokens(ids, places, cut, not has_words(text))


@dataclass(frozen=True, slots=True)
class ExternalEngine:
    """Batches of bytes, sent as texts."""

    caller: Caller

    @property
    def runtime(self) -> Runtime:
        """The kind of server, wherever it computes."""
        return Runtime(self.caller.address.kind, "external", "unknown", 1)

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterator[Batch]:
        """The texts in batches of bounded size."""
        return plan_batches(sequences, places, BATCH_BYTES, _PAD)

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:  # noqa: ARG002
        """Each batch with its vectors."""
        for batch in batches:
            vectors = self.caller.vectors(_texts(batch))
            yield batch, vectors.astype(np.float32)

    def warm(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to release."""


def _texts(batch: Batch) -> list[str]:
    """The texts of a batch; servers refuse an empty one, so that a space stands for it."""
    rows = zip(batch.ids[: len(batch.places)], batch.lengths, strict=False)
    texts = [row[:length].astype(np.uint8).tobytes().decode() for row, length in rows]
    return [text if text.strip() else " " for text in texts]
