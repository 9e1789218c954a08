"""Documents as real collections have them: on topics of unequal size, copied, and rewritten.

What a document says and where its vectors lie is decided by its content and the model alone, so
whoever knows the contents knows what a collection of them must answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from samples import make_identity

from indexer.documents import (
    Chunk,
    Document,
    EmbeddedDocument,
    Vector,
    Vectors,
    normalise,
)
from indexer.embedding.embedder import Identity
from indexer.filters import Metadata

DIMENSIONS: Final = {"model-a": 64, "model-b": 48}
TOPICS: Final = 9
COMMON_WORDS: Final = ("the", "of", *(f"common{i}" for i in range(50)))
TOPIC_WORDS: Final = 30
LONGEST: Final = 120
"""Words of the longest text: lengths that an index might round are among them."""

_MEANINGS: Final = 12
"""Vectors lie near a space of so few dimensions, as those of real texts do: codes tell them apart
well, but not perfectly, so that an index is neither useless nor exact."""

_SPREAD: Final = 0.7
_NOISE: Final = 0.02
_NEAR: Final = 1e-3


@dataclass(frozen=True)
class Content:
    """What a document says: one of endlessly many texts on a topic; ``twist`` is a near copy's."""

    topic: int
    number: int
    twist: int = 0


@dataclass(frozen=True)
class Question:
    """Something to search for: by its words, by its vector, or by both."""

    topic: int
    text: str
    vector: Vector


def identity_of(model: str) -> Identity:
    """A model that exists only as vectors."""
    return replace(make_identity(DIMENSIONS[model], model), weights=model * 8)


def other_than(model: str) -> str:
    """The model that a migration goes to."""
    return "model-b" if model == "model-a" else "model-a"


def draw_topic(dice: random.Random) -> int:
    """A topic: the first has about eight times as many documents as the last."""
    return dice.choices(range(TOPICS), [1 / (1 + topic) for topic in range(TOPICS)])[0]


@lru_cache(maxsize=65_536)
def text_of(content: Content) -> str:
    """Words of the topic among common ones; a near copy says one word more."""
    dice = random.Random(f"{content.topic} {content.number}")
    length = min(LONGEST, 2 + int(dice.lognormvariate(2.3, 0.8)))
    words = [_word(content.topic, dice) for _ in range(length)]
    return " ".join([*words, f"twist{content.twist}"] if content.twist else words)


def _word(topic: int, dice: random.Random) -> str:
    """A word, the earlier ones far more often than the later ones."""
    if dice.random() < 0.5:
        return f"t{topic}w{int(TOPIC_WORDS * dice.random() ** 3)}"
    return COMMON_WORDS[int(len(COMMON_WORDS) * dice.random() ** 2)]


@lru_cache(maxsize=2)
def _axes(model: str) -> NDArray[np.float64]:
    """What a model makes of meanings, (m, d)."""
    rng = np.random.default_rng(len(model) + DIMENSIONS[model])
    return rng.normal(size=(_MEANINGS, DIMENSIONS[model])) / np.sqrt(_MEANINGS)


@lru_cache(maxsize=TOPICS)
def _centres(topic: int) -> NDArray[np.float64]:
    """The four clusters of a topic, (4, m); all topics have something in common."""
    shared = np.random.default_rng(0).normal(size=_MEANINGS)
    rng = np.random.default_rng(1 + topic)
    own, parts = rng.normal(size=_MEANINGS), rng.normal(size=(4, _MEANINGS))
    centres: NDArray[np.float64] = 0.5 * shared + own + 0.5 * parts
    return centres


@lru_cache(maxsize=65_536)
def vectors_of(content: Content, model: str) -> Vectors:
    """The unit vectors of its chunks, (c, d) float32."""
    rng = np.random.default_rng([content.topic, content.number])
    count = 3 if content.number % 11 == 0 else 2 if content.number % 5 == 0 else 1
    cluster = _centres(content.topic)[content.number % 4]
    meanings = cluster + _SPREAD * rng.normal(size=(count, _MEANINGS))
    vectors = meanings @ _axes(model) + _NOISE * rng.normal(size=(count, DIMENSIONS[model]))
    if content.twist:
        moved = np.random.default_rng([content.number, content.twist])
        vectors = vectors + _NEAR * moved.normal(size=vectors.shape)
    return normalise(vectors)


def metadata_of(content: Content, revision: int = 0) -> Metadata:
    """Fields that go with the topic, across topics, and that few documents have."""
    number = content.number
    found: dict[str, object] = {
        "topic": f"topic{content.topic}",
        "n": number % 40,
        "odd": number % 2 == 1,
        "tags": [f"tag{number % 3}", number % 5],
        "revision": revision,
    }
    return found | ({"rare": None if number % 2 else number} if number % 29 == 0 else {})  # type: ignore[return-value]


def document_of(id: str, content: Content, revision: int = 0) -> Document:
    """A document of this content; every third has a title."""
    title = f"about t{content.topic}w{content.number % 7}" if content.number % 3 == 0 else None
    return Document(id, text_of(content), title, metadata_of(content, revision))


def embedded(document: Document, content: Content, model: str) -> EmbeddedDocument:
    """The document with its vectors; its text is cut into as many chunks as there are vectors."""
    vectors = vectors_of(content, model)
    cuts = [len(document.text) * i // len(vectors) for i in range(len(vectors) + 1)]
    chunks = tuple(
        Chunk(position, start, end) for position, (start, end) in enumerate(pairwise(cuts))
    )
    return EmbeddedDocument(document, chunks, vectors, truncated=content.number % 13 == 0)


def question(dice: random.Random, model: str, topic: int, stored: Content | None) -> Question:
    """A question on a topic: like a text that nobody stored, or exactly like a stored one."""
    content = stored or Content(topic, 10**9 + dice.randrange(10**6))
    words = dice.choices(text_of(content).split(), k=dice.randint(1, 4))
    vector = vectors_of(content, model)[0]
    return Question(content.topic, " ".join(words), vector)
