"""Examples on one state of a collection: what they point at, and the documents best by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.collection import StoredVectors
from indexer.documents import Example, ExampleText, Vector, Vectors, normalise
from indexer.errors import InvalidQuery, InvalidVector, NotFound
from indexer.ranking.examples import best_scores
from indexer.storage.rows import Rows

FETCH_MORE: Final = 4
LEAST_FETCH: Final = 100
"""How many rows are looked at near each example at first: most answers need no second look."""

_BLOCK_ROWS: Final = 16_384


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
    rows: Rows, examples: Examples, k: int, allowed: NDArray[np.bool_] | None, *, exact: bool
) -> list[tuple[float, int]]:
    """The k best documents by ``best_scores``, as the score and row of their best chunk.

    Candidates are the rows nearest to each liked example, or farthest from each unliked one where
    nothing is liked; each is scored exactly. More are fetched until no other row could be among
    the k best: one outside the candidates scores at most as much as the last of the nearest.
    """
    directions = examples.liked if len(examples.liked) else -examples.unliked
    fetch = max(k, LEAST_FETCH)
    while True:
        scores, nearest = rows.nearest(directions, fetch, allowed, exact=exact)
        found = _scored(rows, examples, np.unique(nearest[nearest >= 0]))[:k]
        if nearest.shape[1] < fetch:
            return found  # those were all rows there are
        if len(found) == k and found[-1][0] >= _bound(examples, scores, nearest):
            return found
        fetch *= FETCH_MORE


def _bound(
    examples: Examples, scores: NDArray[np.float32], nearest: NDArray[np.int64]
) -> np.float32:
    """What a row that is near no example can score at most."""
    last = np.where(nearest >= 0, scores, np.inf).min(axis=1)
    return np.float32(last.max() if len(examples.liked) else last.min())


def _scored(
    rows: Rows, examples: Examples, candidates: NDArray[np.int64]
) -> list[tuple[float, int]]:
    """The documents of these rows, best first."""
    scores = np.empty(len(candidates), dtype=np.float32)
    for start in range(0, len(candidates), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        vectors = rows.vectors[candidates[part]]
        scores[part] = best_scores(
            np.clip(vectors @ examples.liked.T, -1.0, 1.0),
            np.clip(vectors @ examples.unliked.T, -1.0, 1.0),
        )
    order = np.lexsort((candidates, -scores))
    return rows.by_document(scores[order], candidates[order])
