"""The table of index kinds: a new one is a member of :class:`IndexKind`, and a row here.

Nothing else depends on the kind of an index. FAISS itself is called in ``faiss_index`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import numpy as np

from indexer.index_choice import IndexKind

MOST_RESCORED: Final = 320
MOST_VISITED: Final = 256
"""A search that rescores more rows, or visits more lists or nodes, for each one that is asked for,
would take longer than is worth trying.
"""


class Visits(Enum):
    """The rows a search goes through: all, or those of ``nprobe`` lists or graph nodes."""

    ROWS = auto()
    LISTS = auto()
    NODES = auto()


@dataclass(frozen=True, slots=True)
class SearchParams:
    """Search parameters: lists (nprobe) or nodes (ef) to visit, 0 for all; rows to rescore."""

    nprobe: int
    rescore: int


@dataclass(frozen=True, slots=True)
class IndexKindSpec:
    """A kind of index: its name in FAISS, its cost, and its search parameters.

    ``factory`` gives FAISS's name of it for a dimension and a number of rows. ``search_params`` go
    from fast to thorough. An automatic choice tries the ``automatic`` kinds, in the table's order,
    but one that is ``instead_of`` another only if that other misses the target.
    """

    factory: Callable[[int, int], str]
    bytes_per_row: Callable[[int], float]
    search_params: tuple[SearchParams, ...]
    visits: Visits
    automatic: bool = False
    instead_of: IndexKind | None = None

    def params_for(self, k: int) -> tuple[SearchParams, ...]:
        """The search parameters worth trying for k rows, quick ones first."""
        return tuple(
            one
            for one in self.search_params
            if (not one.rescore or k <= one.rescore <= MOST_RESCORED * k)
            and one.nprobe <= MOST_VISITED * k
        )

    @property
    def selects(self) -> bool:
        """Return whether it supports a set of allowed rows; for others, results are filtered."""
        return self.visits is not Visits.ROWS


def _codes(dimension: int) -> tuple[str, int]:
    """4-bit product quantisation with four components a code; padded if the dimension needs it."""
    padded = -(-dimension // 4) * 4
    prefix = "" if padded == dimension else f"Pad{padded},"
    return prefix, padded // 4


def _scan(dimension: int, _: int) -> str:
    prefix, codes = _codes(dimension)
    return f"{prefix}PQ{codes}x4fs"


def _half(dimension: int) -> int:
    """Half of the dimensions, as a multiple of four, for the codes."""
    return min(dimension, 4 * -(-dimension // 8))


def _reduced(dimension: int, rows: int) -> str:
    """A scan of the principal components, rotated at random so that equally long codes suit them.

    FAISS centres rows and queries alike. The error this causes in inner products is the same for
    all rows of unit length, while a direction shared by all rows would drown the others in the
    codes: without centring, 400 candidates held 0.65 of the nearest instead of 0.79 where the
    shared part was as long as the rest.
    """
    half = _half(dimension)
    return f"PCAR{half},{_scan(half, rows)}" if half < dimension else _scan(dimension, rows)


def _partitioned(dimension: int, rows: int) -> str:
    prefix, codes = _codes(dimension)
    return f"{prefix}IVF{lists_for(rows)},PQ{codes}x4fs"


_DEEP: Final = (4800, 6400, 9600, 12800, 19200, 25600)


def _reduced_partitioned(dimension: int, rows: int) -> str:
    half = _half(dimension)
    if half == dimension:
        return _partitioned(dimension, rows)
    return f"PCAR{half},{_partitioned(half, rows)}"


def _depths(*depths: int) -> tuple[SearchParams, ...]:
    return tuple(SearchParams(0, depth) for depth in depths)


def lists_for(rows: int) -> int:
    """About the root of the number of rows, a power of two."""
    return 1 << int(np.clip(np.round(np.log2(np.sqrt(max(rows, 1)))), 4, 16))


INDEX_KINDS: Final[Mapping[IndexKind, IndexKindSpec]] = {
    IndexKind.REDUCED: IndexKindSpec(
        _reduced,
        lambda dimension: _codes(_half(dimension))[1] / 2,
        _depths(100, 200, 400, 600, 800, 1000, 1200, 1600, 2400, 3200, *_DEEP),
        Visits.ROWS,
        automatic=True,
    ),
    IndexKind.SCAN: IndexKindSpec(
        _scan,
        lambda dimension: _codes(dimension)[1] / 2,
        _depths(50, 100, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, *_DEEP),
        Visits.ROWS,
        automatic=True,
        instead_of=IndexKind.REDUCED,  # it is slower
    ),
    IndexKind.REDUCED_PARTITIONED: IndexKindSpec(
        _reduced_partitioned,
        lambda dimension: _codes(_half(dimension))[1] / 2 + 8,
        tuple(
            SearchParams(nprobe, depth)
            for nprobe, depth in (
                (32, 400), (64, 400), (64, 600), (96, 600), (128, 600), (128, 800), (160, 800),
                (192, 800), (256, 800), (192, 1200), (256, 1200), (320, 1200), (384, 1200),
                (512, 1200), (640, 1200), (800, 1600), (256, 2400), (1200, 2400), (1200, 3200),
                (384, 4800), (2400, 4800), (640, 9600), (2400, 9600), (4800, 12800),
                (1200, 25600), (9600, 25600),
            )
        ),
        Visits.LISTS,
        automatic=True,
    ),
    IndexKind.PARTITIONED: IndexKindSpec(
        _partitioned,
        lambda dimension: _codes(dimension)[1] / 2 + 8,
        tuple(
            SearchParams(nprobe, depth)
            for nprobe, depth in (
                (32, 200), (64, 200), (128, 200), (128, 400), (256, 400), (400, 400), (512, 800),
                (800, 800), (1200, 1600), (2400, 3200), (2400, 6400), (4800, 12800), (9600, 25600),
            )
        ),
        Visits.LISTS,
        automatic=True,
        instead_of=IndexKind.REDUCED_PARTITIONED,  # it takes more memory
    ),
    IndexKind.GRAPH: IndexKindSpec(
        lambda _, __: "HNSW32,Flat",
        lambda dimension: dimension * 4 + 272,
        tuple(SearchParams(2**power, 0) for power in range(5, 15)),
        Visits.NODES,
    ),
}  # fmt: skip

DELTA_KIND: Final = IndexKind.SCAN
"""The kind for rows added since an index was sealed: built quickly, and extensible."""
