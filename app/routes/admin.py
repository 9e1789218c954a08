"""Comparisons of texts, vectors and documents, for studying a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import Response

from app.routing.limits import check_similarity
from app.routing.requests import BoundedRoute, ServiceNeeded, while_connected
from app.schemas.similarity import Point, Reference, SimilarityBody, SimilarityView
from app.serving.service import Service
from indexer.documents import StoredVectors, Vectors, normalise
from indexer.errors import InvalidVector, NotFound
from indexer.similarity import Measure, cosine, pairwise, softmax

router = APIRouter(prefix="/admin", tags=["admin"], route_class=BoundedRoute)

COVARIANCE_SAMPLES = 10_000
"""Stored vectors that mahalanobis estimates its covariance from, at most."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: (n, d) float64 as given, and the truncated texts."""

    vectors: NDArray[np.float64]
    truncated: list[int]


@router.post("/similarity", response_model=SimilarityView)
async def compare(body: SimilarityBody, service: ServiceNeeded, request: Request) -> Response:
    """Every entry of `a` with every entry of `b`, or with every other of `a` if `b` is null.

    Texts are embedded as documents, on both sides, so that `a` and `b` may be exchanged. A stored
    document stands for the direction of the mean of its chunks' vectors. Vectors are taken as
    given: cosine and distance need their direction only (so zero is refused, with its index),
    the other metrics see their magnitude too.

    Metrics: `cosine` a·b/(|a||b|), `cosine_distance` 1 - cosine, `dot` a·b,
    `euclidean` |a-b|, `negative_squared_euclidean` -|a-b|², `manhattan` Σ|aᵢ-bᵢ|,
    `mahalanobis` √((a-b)ᵀΣ⁻¹(a-b)), Σ the covariance of at most 10,000 of the collection's
    vectors, shrunk as Ledoit and Wolf do.
    """
    check_similarity(body, service.settings)
    return await while_connected(request, _compare(body, service))


async def _compare(body: SimilarityBody, service: Service) -> Response:
    a = await _resolve("a", body.a, body.collection, service)
    b = a if body.b is None else await _resolve("b", body.b, body.collection, service)
    samples = None
    if Measure.MAHALANOBIS in body.metrics:
        collection = await service.collection(body.collection)
        samples = await service.reads.run(collection.sample, COVARIANCE_SAMPLES)
    content = await service.reads.run(_encode, body, a, b, samples)
    return Response(content, media_type="application/json")


async def _resolve(name: str, points: Sequence[Point], collection: str, service: Service) -> Side:
    """The vectors of one side, in order; raises NotFound or InvalidVector, naming the place."""
    texts = {place: point for place, point in enumerate(points) if isinstance(point, str)}
    ids = {place: point.id for place, point in enumerate(points) if isinstance(point, Reference)}
    found: dict[int, Any] = {p: point for p, point in enumerate(points) if isinstance(point, list)}
    truncated: list[int] = []
    if texts:
        model = await service.model_of(collection)
        embedded = await model.texts.submit(list(texts.values()))
        found |= {place: one.vector for place, one in zip(texts, embedded, strict=True)}
        truncated = [place for place, one in zip(texts, embedded, strict=True) if one.truncated]
    if ids:
        stored = await _stored(name, ids, collection, service)
        found |= dict(zip(ids, stored, strict=True))
    return Side(_stack(name, [found[place] for place in range(len(points))]), truncated)


async def _stored(
    name: str, ids: dict[int, str], collection: str, service: Service
) -> Sequence[Vectors]:
    opened = await service.collection(collection)
    stored = await service.reads.run(opened.vectors, list(ids.values()))
    for (place, id), one in zip(ids.items(), stored, strict=True):
        if one is None:
            raise NotFound(f"{name}[{place}]: there is no document {id!r} in {collection!r}")
    return [_mean_direction(one) for one in stored if one is not None]


def _mean_direction(stored: StoredVectors) -> Vectors:
    mean: Vectors = normalise(stored.vectors.mean(axis=0, dtype=np.float64)[None])[0]
    return mean


def _stack(name: str, vectors: Sequence[Any]) -> NDArray[np.float64]:
    dimension = len(vectors[0])
    for place, vector in enumerate(vectors):
        if len(vector) != dimension:
            raise InvalidVector(
                f"{name}[{place}] has dimension {len(vector)}, but {name}[0] has {dimension}: "
                "all must be of one dimension (that of the collection, if texts or ids are there)"
            )
    return np.asarray(vectors, dtype=np.float64)


def _encode(body: SimilarityBody, a: Side, b: Side, samples: Vectors | None) -> bytes:
    similarity = cosine(a.vectors, b.vectors)
    answer: dict[str, Any] = {
        "similarity": similarity,
        "distance": 1.0 - similarity,
        "metrics": {
            metric.value: pairwise(metric, a.vectors, b.vectors, samples=samples)
            for metric in dict.fromkeys(body.metrics)
        },
        "truncated": {"a": a.truncated, "b": b.truncated},
    }
    if body.temperature is not None:
        answer["probabilities"] = softmax(similarity, body.temperature)
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
