"""Searches."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson
from fastapi import APIRouter, Request, Response

from app.access.roles import Role
from app.http.search_response import Plain, plain_answer
from app.routing.limits import check_depths, check_searches
from app.routing.requests import CollectionName, DirectRoute, ServiceNeeded, needs, while_connected
from app.schemas.search import BatchBody, BatchView, SearchBody, SearchView

router = APIRouter(tags=["search"], route_class=DirectRoute)


@router.post("/search", response_model=SearchView)
@needs(Role.SEARCH)
async def search(
    body: SearchBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> Response:
    """The k documents that answer best, best first.

    By a text (`query`), a `vector`, or examples (`like`, `unlike`). A score is a cosine: larger
    is closer, and negative ones are hits like any other.
    """
    (answer,) = await _search([body], name, service, request)
    return _respond(answer)


@router.post("/search/batch", response_model=BatchView)
@needs(Role.SEARCH)
async def search_batch(
    body: BatchBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> Response:
    """The answer to each search, in order; they are embedded and searched together."""
    return _respond({"results": await _search(body.searches, name, service, request)})


async def _search(
    bodies: Sequence[SearchBody], name: str, service: ServiceNeeded, request: Request
) -> list[Plain]:
    started = time.perf_counter()
    check_searches(bodies, service.settings)
    queries = [one.to_query() for one in bodies]
    check_depths(queries, service.settings)
    searched = await while_connected(request, service.search(name, queries))
    took_ms = {
        "embed": round(searched.embed_ms, 3),
        "search": round(searched.search_ms, 3),
        "total": round(1e3 * (time.perf_counter() - started), 3),
    }
    return [
        plain_answer(answer, took_ms, grouped=query.group_by is not None)
        for query, answer in zip(queries, searched.answers, strict=True)
    ]


def _respond(content: Plain) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
