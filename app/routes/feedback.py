"""Judgements of users on hits: taken where that is turned on, read and deleted by admins."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from fastapi import APIRouter, Request, Response

from app.access.roles import Role
from app.http.problems import Problem
from app.middleware.audit import note_counts
from app.routes.imports import NDJSON
from app.routing.limits import check_judgement
from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded, needs
from app.schemas.documents import DeletedView
from app.schemas.feedback import FeedbackBody
from app.settings import Collected
from indexer.collection import Collection

router = APIRouter(tags=["feedback"], route_class=BoundedRoute)


@router.post("/feedback", status_code=HTTPStatus.NO_CONTENT)
@needs(Role.SEARCH)
async def take_feedback(body: FeedbackBody, name: CollectionName, service: ServiceNeeded) -> None:
    """Keep a judgement, durably: `query`, `id`, and one of `relevant`, `clicked` and `rank`.

    Answers 409 where BEARING_FEEDBACK is `off`, as it is unless set; 404 for a document that is
    not there.
    """
    settings = service.settings
    if settings.feedback is Collected.OFF:
        raise Problem(
            HTTPStatus.CONFLICT,
            "no judgements are kept here: BEARING_FEEDBACK (texts or hashes) turns that on",
        )
    check_judgement(body.query, settings)
    collection = await service.collection(name)

    def keep() -> None:
        hashed = settings.feedback is Collected.HASHES
        collection.feedback.add(body.to_judgement(), most=settings.max_feedback, hashed=hashed)

    await service.writes.run(keep)


@router.get(
    "/feedback",
    response_class=Response,
    responses={
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A judgement a line, as `bearing train` reads them.",
        }
    },
)
@needs(Role.ADMIN)
async def export_feedback(name: CollectionName, service: ServiceNeeded) -> Response:
    """The judgements of documents that exist, the oldest first.

    Of several on one query and document the last counts.
    """
    collection = await service.collection(name)
    return Response(await service.reads.run(_lines, collection), media_type=NDJSON)


@router.delete("/feedback")
@needs(Role.ADMIN)
async def clear_feedback(
    name: CollectionName, service: ServiceNeeded, request: Request
) -> DeletedView:
    """Delete all judgements of the collection."""
    collection = await service.collection(name)
    deleted = await service.writes.run(lambda: collection.feedback.clear())
    note_counts(request.scope, deleted=deleted)
    return DeletedView(deleted=deleted)


def _lines(collection: Collection) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in collection.feedback.read())
