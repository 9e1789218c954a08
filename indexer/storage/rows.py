"""The rows of a generation in memory: who owns them, their vectors, and the index over them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vector, Vectors
from indexer.embedding.embedder import Identity
from indexer.storage import sealed
from indexer.storage.nearest import Rows as RowNumbers
from indexer.storage.nearest import Scores, approximate_search, exact_search
from indexer.storage.sealed import Sealed
from indexer.storage.store import Snapshot
from indexer.storage.vectors import BLOCK_ROWS, VectorFile
from indexer.storage.writing import NOBODY

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a generation as of one sequence of the store; never changed, only replaced.

    ``owners`` is (rows,) int32, ``vectors`` (rows, d) float32 memory-mapped, ``live`` (rows,)
    bool or None if all rows are owned. ``stamp`` tells ``index`` from a later one on disk.
    """

    sequence: int
    generation: int
    identity: Identity
    owners: NDArray[np.int32]
    vectors: Vectors
    live: NDArray[np.bool_] | None
    index: Sealed | None
    stamp: int

    @property
    def last_number(self) -> int:
        """The largest number of a document that owns a row; -1 if there is none."""
        return int(self.owners.max(initial=NOBODY))

    @property
    def late(self) -> int:
        """How many rows came after the index was sealed."""
        return len(self.owners) - (self.index.index.rows if self.index else 0)

    def nearest(
        self, queries: Vectors, k: int, allowed: NDArray[np.bool_] | None, *, exact: bool
    ) -> tuple[Scores, RowNumbers]:
        """The k nearest allowed rows of each query, (q, k), -1 where the index found no more."""
        if exact or self.index is None:
            return exact_search(queries, self.vectors, k, allowed)
        return approximate_search(
            self.index.index, self.index.measured.effort, queries, self.vectors, k, allowed
        )

    def count_near(self, query: Vector, least: float, allowed: NDArray[np.bool_] | None) -> int:
        """How many documents have an allowed row whose cosine to the query is ``least`` or more."""
        near = np.zeros(self.last_number + 1, dtype=np.bool_)
        for start in range(0, len(self.owners), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            close = self.vectors[part] @ query >= least
            near[self.owners[part][close if allowed is None else close & allowed[part]]] = True
        return int(np.count_nonzero(near))

    def by_document(self, scores: Scores, nearest: RowNumbers) -> list[tuple[float, int]]:
        """Each document's first row of (m,) sorted ones, with its score; -1 ends the rows."""
        count = int(np.count_nonzero(nearest >= 0))
        _, first = np.unique(self.owners[nearest[:count]], return_index=True)
        first.sort()
        return list(zip(scores[first].tolist(), nearest[first].tolist(), strict=True))


_BLOCK_ROWS: Final = 65_536
VECTORS: Final = "vectors.f32"


def generation_folder(folder: Path, generation: int) -> Path:
    """Where a generation's vectors and index are."""
    return folder / "generations" / str(generation)


def load_rows(folder: Path, snapshot: Snapshot, known: Rows | None) -> Rows:
    """The rows of a snapshot: those known, with the blocks that changed since."""
    generation = snapshot.generation()
    if known is not None and known.generation != generation.number:
        known = None
    identity = known.identity if known else snapshot.identity(generation.number)
    place = generation_folder(folder, generation.number)
    owners = _owners(snapshot, generation.number, generation.rows, known)
    live = owners != NOBODY
    index, stamp = (known.index, known.stamp) if known else read_index(place)
    if index is not None and index.index.rows > generation.rows:
        _log.warning("the sealed index in %s holds rows that do not exist: left out", place)
        index = None
    return Rows(
        snapshot.sequence,
        generation.number,
        identity,
        owners,
        VectorFile(place / VECTORS, identity.dimension).view(generation.rows),
        None if live.all() else live,
        index,
        stamp,
    )


def _owners(
    snapshot: Snapshot, generation: int, rows: int, known: Rows | None
) -> NDArray[np.int32]:
    owners = np.full(rows, NOBODY, dtype=np.int32)
    if known is not None:
        owners[: len(known.owners)] = known.owners
    for block in snapshot.blocks(generation, known.sequence if known else -1):
        start = block.number * BLOCK_ROWS
        owners[start : start + len(block.owners)] = block.owners
    owners.flags.writeable = False
    return owners


def read_index(place: Path) -> tuple[Sealed | None, int]:
    """The sealed index on disk, and what tells it from a later one."""
    stamp = sealed.stamp(place)
    return sealed.read(place, _log.warning), stamp
