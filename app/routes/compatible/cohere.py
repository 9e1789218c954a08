"""Cohere's reranking, for its clients."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field

from app.requests import BoundedRoute, ServiceNeeded, needs, while_connected
from app.roles import Role
from app.routes.compatible.ranking import Ranking, rank_by_cosine, rank_by_reading
from app.routes.compatible.vectors import Fit, check_texts
from app.schemas import Given, Returned, Whole
from app.service import Service


class RefusalView(Returned):
    """An error, as Cohere's clients read it."""

    id: str | None
    message: str


router = APIRouter(
    prefix="/v2",
    tags=["Cohere"],
    route_class=BoundedRoute,
    responses={"default": {"model": RefusalView, "description": "What went wrong."}},
)


class RerankBody(Given):
    """A query, and texts to hold against it."""

    model: str = Field(
        description="The model that ranks: the cross-encoder, as /info names it, or an embedding "
        "model, as /v1/models does."
    )
    query: str
    documents: list[str] = Field(min_length=1)
    top_n: Whole | None = Field(None, ge=1, description="Only so many of the best.")
    max_tokens_per_doc: Whole | None = Field(
        None, ge=1, description="Look at the beginning of each document only."
    )
    priority: Whole | None = Field(None, description="Accepted; requests are served in turn.")


class RankedView(Returned):
    """A text's place among those that were given, and its relevance in [0, 1]."""

    index: int
    relevance_score: float


class VersionView(Returned):
    """Which of Cohere's APIs this is."""

    version: Literal["2"] = "2"


class MetaView(Returned):
    """What is to be known of an answer."""

    api_version: VersionView = VersionView()
    warnings: list[str]


class RerankView(Returned):
    """Texts by their relevance, the best first."""

    id: str
    results: list[RankedView]
    meta: MetaView


@router.post("/rerank")
@needs(Role.SEARCH)
async def rerank(body: RerankBody, service: ServiceNeeded, request: Request) -> RerankView:
    """Texts by how well they answer a query, as Cohere's service answers.

    Ranked by the cross-encoder if that is the model named, else by the cosine of an embedding
    model's vectors, where relevance is (1 + cosine) / 2. `meta.warnings` says which.
    """
    check_texts("documents", [*body.documents, body.query], service)
    ranking = await while_connected(request, _rank(body, service))
    return RerankView(
        id=request.state.request_id,
        results=[
            RankedView(index=place, relevance_score=ranking.relevance[place])
            for place in ranking.best(body.top_n)
        ],
        meta=MetaView(warnings=ranking.remarks()),
    )


async def _rank(body: RerankBody, service: Service) -> Ranking:
    reranker = service.settings.reranker
    is_judge = bool(reranker) and body.model == reranker
    model = await (service.default_model() if is_judge else service.model(body.model))
    fit = Fit(tokens=body.max_tokens_per_doc)
    fitted = await fit.apply("documents", body.documents, model, service)
    if is_judge:
        return await rank_by_reading(body.query, fitted, service)
    return await rank_by_cosine(body.query, fitted, model, service)
