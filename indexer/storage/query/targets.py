"""What a query points at: directions, examples, stored vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from indexer.collection import StoredVectors
from indexer.documents import Vector, Vectors, normalise
from indexer.errors import Damaged, InvalidQuery, InvalidVector, ModelChanged, NotFound
from indexer.queries import Example, ExampleText, Query
from indexer.ranking.recommendation import mean_direction
from indexer.storage.generation.row_table import RowTable
from indexer.storage.sqlite.records import StoredChunk
from indexer.storage.sqlite.snapshot import Snapshot


def direction_of(snapshot: Snapshot, rows: RowTable, query: Query) -> Vector:
    """The direction of a query, (d,) float32 of unit length."""
    if query.vector is not None:
        check_model(rows, query.model, "the query's vector")
        return unit_vector(query.vector, rows.vectors.shape[1], "the query's vector")
    if query.text is not None:
        raise InvalidQuery("a text query needs its vector beside it: use indexer.retrieval.search")
    examples = query_examples(snapshot, rows, query)
    return mean_direction(examples.liked, examples.unliked)


def check_model(rows: RowTable, model: str | None, what: str) -> None:
    """Raise ModelChanged unless what a model computed is of the collection's model."""
    if model is not None and not rows.identity.made(model):
        raise ModelChanged(
            f"{what} is of another model than {rows.identity.name!r}, "
            "which the collection has gone over to: embed it again"
        )


def query_examples(snapshot: Snapshot, rows: RowTable, query: Query) -> Examples:
    """The directions of a query's examples."""
    check_model(rows, query.model, "an example's vector")
    stored = vectors_of(snapshot, rows, query.example_ids)
    return examples_of(stored, rows.vectors.shape[1], query.like, query.unlike)


def vectors_of(snapshot: Snapshot, rows: RowTable, ids: Iterable[str]) -> dict[str, StoredVectors]:
    """The chunks and vectors of those of these documents that exist."""
    owners = {old.number: id for id, old in snapshot.stored(ids).items()}
    chunks = snapshot.chunks_of(rows.generation, owners)
    return {
        owners[number]: _gather(rows, list(run))
        for number, run in groupby(chunks, key=lambda chunk: chunk.document)
    }


def _gather(rows: RowTable, chunks: list[StoredChunk]) -> StoredVectors:
    numbers = [chunk.row for chunk in chunks]
    if min(numbers) < 0 or max(numbers) >= len(rows.vectors):
        raise Damaged(f"a chunk is of a row among {numbers[:9]} that is none: see `bearing verify`")
    vectors = np.array(rows.vectors[numbers])
    return StoredVectors(tuple(chunk.chunk for chunk in chunks), vectors)


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
        raise InvalidQuery("an example text needs its vector: use indexer.retrieval.search")
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
