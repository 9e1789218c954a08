"""Queries that may return the same rows, so that one pass answers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.errors import InvalidQuery
from indexer.queries import Mode, Query, Strategy
from indexer.storage.generation.row_table import RowTable
from indexer.storage.query.filter_cache import FilterCache
from indexer.storage.query.hybrid import depth_of
from indexer.storage.query.targets import Examples, direction_of, query_examples
from indexer.storage.sqlite.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that may return the same rows, so that one pass answers them.

    ``total`` is of how many documents the rows are, pages before included, none of them above
    ``last``. ``best`` are the examples of the only query, if it is ranked by the best of them.
    """

    places: list[int]
    queries: list[Query]
    vectors: Vectors
    allowed: NDArray[np.bool_] | None
    total: int
    last: int
    exact: bool
    best: Examples | None = None

    @property
    def mode(self) -> Mode:
        """How all of them are held against documents."""
        return self.queries[0].mode

    @property
    def depths(self) -> list[int]:
        """How many of the nearest documents each needs."""
        hybrid = self.mode is Mode.HYBRID
        return [depth_of(query) if hybrid else query.k for query in self.queries]


def groups_of(
    snapshot: Snapshot, rows: RowTable, filter_cache: FilterCache, queries: Sequence[Query]
) -> Iterator[Group]:
    """Queries by the rows that they may return."""
    restrictions = [_restriction(query) for query in queries]
    order = sorted(range(len(queries)), key=restrictions.__getitem__)
    for _, run in groupby(order, key=restrictions.__getitem__):
        places = list(run)
        group = [queries[place] for place in places]
        first = group[0]
        ids = first.example_ids
        without = [old.number for old in snapshot.stored(ids).values()] if ids else []
        chosen = filter_cache.select(snapshot, rows, first.filter, without, first.exclusions)
        last = first.exclusions.last if first.exclusions else filter_cache.totals(snapshot).newest
        if _is_by_best(first):
            vectors, best = np.empty((0, 0), np.float32), query_examples(snapshot, rows, first)
        elif first.mode is Mode.LEXICAL:
            vectors, best = np.empty((0, 0), np.float32), None
        else:
            vectors = np.stack([direction_of(snapshot, rows, query) for query in group])
            best = None
        yield Group(places, group, vectors, chosen.rows, chosen.total, last, first.exact, best)


_Restriction: TypeAlias = tuple[str, str, tuple[str, ...], bool, tuple[int, ...], int]


def _restriction(query: Query) -> _Restriction:
    """What decides the rows that a query may return, and how they are found.

    A filter is told by its text: as values, 1 and true are equal in Python, but not to a filter.
    """
    if query.cursor is not None and query.exclusions is None:
        raise InvalidQuery(
            "a cursor needs what it stands for beside it: use indexer.retrieval.search"
        )
    seen = (query.exclusions.last, *query.exclusions.numbers) if query.exclusions else ()
    alone = id(query) if _is_by_best(query) else 0
    return query.mode, repr(query.filter), query.example_ids, query.exact, seen, alone


def _is_by_best(query: Query) -> bool:
    return bool(query.examples) and query.strategy is Strategy.BEST
