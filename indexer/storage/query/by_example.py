"""The documents that are best by the best of several examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.ranking.recommendation import best_scores
from indexer.storage.ann.faiss_index import Cosines, RowIds, cosines
from indexer.storage.generation.row_table import RowTable
from indexer.storage.query.ordering import best_documents
from indexer.storage.query.targets import Examples
from indexer.storage.sqlite.snapshot import Snapshot

FETCH_MORE: Final = 4
LEAST_FETCH: Final = 100
"""How many rows are looked at near each example at first: most answers need no second look."""


def best_by_example(
    snapshot: Snapshot,
    rows: RowTable,
    examples: Examples,
    k: int,
    allowed: NDArray[np.bool_] | None,
    *,
    exact: bool,
) -> list[tuple[float, int]]:
    """The k best documents by ``best_scores``, as the score and row of their best chunk.

    Candidates are the rows nearest to each liked example, or farthest from each unliked one where
    nothing is liked; each is scored exactly. More are fetched until no other row could be among
    the k best: one outside the candidates scores less than the last of the nearest.
    """
    directions = examples.liked if len(examples.liked) else -examples.unliked
    fetch = max(k, LEAST_FETCH)
    while True:
        nearest = list(rows.nearest(directions, fetch, allowed, exact=exact))
        candidates = np.unique(np.concatenate([own for _, own in nearest]))
        found = best_documents(snapshot, rows, *_scored(rows, examples, candidates), k)
        if min(len(own) for _, own in nearest) < fetch:
            return found  # those were all rows there are
        if len(found) == k and found[-1][0] >= _bound(examples, nearest):
            return found
        fetch *= FETCH_MORE


def _bound(examples: Examples, nearest: Sequence[tuple[Cosines, RowIds]]) -> float:
    """What a row that is near no example scores less than."""
    last = [float(scores[-1]) for scores, _ in nearest]
    return max(last) if len(examples.liked) else min(last)


def _scored(rows: RowTable, examples: Examples, candidates: RowIds) -> tuple[Cosines, RowIds]:
    """The scores of these rows, with the rows, best first."""
    scores = best_scores(
        *(
            cosines(side, rows.vectors, np.tile(candidates, (len(side), 1))).T
            for side in (examples.liked, examples.unliked)
        )
    )
    order = np.lexsort((candidates, -scores))
    return scores[order], candidates[order]
