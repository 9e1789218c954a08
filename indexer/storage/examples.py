"""Examples on one state of a collection: what they point at, and the documents best by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.collection import StoredVectors
from indexer.documents import Example, ExampleText, Vector, Vectors, normalise
from indexer.errors import InvalidQuery, InvalidVector, NotFound
from indexer.ranking.examples import best_scores
from indexer.storage.nearest import Rows as RowNumbers
from indexer.storage.nearest import Scores, cosines
from indexer.storage.ordering import best_documents
from indexer.storage.rows import Rows
from indexer.storage.store import Snapshot

FETCH_MORE: Final = 4
LEAST_FETCH: Final = 100
"""How many rows are looked at near each example at first: most answers need no second look."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples as directions: (p, d) and (q, d) float32 unit rows."""

    liked: Vectors
    unliked: Vectors


def examples_of(
    stored: Mapping[str, StoredVectors],
    dimension: int,
    like: tuple[Example, ...],
    unlike: tuple[Example, ...],
) -> Examples:
    """The directions of examples; a document's is the mean of its chunks'.

    Raises NotFound for an id that is not among the stored, InvalidVector for a vector without a
    direction or of another dimension.
    """
    sides = [
        [_direction(stored, dimension, one) for one in side] or np.empty((0, dimension), np.float32)
        for side in (like, unlike)
    ]
    return Examples(*(np.asarray(side, dtype=np.float32) for side in sides))


def _direction(stored: Mapping[str, StoredVectors], dimension: int, example: Example) -> Vector:
    if isinstance(example, ExampleText):
        raise InvalidQuery("an example text needs its vector: use indexer.search")
    if not isinstance(example, str):
        return unit_vector(example, dimension, "an example's vector")
    if example not in stored:
        raise NotFound(f"example {example!r} is not a document of this collection")
    mean = stored[example].vectors.mean(axis=0, keepdims=True)
    unit: Vector = normalise(mean, f"mean of {example!r}")[0]
    return unit


def unit_vector(given: Vector, dimension: int, what: str) -> Vector:
    """A given vector scaled to unit length, (d,); raises InvalidVector, which says what it is."""
    vector = np.asarray(given)
    if vector.shape != (dimension,):
        raise InvalidVector(
            f"{what} has {vector.size} components; the collection's have {dimension}"
        )
    unit: Vector = normalise(vector[None, :], what)[0]
    return unit


def best_by_example(
    snapshot: Snapshot,
    rows: Rows,
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


def _bound(examples: Examples, nearest: Sequence[tuple[Scores, RowNumbers]]) -> float:
    """What a row that is near no example scores less than."""
    last = [float(scores[-1]) for scores, _ in nearest]
    return max(last) if len(examples.liked) else min(last)


def _scored(rows: Rows, examples: Examples, candidates: RowNumbers) -> tuple[Scores, RowNumbers]:
    """The scores of these rows, with the rows, best first."""
    scores = best_scores(
        *(
            cosines(side, rows.vectors, np.tile(candidates, (len(side), 1))).T
            for side in (examples.liked, examples.unliked)
        )
    )
    order = np.lexsort((candidates, -scores))
    return scores[order], candidates[order]
