"""One embedder for every engine: tokenise, drop duplicates, batch, run, reorder, check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Protocol, Self

import numpy as np

from indexer.documents import Vectors
from indexer.embedding.batching import SORT_WINDOW, Batch
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import (
    CANARIES,
    Embeddings,
    Identity,
    Image,
    ImageIdentity,
    Input,
    Modality,
    Runtime,
    TextRole,
    Tokens,
)
from indexer.embedding.pieces import tokenizer_of
from indexer.embedding.tokenizer import Encoded, Ids, Setup, Tokenizer
from indexer.errors import InvalidInput, InvalidVector
from indexer.pictures import Fit


class Engine(Protocol):
    """Batches of tokens in, vectors out. Safe to call from several threads."""

    @property
    def runtime(self) -> Runtime:
        """The backend and device it runs on."""
        ...

    def plan(self, sequences: Sequence[Ids], places: Sequence[int]) -> Iterable[Batch]:
        """The sequences in batches that suit the engine; ``places`` are those of their vectors."""
        ...

    def run(self, batches: Iterable[Batch], role: TextRole) -> Iterator[tuple[Batch, Vectors]]:
        """Each batch with its vectors, in any order; ``batches`` is read as engines get free."""
        ...

    def warm(self) -> None:
        """Do what makes later calls faster, whatever it costs now; see Embedder."""
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


class Images(Protocol):
    """The images' half of an embedder."""

    @property
    def fit(self) -> Fit:
        """The form of its images."""
        ...

    @property
    def identity(self) -> ImageIdentity:
        """Its part of the model's identity."""
        ...

    def embed(self, images: Sequence[Image]) -> Vectors:
        """Unit vectors in the order of the images; see Embedder."""
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


@dataclass(frozen=True, slots=True)
class Description:
    """An Identity's fields, except the canaries, which only a running engine can give."""

    name: str
    weights: str
    setup: str
    dimension: int
    window: int
    pooling: str
    prompts: dict[str, str] = field(default_factory=dict)
    essence: str = ""


@dataclass(slots=True)
class _Work:
    """The results of one call to embed. ``rows`` finds the row of an input that came before."""

    vectors: Vectors
    rows: dict[bytes, int] = field(default_factory=dict)
    repeats: list[tuple[int, int]] = field(default_factory=list)
    truncated: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    tokens: int = 0

    def admit(self, start: int, prepared: Sequence[Encoded]) -> dict[int, Ids]:
        """The inputs from ``start`` on that are new, by their place."""
        fresh: dict[int, Ids] = {}
        for place, (ids, truncated, unknown) in enumerate(prepared, start):
            if truncated:
                self.truncated.append(place)
            if unknown:
                self.unknown.append(place)
            first = self.rows.setdefault(blake2b(ids.tobytes(), digest_size=16).digest(), place)
            if first == place:
                fresh[place] = ids
                self.tokens += len(ids)
            else:
                self.repeats.append((place, first))
        return fresh


