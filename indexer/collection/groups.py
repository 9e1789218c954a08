"""Queries grouped by the documents they may return, so that one pass answers many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import numpy as np

from indexer.collection.targets import Examples, directions_of, examples_of
from indexer.documents import Vectors
from indexer.engine import EngineState, Key, Scope
from indexer.errors import InvalidQuery
from indexer.queries import Mode, Query, Strategy


@dataclass(frozen=True, slots=True)
class Group:
    """Queries of one mode and one scope, with their places among all queries.

    ``directions`` are theirs, (q, d), empty if they have none. ``best`` are the examples of the
    only query, if it is ranked by the best of them.
    """

    places: Sequence[int]
    queries: Sequence[Query]
    directions: Vectors
    scope: Scope
    mode: Mode
    exact: bool
    best: Examples | None = None


def groups_of(state: EngineState, queries: Sequence[Query]) -> list[Group]:
    """All queries in groups, each in one."""
    for query in queries:
        if query.cursor is not None and query.exclusions is None:
            raise InvalidQuery("a cursor needs what it stands for beside it: use indexer.search")
    if len(queries) == 1:
        return [_group(state, [0], queries)]
    restrictions = [_restriction(query) for query in queries]
    order = sorted(range(len(queries)), key=restrictions.__getitem__)
    runs = [list(run) for _, run in groupby(order, key=restrictions.__getitem__)]
    return [_group(state, places, [queries[place] for place in places]) for places in runs]


def _group(state: EngineState, places: Sequence[int], queries: Sequence[Query]) -> Group:
    first = queries[0]
    by_example = bool(first.like or first.unlike)
    without = list(state.keys(first.example_ids).values()) if by_example else []
    token = None
    if first.exclusions is not None:
        without += map(Key, first.exclusions.keys)
        token = first.exclusions.token
    scope = state.scope(first.filter, without, token)
    best = None
    if first.mode is Mode.LEXICAL or (by_example and first.strategy is Strategy.BEST):
        directions = np.empty((0, state.identity.dimension), np.float32)
        best = examples_of(state, first) if by_example else None
    else:
        directions = directions_of(state, queries)
    return Group(places, queries, directions, scope, first.mode, first.exact, best)


_Restriction: TypeAlias = tuple[str, str, tuple[str, ...], bool, tuple[object, ...], int]


def _restriction(query: Query) -> _Restriction:
    """The key by which queries share a scope and a way of searching.

    A filter is represented by its text: as values, 1 and true are equal in Python, but not to a
    filter.
    """
    seen = (query.exclusions.token, *query.exclusions.keys) if query.exclusions else ()
    by_best = query.examples and query.strategy is Strategy.BEST
    alone = id(query) if by_best else 0
    return query.mode, repr(query.filter), query.example_ids, query.exact, seen, alone
