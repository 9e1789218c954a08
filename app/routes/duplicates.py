"""Documents that are copies of others, beside what they are copies of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded
from app.schemas.duplicates import DuplicatesParameters, DuplicatesView, ids_in
from indexer.collection import Collection
from indexer.reports import Step
from indexer.retrieval.duplicates import find_duplicates

router = APIRouter(tags=["documents"], route_class=BoundedRoute)


@router.get("/duplicates")
async def list_duplicates(
    parameters: Annotated[DuplicatesParameters, Query()],
    name: CollectionName,
    service: ServiceNeeded,
) -> DuplicatesView:
    """Documents that are copies of others: texts that are equal or similar, and pictures.

    Pictures are found if they were resized, recompressed, mirrored or cropped. A text is similar
    to one that is nearer than a tenth of the distance of random ones, by their vectors.
    """
    collection = await service.collection(name)
    return await service.writes.run(_find, collection, parameters)


def _find(collection: Collection, asked: DuplicatesParameters) -> DuplicatesView:
    found = find_duplicates(collection, _hear_nothing, asked.documents)
    ids = ids_in(found, asked.limit)
    known = {one.id: one for one in collection.get(ids) if one is not None}
    return DuplicatesView.of(found, asked.limit, known)


def _hear_nothing(step: Step) -> None:
    """A request has no place to report progress to."""
