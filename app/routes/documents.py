"""Documents: write, list, get, delete. The import of many is beside this."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from app.access.roles import Role
from app.middleware.audit import note_counts
from app.routing.brought import brought_by, check_trust
from app.routing.images import content_of
from app.routing.limits import check_documents, check_ids, check_page
from app.routing.parameters import parse_filter_text
from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded, needs
from app.schemas.documents import (
    AnyDocumentBody,
    DeleteBody,
    DeletedView,
    DocumentsBody,
    DocumentView,
    PageParameters,
    PageView,
    PictureBody,
    TracedView,
    WriteParameters,
    WrittenView,
)
from indexer.errors import NotFound
from indexer.facets import Count
from indexer.filters import parse_filter
from indexer.readers import Illustrated, Read
from indexer.readers.reading import VectorTrust
from indexer.readers.repeats import Repeats

router = APIRouter(tags=["documents"], route_class=BoundedRoute)

Id = Annotated[str, Path(alias="id", description="A document's id; it may hold slashes.")]


@router.put("/documents")
@needs(Role.WRITE)
async def put_documents(
    body: DocumentsBody,
    parameters: Annotated[WriteParameters, Query()],
    name: CollectionName,
    service: ServiceNeeded,
    request: Request,
) -> WrittenView:
    """Add or replace documents; they are durable and searchable when this answers.

    Documents stored already with the same content are neither embedded nor written again. One that
    brings its `vector` is not embedded at all.
    """
    check_trust(parameters.vectors, request.scope)
    check_documents(body.documents, service.settings)
    collection = await service.writable(name)
    reads = await service.reads.run(_reads, body.documents, parameters.vectors)
    stored = await service.store_all(collection, reads)
    changed = stored.written + stored.amended
    note_counts(request.scope, written=changed, unchanged=stored.unchanged)
    return WrittenView(
        written=changed,
        unchanged=stored.unchanged,
        repeated=Repeats().count([one.id for one in body.documents]),
        truncated=list(stored.truncated),
        unknown=list(stored.unknown),
    )


@router.post("/documents/delete")
@needs(Role.WRITE)
async def delete_documents(
    body: DeleteBody, name: CollectionName, service: ServiceNeeded, request: Request
) -> DeletedView:
    """Delete documents by ids or by a filter; ids that do not exist are not counted."""
    check_ids(body.ids or (), service.settings)
    condition = parse_filter(body.filter)
    collection = await service.collection(name)
    if condition is None:
        deleted = await service.writes.run(collection.delete, body.ids or [])
    else:
        deleted = await service.writes.run(collection.delete_matching, condition)
    note_counts(request.scope, deleted=deleted)
    return DeletedView(deleted=deleted)


@router.get("/documents")
async def list_documents(
    parameters: Annotated[PageParameters, Query()], name: CollectionName, service: ServiceNeeded
) -> PageView:
    """Documents in insertion order or by `sort`, a page at a time; `cursor` leads to the next.

    Pages hold together while documents are written: what stays as it is comes once.
    """
    check_page(parameters, service.settings)
    condition = parse_filter_text(parameters.filter)
    collection = await service.collection(name)
    page = await service.reads.run(
        collection.page,
        condition,
        parameters.cursor,
        parameters.limit,
        parameters.to_order(),
        count=Count() if parameters.total else None,
    )
    return PageView(
        documents=[DocumentView.of(one) for one in page.documents],
        cursor=page.cursor,
        total=page.total,
    )


@router.get("/documents/{id:path}")
async def get_document(id: Id, name: CollectionName, service: ServiceNeeded) -> TracedView:
    """A document, and the files of sources that give it."""
    collection = await service.collection(name)
    document = (await service.reads.run(collection.get, [id]))[0]
    if document is None:
        raise NotFound(f"there is no document {id!r} in {name!r}")
    return TracedView.traced(document, await service.reads.run(collection.trace, id))


@router.delete("/documents/{id:path}", status_code=HTTPStatus.NO_CONTENT)
@needs(Role.WRITE)
async def delete_document(id: Id, name: CollectionName, service: ServiceNeeded) -> None:
    """Delete a document."""
    collection = await service.collection(name)
    if not await service.writes.run(collection.delete, [id]):
        raise NotFound(f"there is no document {id!r} in {name!r}")


def _reads(bodies: Sequence[AnyDocumentBody], trust: VectorTrust) -> list[Read]:
    """The documents with the vectors that they bring, and with the bytes of pictures.

    Raises InvalidInput.
    """
    reads: list[Read] = []
    for place, one in enumerate(bodies):
        document = one.to_document()
        if isinstance(one, PictureBody):
            where = f"documents[{place}].image"
            item = Illustrated(document, content_of(one.image, where), where)
            reads.append(Read(item, place))
        else:
            reads.append(Read(document, place, brought=brought_by(one, place, trust)))
    return reads
