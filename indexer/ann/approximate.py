"""Nearest rows by an index, whose candidates are scored exactly.

However few of the rows near a query are allowed, the index is searched until it has proposed
enough; if that would take long, all rows are compared instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.ann.faiss_index import (
    Allowed,
    AnnIndex,
    Cosines,
    RowIds,
    exact_search,
    merged,
    score_rows,
    threads_for,
)
from indexer.ann.kinds import INDEX_KINDS, SearchParams, Visits
from indexer.documents import Vectors
from indexer.thresholds import DEFAULT, Thresholds

FILTERED_SHARE: Final = 0.9
"""Above this share of allowed rows, the others are more likely deleted than filtered out."""

MAX_FETCH_SHARE: Final = 0.25
"""Above this share of rows to be fetched, all are scored exactly instead."""

LEAST_DEPTH: Final = 40
"""No fewer rows are scored exactly, nor fewer than one and a half times those asked for."""

ASK_MORE: Final = 4
"""The factor by which a search is enlarged if its candidates are not enough."""


@dataclass(frozen=True, slots=True)
class Layer:
    """An index over consecutive rows, and its search parameters.

    ``filtered`` are those for where many rows are not allowed, None if they are the same.
    """

    index: AnnIndex
    params: SearchParams
    filtered: SearchParams | None = None


def approximate_search(
    layer: Layer,
    queries: Vectors,
    vectors: Vectors,
    k: int,
    allowed: Allowed | None = None,
    delta: Layer | None = None,
    thresholds: Thresholds = DEFAULT,
    keep: int | None = None,
) -> tuple[Cosines, RowIds]:
    """The k best of the rows that the index proposes and of all rows it does not cover.

    Like :func:`exact_search`, with scores as exact, but a row may be missed. A result has fewer
    than k only if fewer rows are allowed. If few rows are allowed, they are scored exactly, and
    none is missed. ``delta`` is an index over the first of the later rows, which then proposes,
    too. Of the rows examined for k, ``keep`` are returned.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    keep = keep or k
    proposed: list[RowIds] = []
    reached = 0
    with threads_for(queries):
        for own, few in ((layer, thresholds.gather_rows), (delta, thresholds.delta_rescore)):
            if own is None:
                break
            held = slice(reached, reached + own.index.rows)
            inside = None if allowed is None else allowed[held]
            rows = _propose(own, queries, vectors[held], k, inside, few)
            if rows is None:
                break
            proposed.append(np.where(rows < 0, rows, rows + reached) if reached else rows)
            reached += own.index.rows
        if not proposed:
            return exact_search(queries, vectors, keep, allowed, thresholds)
        found = score_rows(queries, vectors, np.concatenate(proposed, axis=1), keep)
    if reached == len(vectors):
        return found
    rest = None if allowed is None else allowed[reached:]
    scores, rows = exact_search(queries, vectors[reached:], keep, rest, thresholds)
    return merged([found, (scores, rows + reached)], keep)