class EngineEmbedder:
    """An Embedder made of a tokenizer and an engine, and of another for images if it has one."""

    def __init__(
        self,
        description: Description,
        tokenizer: Tokenizer,
        engine: Engine,
        images: Images | None = None,
    ) -> None:
        self._description = description
        self._tokenizer = tokenizer
        self._engine = engine
        self._images = images

    def seeing(self, images: Images) -> EngineEmbedder:
        """The same embedder with a half for images; it takes over what this one holds."""
        return EngineEmbedder(self._description, self._tokenizer, self._engine, images)

    @cached_property
    def identity(self) -> Identity:
        """The identity of the model; its canaries are embedded at the first call."""
        d = self._description
        canaries = self._embed_canaries()
        return Identity(
            d.name, d.weights, d.setup, d.dimension, d.window, d.pooling, d.prompts, canaries,
            d.essence, self._images.identity if self._images else None,
        )  # fmt: skip

    def _embed_canaries(self) -> Vectors:
        try:
            return self.embed(CANARIES).vectors
        except InvalidVector:
            # Static embeddings give the empty text a zero vector; the next canary stands in for it.
            return self.embed([CANARIES[1], *CANARIES[1:]]).vectors

    @property
    def runtime(self) -> Runtime:
        """The backend and device it runs on."""
        return self._engine.runtime

    @property
    def room(self) -> int:
        """The number of a document's tokens that fit beside special tokens and prompt."""
        return self._tokenizer.room

    def tokenize(self, texts: Sequence[str], role: TextRole = TextRole.DOCUMENT) -> list[Tokens]:
        """The texts as the model's inputs."""
        return self._tokenizer.tokenize(texts, role)

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """Unit vectors in the order of the inputs; see Embedder."""
        work = _Work(np.empty((len(inputs), self._description.dimension), np.float32))
        for batch, vectors in self._engine.run(self._batches(inputs, role, work), role):
            work.vectors[batch.places] = _unit(vectors, batch)
        for place, first in work.repeats:
            work.vectors[place] = work.vectors[first]
        return Embeddings(work.vectors, tuple(work.truncated), work.tokens, tuple(work.unknown))

    def _batches(self, inputs: Sequence[Input], role: TextRole, work: _Work) -> Iterator[Batch]:
        for start, prepared in self._windows(inputs, role):
            fresh = work.admit(start, prepared)
            yield from self._engine.plan(list(fresh.values()), list(fresh))

    def _windows(
        self, inputs: Sequence[Input], role: TextRole
    ) -> Iterator[tuple[int, list[Encoded]]]:
        """The inputs' tokens, a sort window at a time; the next is prepared meanwhile."""
        if len(inputs) <= SORT_WINDOW:
            yield 0, self._prepare(inputs, role)
            return
        starts = range(0, len(inputs), SORT_WINDOW)
        with ThreadPoolExecutor(1, "tokenize") as ahead:
            coming = ahead.submit(self._prepare, inputs[:SORT_WINDOW], role)
            for start in starts:
                prepared = coming.result()
                following = start + SORT_WINDOW
                if following < len(inputs):
                    window = inputs[following : following + SORT_WINDOW]
                    coming = ahead.submit(self._prepare, window, role)
                yield start, prepared

    def _prepare(self, inputs: Sequence[Input], role: TextRole) -> list[Encoded]:
        texts = [given for given in inputs if isinstance(given, str)]
        tokenised = iter(self._tokenizer.ids(texts, role) if texts else ())
        return [
            next(tokenised)
            if isinstance(given, str)
            else Encoded(given.ids, given.truncated, given.unknown)
            for given in inputs
        ]

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input it embeds."""
        return frozenset(Modality if self._images else (Modality.TEXT,))

    @property
    def fit(self) -> Fit:
        """The form in which it takes images; see Embedder."""
        return self._sighted.fit

    def embed_images(self, images: Sequence[Image]) -> Vectors:
        """Unit vectors in the order of the images; see Embedder."""
        return self._sighted.embed(images)

    @property
    def _sighted(self) -> Images:
        if self._images is None:
            raise texts_only(self._description.name)
        return self._images

    def warm(self) -> None:
        """Make short texts fast; see Embedder."""
        self._engine.warm()

    def close(self) -> None:
        """Release the resources of the engines."""
        if self._images is not None:
            self._images.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def texts_only(name: str) -> InvalidInput:
    """The error of a model that was given an image, and embeds none."""
    return InvalidInput(
        f"model {name!r} embeds texts only: for images choose a model of both, such as CLIP, "
        "SigLIP or minilm-efficientnet-lite0"
    )


def assemble(
    checkpoint: Checkpoint, setup: Setup, engine: Engine, tokenizer: Tokenizer | None = None
) -> EngineEmbedder:
    """The embedder of a model on a running engine, with the setup's tokenizer if none is given."""
    description = Description(
        checkpoint.name,
        checkpoint.weights,
        checkpoint.setup,
        setup.dimension,
        setup.window,
        setup.pooling,
        dict(setup.prompts),
        checkpoint.essence,
    )
    return EngineEmbedder(description, tokenizer or tokenizer_of(setup), engine)


def _unit(vectors: Vectors, batch: Batch) -> Vectors:
    """The rows scaled to unit length. Raises InvalidVector for a zero or non-finite row."""
    wide = vectors.astype(np.float64)  # a float32 square may overflow or vanish
    squares = np.vecdot(wide, wide)
    if not (squares.min() > 0 and squares.max() < np.inf):  # both are false for NaN
        row = int(np.argmin(np.isfinite(squares) & (squares > 0)))
        problem = "zero" if squares[row] == 0 else "not finite"
        raise InvalidVector(
            f"the model's vector of text {batch.places[row]} is {problem}: it has no direction"
        )
    scaled: Vectors = vectors * (1.0 / np.sqrt(squares))[:, None].astype(np.float32)
    return scaled
