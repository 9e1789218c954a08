"""Ways to find nearest vectors, each behind the same few methods; one module a library.

A peer keeps what it builds in a folder of its own, and is opened from there by a fresh process,
as its users would. Its efforts go from quick to thorough; a benchmark raises them until the
recall is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]

EFFORTS: Final = (16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer keeps what it builds, on how many threads it works, for what recall@10."""

    folder: Path
    threads: int
    target: float


class Peer(Protocol):
    """Something that finds nearest vectors, by cosine of unit vectors."""

    efforts: Sequence[int]
    filters: bool

    def __init__(self, place: Place) -> None:
        """Load the library, and nothing else."""

    def build(self, base: Vectors, places: NDArray[np.int64]) -> float:
        """Store rows (n, d) and the number that filters compare; seconds that the index took."""

    def open(self) -> None:
        """Make ready to search what was built, perhaps by another process."""

    def use(self, effort: int) -> None:
        """Search so hard from now on."""

    def search(self, queries: Vectors, k: int, below: int | None = None) -> Rows:
        """(q, k) rows, -1 behind the last; of those whose number is below a bound, if given."""

    def kind(self) -> str:
        """What the index is."""


_PLACES: Final = {
    "bearing": "bearing:Bearing",
    "faiss-flat": "direct:Flat",
    "faiss-ivf": "direct:Partitioned",
    "faiss-scan": "direct:Scan",
    "faiss-hnsw": "direct:Graph",
    "hnswlib": "hnsw:Hnswlib",
    "usearch": "unum:Usearch",
    "chroma": "chroma:Chroma",
    "lancedb": "lance:Lance",
}

NAMES: Final = tuple(_PLACES)
BEARING: Final = "bearing"


def make_peer(name: str, place: Place) -> Peer:
    """The peer of this name; raises ImportError if its library is not installed."""
    module, kind = _PLACES[name].split(":")
    peer: Peer = getattr(import_module(f"benchmarks.peers.{module}"), kind)(place)
    return peer
