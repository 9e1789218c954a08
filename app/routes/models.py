"""Trained models: what there is, and which of it serves a collection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from fastapi import APIRouter, Request, Response
from starlette.types import Scope

from app.access.roles import Role
from app.http.problems import describe
from app.middleware.audit import note_counts
from app.routes.imports import NDJSON, Conversation, failure_line, report_line
from app.routing.requests import BoundedRoute, CollectionName, ServiceNeeded, needs
from app.schemas.models import (
    BrokenModelView,
    ModelsView,
    ModelView,
    PromotionBody,
    PromotionProgress,
    PromotionView,
)
from app.serving.batching import Overloaded
from app.serving.service import Service
from indexer.errors import BearingError
from indexer.library import Library

if TYPE_CHECKING:
    from indexer.learning.gate.promotion import Promoted, RolledBack, Tell

router = APIRouter(tags=["models"], route_class=BoundedRoute)
promotion_router = APIRouter(tags=["models"], route_class=BoundedRoute)

Work: TypeAlias = "Callable[[Tell], Promoted | RolledBack]"

PROGRESS_SECONDS: Final = 1.0


@router.get("/models")
async def list_models(service: ServiceNeeded) -> ModelsView:
    """All that was trained here: data, method, figures before and after, and where it serves."""
    return await service.reads.run(_list, service.library)


@promotion_router.post(
    "/model",
    response_class=Response,
    responses={
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "A line now and then, and the end.",
        }
    },
)
@needs(Role.ADMIN)
async def promote_model(
    name: CollectionName, body: PromotionBody, service: ServiceNeeded, request: Request
) -> Response:
    """Let a trained model or map serve the collection if it is shown to be better, or roll back.

    Answers in JSON Lines: `{"event": "progress", "phase", "done", "total"}` while it is tried and
    documents are embedded, and at the end `{"event": "done", "serves", "verdict", ...}`, or
    `{"event": "failed", "problem": {...}}`. Searching and writing go on. It is finished even if
    the client leaves.
    """
    from indexer.learning.gate.promotion import promote, roll_back
    from indexer.learning.models import Models

    await service.collection(name)
    library = service.library
    if body.model is None:
        return Conversation(
            _told(service, request.scope, lambda tell: roll_back(library, name, tell))
        )
    models, model = Models.of(library.config), body.model
    await service.reads.run(models.read, model)

    def work(tell: Tell) -> Promoted:
        return promote(library, models, model, name, force=body.force, tell=tell)

    return Conversation(_told(service, request.scope, work))


def _list(library: Library) -> ModelsView:
    from indexer.learning.gate.promotion import serving
    from indexer.learning.models import BrokenModel, Models

    models = Models.of(library.config)
    serves = serving(library, models)
    return ModelsView(
        models=[
            BrokenModelView.of(one)
            if isinstance(one, BrokenModel)
            else ModelView.of(one, serves.get(one.name, []))
            for one in models.all()
        ]
    )


async def _told(service: Service, scope: Scope, work: Work) -> AsyncGenerator[bytes, None]:
    """The lines about work in a thread, which goes on if nobody reads them."""
    last: PromotionProgress | None = None

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal last
        last = PromotionProgress(phase=phase, done=done, total=total)

    task = asyncio.ensure_future(service.writes.run(work, tell))
    told = None
    while not (await asyncio.wait({task}, timeout=PROGRESS_SECONDS))[0]:
        if last is not None and last is not told:
            yield report_line(last)
            told = last
    try:
        outcome = PromotionView.of(task.result())
    except (BearingError, Overloaded) as error:
        yield failure_line(describe(scope, error))
        return
    note_counts(scope, documents=outcome.documents)
    yield report_line(outcome)
