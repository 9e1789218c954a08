"""The directions of queries: of their vectors or of their examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.documents import StoredVectors, Vector, Vectors, normalise
from indexer.embedding.embedder import Identity
from indexer.engine import EngineState
from indexer.errors import InvalidQuery, InvalidVector, ModelChanged, NotFound
from indexer.queries import Example, ExampleText, Query
from indexer.ranking.recommendation import mean_direction


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples as directions: (p, d) and (q, d) float32 unit rows."""

    liked: Vectors
    unliked: Vectors


def directions_of(state: EngineState, queries: Sequence[Query]) -> Vectors:
    """The directions of queries, (q, d)."""
    given = [query.vector for query in queries if query.vector is not None]
    if len(given) == len(queries) and _are_alike(given, state.identity.dimension):
        for model in {query.model for query in queries}:
            require_model(state.identity, model, "the query's vector")
        return normalise(np.stack(given), "the query's vector")
    return np.stack([_direction_of(state, query) for query in queries])


def _are_alike(given: Sequence[Vector], dimension: int) -> bool:
    """Return whether these are arrays of this dimension and one type, to be scaled together."""
    types = {one.dtype if isinstance(one, np.ndarray) else None for one in given}
    return len(types) == 1 and None not in types and {one.shape for one in given} == {(dimension,)}


def _direction_of(state: EngineState, query: Query) -> Vector:
    """The direction of a query, (d,) float32 of unit length."""
    if query.vector is not None:
        require_model(state.identity, query.model, "the query's vector")
        return unit_vector(query.vector, state.identity.dimension, "the query's vector")
    if query.text is not None:
        raise InvalidQuery("a text query needs its vector beside it: use indexer.search")
    examples = examples_of(state, query)
    return mean_direction(examples.liked, examples.unliked)


def examples_of(state: EngineState, query: Query) -> Examples:
    """The directions of a query's examples; a document's is the mean of its chunks'.

    Raises NotFound for an id that is not stored, InvalidVector for a vector without a direction
    or of another dimension.
    """
    require_model(state.identity, query.model, "an example's vector")
    keys = state.keys(query.example_ids)
    found = state.vectors(keys.values())
    stored = {id: found[key] for id, key in keys.items()}
    dimension = state.identity.dimension
    return Examples(*(_side(stored, dimension, side) for side in (query.like, query.unlike)))


def _side(
    stored: Mapping[str, StoredVectors], dimension: int, examples: Sequence[Example]
) -> Vectors:
    if not examples:
        return np.empty((0, dimension), np.float32)
    return np.stack([_direction(stored, dimension, one) for one in examples])


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
    """A given vector scaled to unit length, (d,); raises InvalidVector, which calls it ``what``."""
    vector = np.asarray(given)
    if vector.shape != (dimension,):
        raise InvalidVector(
            f"{what} has {vector.size} components; the collection's have {dimension}"
        )
    unit: Vector = normalise(vector[None, :], what)[0]
    return unit


def require_model(identity: Identity, model: str | None, what: str) -> None:
    """Raise ModelChanged unless the model that computed something is the collection's."""
    if model is not None and not identity.made(model):
        raise ModelChanged(
            f"{what} is of another model than {identity.name!r}, "
            "which the collection has gone over to: embed it again"
        )
