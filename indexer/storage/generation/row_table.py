"""The rows of a generation in memory: their owners, their vectors, and the index over them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.ann.approximate import Layer, approximate_search
from indexer.ann.efforts import BANDS, Efforts, draw_samples, tune_efforts
from indexer.ann.faiss_index import (
    AnnIndex,
    Cosines,
    RowIds,
    are_near,
    cosines,
    exact_search,
)
from indexer.ann.kinds import DELTA_KIND
from indexer.documents import Vector, Vectors
from indexer.embedding.embedder import Identity
from indexer.storage.ann import index_file
from indexer.storage.ann.index_file import Sealed
from indexer.storage.generation.document_rows import Spans, spans_of, with_spans
from indexer.storage.generation.room import extended, with_room
from indexer.storage.runtime.durable_files import Stamp
from indexer.storage.sqlite.records import NOBODY, Block, Generation, Owners
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.vector_file import BLOCK_ROWS, VectorFile
from indexer.thresholds import DEFAULT, Thresholds

_log = logging.getLogger(__name__)


class Part(StrEnum):
    """The indexes over rows: the sealed one, and the delta index in memory over later rows."""

    SEALED = "sealed"
    DELTA = "late"


@dataclass(frozen=True, slots=True)
class Delta:
    """An index in memory over the first of the rows added after the last sealing.

    Its efforts were measured when it had ``measured_rows``, and have grown with it.
    """

    index: AnnIndex
    efforts: Efforts
    measured_rows: int

    def layer(self, k: int, *, filtered: bool) -> Layer:
        """The index, to be searched for k rows."""
        return self.efforts.layer(self.index, k, filtered=filtered)


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of a generation as of one sequence of the store; immutable.

    ``owners`` is (rows,) int32, ``spans`` the rows of each document, ``vectors`` (rows, d) float32
    memory-mapped, ``live`` (rows,) bool or None if all rows are owned. ``stamp`` distinguishes
    ``index`` from a later one on disk. ``delta`` covers the first of the rows added after the index
    was sealed, if they are many. Parts in ``distrusted`` find too little, so they are not searched.
    """

    sequence: int
    generation: int
    identity: Identity
    owners: NDArray[np.int32]
    spans: Spans
    vectors: Vectors
    live: NDArray[np.bool_] | None
    index: Sealed | None
    stamp: Stamp | None
    delta: Delta | None = None
    thresholds: Thresholds = DEFAULT
    distrusted: frozenset[Part] = frozenset()

    @property
    def compares_all(self) -> bool:
        """Return whether every row is always compared, as there is no index to trust."""
        return self.index is None or Part.SEALED in self.distrusted

    @property
    def last_number(self) -> int:
        """The largest number of a document that owns a row; -1 if there is none."""
        return int(self.owners.max(initial=NOBODY))

    @property
    def unindexed(self) -> int:
        """The number of rows added after the index was sealed."""
        return len(self.owners) - (self.index.index.rows if self.index else 0)

    @property
    def compared(self) -> int:
        """The number of rows outside every index, which searches compare; 0 if all are compared."""
        return self.unindexed - (self.delta.index.rows if self.delta else 0) if self.index else 0

    def extended_delta(self, target: float) -> Delta:
        """An index over all rows added after the index was sealed: ``delta`` with the rest.

        Its search parameters reach the target recall: they are measured anew when it is
        GROWTH times as large, and in between rise with its rows, as the place of a near row
        among the others does.
        """
        first, known = len(self.owners) - self.unindexed, self.delta
        vectors, live = self.vectors[first:], None if self.live is None else self.live[first:]
        if known is None:
            index = AnnIndex.build(DELTA_KIND, vectors)
        else:
            index = known.index.extended(vectors[known.index.rows :])
            if index.rows < GROWTH * known.measured_rows:
                efforts = known.efforts.raised(index.rows / known.index.rows)
                return Delta(index, efforts, known.measured_rows)
        depth = self.thresholds.delta_rescore
        # So that the index is measured, and not the exact search that few rows would get.
        always = replace(self.thresholds, gather_rows=depth)
        samples = draw_samples(vectors, live, DELTA_QUERIES)
        efforts = tune_efforts(index, vectors, samples, target, always)
        return Delta(index, efforts.at_least(depth), index.rows)

    def nearest(
        self, queries: Vectors, k: int, allowed: NDArray[np.bool_] | None, *, exact: bool
    ) -> Iterator[tuple[Cosines, RowIds]]:
        """The k nearest allowed rows of each query and those that tie with the last, best first.

        Scores and rows, (m,) each, equal scores by row; m is less than k only if fewer rows are
        allowed. All ties if ``exact``, else those that the index found.
        """
        # A few more than k, to see whether others tie with the last, and where these end.
        found = self._search(queries, k, k + _MORE, allowed, exact=exact)
        for query, scores, rows in zip(queries, *found, strict=True):
            if len(rows) <= k or rows[k] < 0 or scores[k] < scores[k - 1]:
                yield scores[:k], rows[:k]
                continue
            tied = (rows >= 0) & (scores >= scores[k])
            if tied.all() and len(rows) == k + _MORE:
                yield self._with_ties(query, k, scores[k], allowed, exact=exact)
            else:
                yield scores[tied], rows[tied]

    def _with_ties(
        self,
        query: Vector,
        k: int,
        least: np.float32,
        allowed: NDArray[np.bool_] | None,
        *,
        exact: bool,
    ) -> tuple[Cosines, RowIds]:
        """The rows, best first, whose score is at least ``least``, that of the k-th best."""
        if not exact and not self.compares_all:
            found = self._search(query[None], k, max(TIES, 4 * k), allowed, exact=False)
            scores, rows = found[0][0], found[1][0]
            tied = (rows >= 0) & (scores >= least)
            return scores[tied], rows[tied]
        near = are_near(query, self.vectors, float(least))
        rows = np.flatnonzero(near if allowed is None else near & allowed)
        scores = cosines(query[None], self.vectors, rows[None])[0]
        order = np.lexsort((rows, -scores))
        return scores[order], rows[order]

    def _search(
        self,
        queries: Vectors,
        k: int,
        keep: int,
        allowed: NDArray[np.bool_] | None,
        *,
        exact: bool,
    ) -> tuple[Cosines, RowIds]:
        """The ``keep`` best rows of each query that a search for k found."""
        if exact or self.index is None or self.compares_all:
            return exact_search(queries, self.vectors, keep, allowed, self.thresholds)
        filtered = allowed is not None and allowed is not self.live
        return approximate_search(
            self.index.layer(k, filtered=filtered),
            queries,
            self.vectors,
            k,
            allowed,
            self.delta.layer(k, filtered=filtered) if self.delta else None,
            self.thresholds,
            keep,
        )

    def count_near(self, query: Vector, least: float, allowed: NDArray[np.bool_] | None) -> int:
        """The number of documents with an allowed row that scores ``least`` or more."""
        close = are_near(query, self.vectors, least)
        near = np.zeros(self.last_number + 1, dtype=np.bool_)
        near[self.owners[close if allowed is None else close & allowed]] = True
        return int(np.count_nonzero(near))


