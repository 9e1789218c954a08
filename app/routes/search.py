"""Searches."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson
from fastapi import APIRouter, Request, Response

from app.access.roles import Role
from app.http.search_response import Plain, plain_answer
from app.routing.images import content_of
from app.routing.limits import check_depths, check_searches
from app.routing.requests import CollectionName, DirectRoute, ServiceNeeded, needs, while_connected
from app.schemas.search import BatchBody, BatchView, SearchBody, SearchView
from indexer.documents import Vector

router = APIRouter(tags=["search"], route_class=DirectRoute)


@router.post("/search", response_model=SearchView)
@needs(Role.SEARCH)
async def search(
    body: SearchBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> Response:
    """The k documents that answer best, best first.

    By a text (`query`), a `vector`, an `image`, or examples (`like`, `unlike`). A score is a
    cosine: larger is closer, and negative ones are hits like any other.
    """
    (answer,) = await answers_to([body], name, service, request)
    return _respond(answer)


@router.post("/search/batch", response_model=BatchView)
@needs(Role.SEARCH)
async def search_batch(
    body: BatchBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> Response:
    """The answer to each search, in order; they are embedded and searched together."""
    return _respond({"results": await answers_to(body.searches, name, service, request)})


async def answers_to(
    bodies: Sequence[SearchBody], name: str, service: ServiceNeeded, request: Request
) -> list[Plain]:
    """The answer to each search, in order."""
    started = time.perf_counter()
    check_searches(bodies, service.settings)
    seen: list[Vector | None] = [None] * len(bodies)
    if any(body.image is not None for body in bodies):
        seen = await while_connected(request, _seen(bodies, name, service))
    queries = [one.to_query(vector) for one, vector in zip(bodies, seen, strict=True)]
    check_depths(queries, service.settings)
    searched = await while_connected(request, service.search(name, queries))
    took_ms = {
        "embed": round(searched.embed_ms, 3),
        "search": round(searched.search_ms, 3),
        "total": round(1e3 * (time.perf_counter() - started), 3),
    }
    return [
        plain_answer(query, answer, took_ms)
        for query, answer in zip(queries, searched.answers, strict=True)
    ]


async def _seen(
    bodies: Sequence[SearchBody], name: str, service: ServiceNeeded
) -> list[Vector | None]:
    """The vector of each search's image; None for a search without."""
    given = {place: body.image for place, body in enumerate(bodies) if body.image is not None}
    names = [f"searches[{place}].image" if len(bodies) > 1 else "image" for place in given]
    contents = [
        await service.reads.run(content_of, image, where)
        for image, where in zip(given.values(), names, strict=True)
    ]
    vectors = dict(zip(given, await service.see(name, contents, names), strict=True))
    return [vectors.get(place) for place in range(len(bodies))]


def _respond(content: Plain) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
