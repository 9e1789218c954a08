"""Searches."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request

from app.limits import check_depths, check_searches
from app.requests import BoundedRoute, CollectionName, ServiceNeeded, needs, while_connected
from app.roles import Role
from app.schemas import BatchBody, BatchView, SearchBody, SearchView, Took

router = APIRouter(tags=["search"], route_class=BoundedRoute)


@router.post("/search", response_model_exclude_unset=True)
@needs(Role.SEARCH)
async def search(
    body: SearchBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> SearchView:
    """The k documents that answer best, best first.

    By a text (`query`), a `vector`, or examples (`like`, `unlike`). A score is a cosine: larger
    is closer, and negative ones are hits like any other.
    """
    batch = await _search(BatchBody(searches=[body]), name, service, request)
    return batch.results[0]


@router.post("/search/batch", response_model_exclude_unset=True)
@needs(Role.SEARCH)
async def search_batch(
    body: BatchBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> BatchView:
    """The result of each search, in order; they are embedded and searched together."""
    return await _search(body, name, service, request)


async def _search(
    body: BatchBody, name: str, service: ServiceNeeded, request: Request
) -> BatchView:
    started = time.perf_counter()
    check_searches(body.searches, service.settings)
    queries = [one.to_query() for one in body.searches]
    check_depths(queries, service.settings)
    searched = await while_connected(request, service.search(name, queries))
    total = 1e3 * (time.perf_counter() - started)
    took = Took(
        embed=round(searched.embed_ms, 3),
        search=round(searched.search_ms, 3),
        total=round(total, 3),
    )
    return BatchView(
        results=[
            SearchView.of(answer, took, grouped=query.group_by is not None)
            for query, answer in zip(queries, searched.answers, strict=True)
        ]
    )
