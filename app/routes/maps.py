"""The map of a collection: its state, the points of its documents, and values to colour them by.

Long answers are compressed if the client accepts that, and not sent again while unchanged.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response

from app.http.problems import Problem
from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded
from app.schemas.maps import ColumnParameters, ColumnView, MapView, PointsParameters, PointsView
from indexer.analysis.colouring import column_of
from indexer.collection import Collection
from indexer.reports import Map, MapState

router = APIRouter(tags=["map"], route_class=BoundedRoute)

RETRY_SECONDS: Final = 1
DIGITS: Final = 5
"""Digits of a coordinate: a map can be magnified a hundred times before rounding shows."""

_COMPRESSION: Final = 5
_BUILDING: Final[Mapping[int | str, dict[str, Any]]] = {
    HTTPStatus.ACCEPTED: {"model": MapView, "description": "It is being drawn; ask again."}
}


@router.get("/map", response_model=MapView, responses=dict(_BUILDING))
async def show_map(request: Request, name: CollectionName, service: ServiceNeeded) -> Response:
    """The state of the collection's map: the progress of its drawing, its clusters and its quality.

    If documents have changed since it was drawn, asking for it redraws it in the background.
    """
    collection = await service.collection(name)
    found, content = await service.reads.run(_describe, collection)
    if found.state is MapState.BUILDING:
        return _later(content)
    tag = found.version if found.state is MapState.READY else ""  # else it reports progress
    return _answer(request, content, tag)


@router.get("/map/points", response_model=PointsView, responses=dict(_BUILDING))
async def show_map_points(
    parameters: Annotated[PointsParameters, Query()],
    request: Request,
    name: CollectionName,
    service: ServiceNeeded,
) -> Response:
    """The coordinates of each document, in an order in which any first part is a fair sample."""
    collection = await service.collection(name)
    found, content = await service.reads.run(_points, collection, parameters.limit)
    if found.state is MapState.BUILDING:
        return _later(content)
    return await service.reads.run(_answer, request, content, f"{found.version}-{parameters.limit}")


@router.get("/map/values", response_model=ColumnView, responses=dict(_BUILDING))
async def show_map_values(
    parameters: Annotated[ColumnParameters, Query()],
    request: Request,
    name: CollectionName,
    service: ServiceNeeded,
) -> Response:
    """The value of a metadata field in each document, in the order of the points."""
    collection = await service.collection(name)
    found, content = await service.reads.run(_values, collection, parameters)
    if found.state is MapState.BUILDING:
        return _later(content)
    tag = f"{found.version}-{parameters.limit}-{parameters.field.encode().hex()}"
    return await service.reads.run(_answer, request, content, tag)


def _describe(collection: Collection) -> tuple[Map, bytes]:
    found = collection.map()
    return found, MapView.of(found).model_dump_json().encode()


def _points(collection: Collection, limit: int) -> tuple[Map, bytes]:
    found = collection.map()
    if found.state is MapState.BUILDING:
        return found, MapView.of(found).model_dump_json().encode()
    places = np.round(found.places[:limit], DIGITS)
    content = {
        "version": found.version,
        "ids": found.ids[:limit],
        "x": np.ascontiguousarray(places[:, 0]),
        "y": np.ascontiguousarray(places[:, 1]),
        "cluster": found.clusters[:limit],
    }
    return found, orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def _values(collection: Collection, asked: ColumnParameters) -> tuple[Map, bytes]:
    found = collection.map()
    if found.state is MapState.BUILDING:
        return found, MapView.of(found).model_dump_json().encode()
    by_id = collection.column(asked.field)
    if not by_id:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"field: no document of {collection.name!r} has {asked.field[:80]!r} in its metadata",
        )
    column = column_of([by_id.get(id) for id in found.ids[: asked.limit]])
    content = {
        "version": found.version,
        "field": asked.field,
        "kind": column.kind,
        "categories": [
            {"value": value, "documents": documents} for value, documents in column.categories
        ],
        "values": column.values,
    }
    return found, orjson.dumps(content)


def _later(content: bytes) -> Response:
    return Response(
        content,
        HTTPStatus.ACCEPTED,
        {"retry-after": str(RETRY_SECONDS), "cache-control": "no-store"},
        "application/json",
    )


def _answer(request: Request, content: bytes, tag: str) -> Response:
    """The content, or 304 if the client has this version; an empty tag is never cached."""
    headers = {"vary": "accept-encoding", "cache-control": "no-cache"}
    if tag:
        headers["etag"] = f'W/"{tag}"'
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        content = gzip.compress(content, _COMPRESSION, mtime=0)
    return Response(content, headers=headers, media_type="application/json")
