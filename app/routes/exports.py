"""The export: documents with their vectors as JSON Lines, of any number, read while sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from app.routes.imports import NDJSON
from app.routing.parameters import parse_filter_text
from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded
from app.schemas.documents import ExportParameters
from app.serving.service import Service
from indexer.collection import Collection
from indexer.export.lines import line_of
from indexer.export.stored import exported
from indexer.filters import Filter

router = APIRouter(tags=["documents"], route_class=BoundedRoute)

PIECE_BYTES: Final = 256 * 1024
"""Bytes that are sent together, at least."""


@router.get(
    "/documents/export",
    response_class=Response,
    responses={
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A line for each document, with its vectors; without its last chunk "
            "where it was cut.",
        }
    },
)
async def export_documents(
    parameters: Annotated[ExportParameters, Query()], name: CollectionName, service: ServiceNeeded
) -> Response:
    """All documents that pass a filter, with their vectors, one JSON object a line.

    An import takes what this answers, and makes an equal collection of it without embedding
    anything. Memory stays bounded. Of documents written meanwhile, some come.
    """
    condition = parse_filter_text(parameters.filter)
    collection = await service.collection(name)
    pieces = _pieces(collection, condition)
    first = await service.reads.run(next, pieces, b"")  # a problem is told by the answer's status
    return StreamingResponse(_sent(service, pieces, first), media_type=NDJSON)


async def _sent(service: Service, pieces: Iterator[bytes], first: bytes) -> AsyncIterator[bytes]:
    piece = first
    while piece:
        yield piece
        piece = await service.reads.run(next, pieces, b"")


def _pieces(collection: Collection, condition: Filter | None) -> Iterator[bytes]:
    """The lines, some together."""
    identity = collection.identity
    piece = bytearray()
    for one in exported(collection, identity, condition):
        piece += line_of(one, identity.mark)
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