DELTA_QUERIES: Final = {k: count // 2 for k, count in BANDS.items()}
"""The queries that a delta index is measured with, by k: fewer, as it is built anew so often."""

_MORE: Final = 8
"""Rows asked for beyond k: a copy or two of the last are common, and more are looked for anew."""

GROWTH: Final = 3
"""The search parameters of a delta index are measured anew when it has grown this many times."""

TIES: Final = 1_024
"""Rows proposed by an index that are examined for ties, at least."""

VECTORS: Final = "vectors.f32"


def generation_folder(folder: Path, generation: int) -> Path:
    """The folder of a generation's vectors and index."""
    return folder / f"generations/{generation}"


def load_rows(
    folder: Path, snapshot: Snapshot, known: RowTable | None, thresholds: Thresholds = DEFAULT
) -> RowTable:
    """The rows of a snapshot: those known, with the blocks that changed since."""
    generation = snapshot.generation()
    if known is not None and known.generation != generation.number:
        known = None
    identity = known.identity if known else snapshot.identity(generation.number)
    place = generation_folder(folder, generation.number)
    owned = _owned(snapshot, generation, known)
    index, stamp = (known.index, known.stamp) if known else read_index(place)
    if index is not None and index.index.rows > generation.rows:
        _log.warning("the sealed index in %s holds rows that do not exist: left out", place)
        index = None
    file = VectorFile(place / VECTORS, identity.dimension)
    return RowTable(
        snapshot.sequence,
        generation.number,
        identity,
        owned.owners,
        owned.spans,
        file.view(generation.rows, known.vectors if known else None),
        owned.live,
        index,
        stamp,
        known.delta if known and index else None,
        thresholds,
        known.distrusted if known else frozenset(),
    )


@dataclass(frozen=True, slots=True)
class _Owned:
    """The owner of each row, the rows of each document, and a mask of the owned rows or None."""

    owners: Owners
    spans: Spans
    live: NDArray[np.bool_] | None


def _owned(snapshot: Snapshot, generation: Generation, known: RowTable | None) -> _Owned:
    """The owners of a snapshot's rows.

    If rows were only added, the known ones are not copied: copying a million takes longer than a
    search may.
    """
    blocks = snapshot.blocks(generation.number, known.sequence if known else -1)
    if known is None:
        owners = with_room(np.empty(0, np.int32), generation.rows)
        _put_blocks(owners, blocks, 0)
        return _Owned(owners, spans_of(owners), _all_live(owners))
    held = known.owners
    freed = [gone for block in blocks if len(gone := _freed(block, held))]
    if not freed:
        owners = extended(held, generation.rows)
        _put_blocks(owners, blocks, len(held))
        spans = with_spans(known.spans, owners, len(held))
        return _Owned(owners, spans, _live(owners, len(held), known.live))
    owners = with_room(held, generation.rows)
    _put_blocks(owners, blocks, 0)
    spans = with_spans(known.spans, owners, len(held), np.concatenate(freed))
    return _Owned(owners, spans, _all_live(owners))


def _all_live(owners: Owners) -> NDArray[np.bool_] | None:
    """The mask of owned rows; None for all."""
    live = owners != NOBODY
    return None if live.all() else live


def _freed(block: Block, held: Owners) -> Owners:
    """The documents that no longer own their rows in a block."""
    known = held[block.number * BLOCK_ROWS :][: len(block.owners)]
    gone: Owners = known[known != block.owners[: len(known)]]
    return gone


def _put_blocks(owners: Owners, blocks: Iterable[Block], first: int) -> None:
    """Write the owners of rows from ``first`` on."""
    for block in blocks:
        start = block.number * BLOCK_ROWS
        new = max(first - start, 0)
        owners[start + new : start + len(block.owners)] = block.owners[new:]


def _live(
    owners: Owners, known_rows: int, known: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """The mask of owned rows, given that of the first rows; None for all."""
    new = owners[known_rows:] != NOBODY
    if known is None and new.all():
        return None
    live = extended(np.ones(known_rows, np.bool_) if known is None else known, len(owners))
    live[known_rows:] = new
    return live


def read_index(place: Path) -> tuple[Sealed | None, Stamp | None]:
    """The sealed index on disk, and its stamp."""
    stamp = index_file.stamp(place)
    return index_file.read(place, _log.warning), stamp
