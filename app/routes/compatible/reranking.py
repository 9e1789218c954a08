"""Reranking like Jina's, and nearly the same in Cohere's first API, Voyage and vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.access.roles import Role
from app.routes.compatible.ranking import Ranking, rank, rank_by_cosine, rank_by_reading
from app.routes.compatible.vectors import IGNORED, Fit, Lenient, PassedOver, check_texts
from app.routing.requests import BoundedRoute, ServiceNeeded, needs, while_connected
from app.schemas.base import Returned, Whole
from app.serving.service import Service


class RefusalView(Returned):
    """An error, as these tools' clients read it."""

    id: str | None
    message: str
    detail: str


router = APIRouter(
    tags=["Reranking"],
    route_class=BoundedRoute,
    responses={"default": {"model": RefusalView, "description": "What went wrong."}},
)


class TextDocument(BaseModel):
    """A document whose text is in a field of its own; its other fields are the user's."""

    model_config = ConfigDict(frozen=True, strict=True)

    text: str


DocumentToRank: TypeAlias = Annotated[str | TextDocument, Field(description="A text.")]


def texts_of(documents: Sequence[str | TextDocument]) -> list[str]:
    """The texts of documents that may be objects."""
    return [one if isinstance(one, str) else one.text for one in documents]


class RerankDocumentsBody(Lenient):
    """A query, and documents to rank by it."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset(
        {"rank_fields", "max_chunks_per_doc", "priority", "user", "return_embeddings"}
    )

    query: str
    documents: list[DocumentToRank] = Field(min_length=1)
    model: str | None = Field(
        None,
        description="The model that ranks: the cross-encoder, as /info names it, or an embedding "
        "model, as /v1/models does. Without one, what /rerank ranks by.",
    )
    top_n: Whole | None = Field(None, ge=1, description="Only so many of the best.")
    top_k: Whole | None = Field(None, ge=1, description="Voyage's word for top_n.")
    return_documents: bool = Field(False, description="Add each document.")
    max_tokens_per_doc: Whole | None = Field(
        None, ge=1, description="Look at the beginning of each document only."
    )
    truncation: bool | None = Field(
        None, description="Voyage's; false refuses a document that is too long."
    )
    rank_fields: PassedOver = None
    max_chunks_per_doc: PassedOver = None
    priority: PassedOver = None
    user: PassedOver = None
    return_embeddings: PassedOver = None

    @property
    def texts(self) -> list[str]:
        """The documents as texts."""
        return texts_of(self.documents)


class DocumentView(Returned):
    """A document that was ranked."""

    text: str


class RankedDocumentView(Returned):
    """A document's place among those that were given, and its relevance in [0, 1]."""

    index: int
    relevance_score: float
    document: DocumentView | str | None = None


class RerankUsageView(Returned):
    """Not counted: 0."""

    total_tokens: int = 0


class RerankVersionView(Returned):
    """The version of Cohere's API."""

    version: Literal["1"] = "1"


class RerankMetaView(Returned):
    """Metadata of an answer."""

    api_version: RerankVersionView
    warnings: list[str]


class RankedDocumentsView(Returned):
    """Documents by their relevance, the best first; Voyage's clients read `data`."""

    id: str
    object: Literal["list"]
    model: str
    results: list[RankedDocumentView]
    data: list[RankedDocumentView] = Field(description="As results; a document is its text.")
    usage: RerankUsageView
    meta: RerankMetaView


@router.post("/v1/rerank", response_model_exclude_unset=True)
@needs(Role.SEARCH)
async def rerank(
    body: RerankDocumentsBody, service: ServiceNeeded, request: Request, response: Response
) -> RankedDocumentsView:
    """Documents ranked by relevance to a query, as Jina's, Cohere's and Voyage's services answer.

    Ranked by the cross-encoder if that is the model named, or if none is and there is one, else by
    the cosine of an embedding model's vectors, where relevance is (1 + cosine) / 2.
    `meta.warnings` says which.
    """
    return await rerank_documents(body, service, request, response)


async def rerank_documents(
    body: RerankDocumentsBody, service: Service, request: Request, response: Response
) -> RankedDocumentsView:
    """The documents of a body, ranked; for the routes that take such bodies."""
    texts = body.texts
    check_texts("documents", [*texts, body.query], service)
    ranking = await while_connected(request, _rank(body, texts, service))
    if body.ignored():
        response.headers[IGNORED] = body.ignored()
    return _view(body, texts, ranking, request.state.request_id)


async def _rank(body: RerankDocumentsBody, texts: list[str], service: Service) -> Ranking:
    reranker = service.settings.reranker
    is_judge = bool(reranker) and body.model == reranker
    named = None if is_judge else body.model
    model = await (service.model(named) if named else service.default_model())
    fit = Fit(tokens=body.max_tokens_per_doc, refuse=body.truncation is False)
    fitted = await fit.apply("documents", texts, model, service)
    if is_judge:
        return await rank_by_reading(body.query, fitted, service)
    by = rank_by_cosine if named else rank
    return await by(body.query, fitted, model, service)


def _view(
    body: RerankDocumentsBody, texts: list[str], ranking: Ranking, id: str
) -> RankedDocumentsView:
    def ranked(place: int, document: DocumentView | str) -> RankedDocumentView:
        shown = {"document": document} if body.return_documents else {}
        return RankedDocumentView(index=place, relevance_score=ranking.relevance[place], **shown)

    best = ranking.best(body.top_n or body.top_k)
    return RankedDocumentsView(
        id=id,
        object="list",
        model=ranking.model,
        results=[ranked(place, DocumentView(text=texts[place])) for place in best],
        data=[ranked(place, texts[place]) for place in best],
        usage=RerankUsageView(total_tokens=0),
        meta=RerankMetaView(api_version=RerankVersionView(version="1"), warnings=ranking.remarks()),
    )
