"""Collections: list, describe, create, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response

from app.routing.requests import BoundedRoute, ServiceNeeded
from app.schemas.collections import (
    BrokenView,
    CollectionBody,
    CollectionsView,
    CollectionView,
    DiagnosticsView,
    ExamplesParameters,
    ExamplesView,
    FieldsParameters,
    FieldsView,
    FieldView,
)
from indexer.analysis.diagnostics import report
from indexer.errors import AlreadyExists, InvalidInput, ModelError
from indexer.index_choice import USUAL_CHUNKING
from indexer.library import Library
from indexer.reports import Broken, Description, Step

router = APIRouter(tags=["collections"], route_class=BoundedRoute)

Name = Annotated[str, Path(alias="collection", description="A collection.")]


@router.get("/collections")
async def list_collections(service: ServiceNeeded) -> CollectionsView:
    """All collections; one that cannot be opened is listed with its error."""
    found = await service.reads.run(service.describe_all)
    return CollectionsView(collections=[_view(one) for one in found])


@router.get("/collections/{collection}")
async def describe_collection(name: Name, service: ServiceNeeded) -> CollectionView:
    """A summary of a collection."""
    described = await service.reads.run(service.describe, name)
    return CollectionView.of(described)


@router.get("/collections/{collection}/diagnostics")
async def diagnose_collection(name: Name, service: ServiceNeeded) -> DiagnosticsView:
    """Diagnostics of its vectors, with advice; estimated from samples, in seconds.

    Duplicates, alignment and uniformity, effective dimension, hubs, truncated documents, and the
    fit of the distribution behind `significance`.
    """
    collection = await service.collection(name)
    figures = await service.writes.run(collection.diagnose, _hear_nothing)
    return DiagnosticsView.model_validate(report(figures))


@router.get("/collections/{collection}/fields")
async def list_fields(
    parameters: Annotated[FieldsParameters, Query()], name: Name, service: ServiceNeeded
) -> FieldsView:
    """The metadata fields that filters may name, with the values that most documents have.

    Reads every value of every document: seconds where there are millions of them.
    """
    collection = await service.collection(name)
    fields = await service.reads.run(collection.fields, parameters.limit, parameters.common)
    return FieldsView(fields=[FieldView.of(one) for one in fields])


@router.get("/collections/{collection}/examples")
async def list_examples(
    parameters: Annotated[ExamplesParameters, Query()], name: Name, service: ServiceNeeded
) -> ExamplesView:
    """Queries to begin with, in the words of its documents, spread over what they are about.

    Each is a document's title, or its first sentence; none where documents have neither in short.
    """
    collection = await service.collection(name)
    queries = await service.reads.run(collection.examples, parameters.limit)
    return ExamplesView(queries=queries)


@router.put(
    "/collections/{collection}",
    responses={HTTPStatus.CREATED: {"model": CollectionView, "description": "It is made."}},
)
async def create_collection(
    name: Name,
    service: ServiceNeeded,
    response: Response,
    body: Annotated[CollectionBody | None, Body()] = None,
) -> CollectionView:
    """Create a collection, which keeps its model for ever; an existing one is left as it is.

    Another model than the collection's is refused (409), and so are another language and another
    way to cut documents (422).
    """
    wanted = body or CollectionBody.model_validate({})
    view, created = await service.writes.run(_create, service.library, name, wanted)
    response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
    return view


@router.delete("/collections/{collection}", status_code=HTTPStatus.NO_CONTENT)
async def delete_collection(name: Name, service: ServiceNeeded) -> None:
    """Delete a collection with all that is in it."""
    await service.delete(name)


def _hear_nothing(_: Step) -> None:
    """Ignore progress, which is for terminals."""


def _view(one: Description | Broken) -> CollectionView | BrokenView:
    if isinstance(one, Broken):
        return BrokenView(name=one.name, error=str(one.error))
    return CollectionView.of(one)


def _create(library: Library, name: str, body: CollectionBody) -> tuple[CollectionView, bool]:
    chunking = body.chunking.to_chunking() if body.chunking else None
    try:
        try:
            collection = library.create(name, body.model, body.language, chunking or USUAL_CHUNKING)
            created = True
        except AlreadyExists:
            collection, created = library.obtain(name, body.model, body.language), False
    except ModelError as error:
        # The client chose the model, so the fault is the client's, not the service's.
        raise InvalidInput(f"model: {error}") from error
    if chunking is not None and collection.identity.chunking != chunking:
        raise InvalidInput(
            f"collection {name!r} cuts its documents by {collection.identity.chunking.plain}: "
            f"POST /collections/{name}/reindex cuts them anew"
        )
    return CollectionView.of(library.describe(name)), created
