"""The pictures of documents, small and as they are. They are sent by the routes of documents.

A picture that stays where it was indexed is read only if it is still the file that it was. Nothing
in a request names a path.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded
from app.schemas.documents import DocumentView
from indexer.collection import Collection
from indexer.documents import Document
from indexer.errors import NotFound
from indexer.ingestion.pictures import original_of

router = APIRouter(tags=["documents"], route_class=BoundedRoute)

Id = Annotated[str, Path(alias="id", description="A document's id; it may hold slashes.")]

JPEG: Final = "image/jpeg"

HEADERS: Final = {
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'; sandbox",
    "content-disposition": "inline",
}
"""A browser keeps it, asks whether it is still the same, and runs nothing that is in it."""

_BINARY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "It is still the one that `If-None-Match` names."},
    410: {"description": "The picture is no longer where it was indexed."},
}


@router.get("/documents/{id:path}/thumbnail", response_class=Response, responses=_BINARY)
async def get_thumbnail(
    id: Id, name: CollectionName, service: ServiceNeeded, request: Request
) -> Response:
    """A document's picture as a JPEG of at most 320 pixels a side."""
    collection = await service.collection(name)
    if whole := await service.reads.run(_named_so, collection, f"{id}/thumbnail"):
        return whole
    found = await service.reads.run(collection.thumbnail, id)
    if found is None:
        raise NotFound(f"there is no document {id!r} with a picture in {name!r}")
    return _answer(request, found, JPEG)


@router.get("/documents/{id:path}/picture", response_class=Response, responses=_BINARY)
async def get_picture(
    id: Id, name: CollectionName, service: ServiceNeeded, request: Request
) -> Response:
    """A document's picture as it was given; 410 if it is gone from where it was indexed."""
    collection = await service.collection(name)
    if whole := await service.reads.run(_named_so, collection, f"{id}/picture"):
        return whole
    (document,) = await service.reads.run(collection.get, [id])
    if document is None or document.picture is None:
        raise NotFound(f"there is no document {id!r} with a picture in {name!r}")
    content = await service.reads.run(original_of, collection, document)
    return _answer(request, content, document.picture.media_type)


def _named_so(collection: Collection, id: str) -> Response | None:
    """The document whose id ends like the route, if there is one: ids may hold slashes."""
    document: Document | None
    (document,) = collection.get([id])
    if document is None:
        return None
    view = DocumentView.of(document)
    return Response(view.model_dump_json(), media_type="application/json")


def _answer(request: Request, content: bytes, media_type: str) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = HEADERS | {"etag": tag}
    known = {one.strip().removeprefix("W/") for one in _tags(request)}
    if tag in known or "*" in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _tags(request: Request) -> list[str]:
    return request.headers.get("if-none-match", "").split(",")
