"""Cross-encoders score a query and a passage read together; slower than comparing vectors.

Models are those of sentence-transformers' CrossEncoder that give one score. On CPUs they run as
OpenVINO graphs where they convert, checked against CrossEncoder.predict, else on torch. Importing
this module imports no model library.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.embedder import Runtime

log = logging.getLogger(__name__)

Pair: TypeAlias = tuple[str, str]
"""A query and a passage."""

RerankerScores: TypeAlias = NDArray[np.float32]

OVERLAP: Final = "overlap"


@runtime_checkable
class Reranker(Protocol):
    """Pairs of texts in, scores out. Safe to call from several threads.

    Use it as a context manager, or close it.
    """

    @property
    def name(self) -> str:
        """The model's name or folder."""
        ...

    @property
    def runtime(self) -> Runtime:
        """The backend and device it runs on."""
        ...

    def score(self, pairs: Sequence[Pair]) -> RerankerScores:
        """(n,) float32: the relevance of each passage to its query, on the model's own scale.

        The model's activation is applied: the sigmoid, unless the model names another.
        """
        ...

    def close(self) -> None:
        """Release its resources."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class OverlapReranker:
    """The share of a query's words that the passage contains: needs no model; for tests."""

    name = OVERLAP
    runtime = Runtime("overlap", "cpu", "f32", 1)

    def score(self, pairs: Sequence[Pair]) -> RerankerScores:
        """The share for each pair; see Reranker."""
        return np.array([_overlap(*pair) for pair in pairs], dtype=np.float32)

    def close(self) -> None:
        """Nothing to release."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _overlap(query: str, passage: str) -> float:
    words = set(query.lower().split())
    return len(words & set(passage.lower().split())) / max(len(words), 1)