def _propose(
    layer: Layer, queries: Vectors, vectors: Vectors, k: int, allowed: Allowed | None, few: int
) -> RowIds | None:
    """(q, m) rows worth scoring: the best allowed ones, -1 where there are no more.

    ``vectors`` are the rows that the index covers. None if scoring all allowed rows is as good, for
    example if there are only a ``few``.
    """
    held = layer.index.rows
    inside = held if allowed is None else int(np.count_nonzero(allowed))
    params = layer.params
    if inside < FILTERED_SHARE * held:
        params = layer.filtered or params
    depth = max(params.rescore, k + k // 2, LEAST_DEPTH)
    # With a margin of a fifth, since allowed rows are not spread evenly.
    fetch = depth if inside == held else int(1.2 * depth * held / max(inside, 1)) + 1
    if inside <= max(few, k) or fetch > MAX_FETCH_SHARE * held:
        return None
    asked = _Asked(depth, fetch, params.nprobe)
    wanted = min(depth, inside)
    rows, enough = _ask(layer.index, asked, queries, wanted, allowed)
    if enough.all():
        return rows
    lines = np.flatnonzero(~enough)
    more = _ask_more(layer.index, asked, queries[lines], vectors, wanted, allowed)
    held_rows = np.full((len(rows), max(rows.shape[1], more.shape[1])), -1, dtype=np.int64)
    held_rows[:, : rows.shape[1]] = rows
    held_rows[lines] = -1
    held_rows[lines, : more.shape[1]] = more
    return held_rows


class _Asked(NamedTuple):
    """The size of a search: rows to rescore, rows to fetch, and lists or nodes to visit."""

    rescore: int
    fetch: int
    nprobe: int

    def more(self) -> _Asked:
        return _Asked(self.rescore * ASK_MORE, self.fetch * ASK_MORE, self.nprobe * ASK_MORE)


def _ask_more(
    index: AnnIndex,
    asked: _Asked,
    queries: Vectors,
    vectors: Vectors,
    wanted: int,
    allowed: Allowed | None,
) -> RowIds:
    """(q, m) rows for queries whose first search was not enough.

    They are surrounded by deleted rows, by rows that do not pass a filter, or by copies. If no
    reasonable search is enough, the nearest of all rows are taken.
    """
    rows = np.full((len(queries), wanted), -1, dtype=np.int64)
    lines = np.arange(len(queries))
    while len(lines) and max(asked.fetch, asked.nprobe) * ASK_MORE <= MAX_FETCH_SHARE * index.rows:
        asked = asked.more()
        found, enough = _ask(index, asked, queries[lines], wanted, allowed)
        wider = np.full((len(queries), max(rows.shape[1], found.shape[1])), -1, dtype=np.int64)
        wider[:, : rows.shape[1]] = rows
        wider[lines[enough], : found.shape[1]] = found[enough]
        rows, lines = wider, lines[~enough]
    if len(lines):
        rows[lines, :wanted] = exact_search(queries[lines], vectors, wanted, allowed)[1]
    return rows


def _ask(
    index: AnnIndex, asked: _Asked, queries: Vectors, wanted: int, allowed: Allowed | None
) -> tuple[RowIds, NDArray[np.bool_]]:
    """(q, depth) allowed rows, best first, and (q,) whether they are enough.

    They are not if fewer than ``wanted``, or if half of them have the same code, as copies do:
    others equally near may have been left out for them.
    """
    kind = INDEX_KINDS[index.kind]
    if allowed is not None and not kind.selects:
        scores, rows = index.candidates(queries, asked.fetch, asked.nprobe)
        return _only(scores, rows, asked.rescore, wanted, allowed)
    nprobe = asked.nprobe
    if kind.visits is Visits.NODES:
        nprobe = max(nprobe, asked.fetch)  # few of the nodes visited may be allowed
    scores, rows = index.candidates(queries, asked.rescore, nprobe, allowed)
    last, middle = scores[:, wanted - 1], scores[:, wanted // 2]
    return rows, (rows[:, wanted - 1] >= 0) & (middle > last)


def _only(
    scores: Cosines, rows: RowIds, depth: int, wanted: int, allowed: Allowed
) -> tuple[RowIds, NDArray[np.bool_]]:
    """The first ``depth`` allowed rows of each line, in order, and whether they are enough."""
    kept = np.full((len(rows), depth), -1, dtype=np.int64)
    enough = np.zeros(len(rows), dtype=np.bool_)
    for line, own in enumerate(rows):
        passing = np.flatnonzero((own >= 0) & allowed[own])[:depth]
        kept[line, : len(passing)] = own[passing]
        if len(passing) >= wanted:
            middle, last = passing[wanted // 2], passing[wanted - 1]
            enough[line] = scores[line, middle] > scores[line, last]
    return kept, enough
