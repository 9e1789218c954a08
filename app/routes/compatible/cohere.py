"""Cohere's embeddings and reranking, for its clients; /v1/rerank is with Jina's."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.access.roles import Role
from app.routes.compatible.ranking import Ranking, rank_by_cosine, rank_by_reading
from app.routes.compatible.reranking import DocumentToRank, DocumentView, texts_of
from app.routes.compatible.vectors import (
    IGNORED,
    Fit,
    Lenient,
    PassedOver,
    Side,
    ToolBody,
    base64_of,
    check_dimension,
    check_texts,
    cut,
    model_or_only,
)
from app.routing.limits import check_count
from app.routing.requests import BoundedRoute, ServiceNeeded, needs, while_connected
from app.schemas.base import Returned, Whole
from app.serving.service import EmbeddedTexts, Service
from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole as EmbedderRole


class RefusalView(Returned):
    """An error, as Cohere's clients read it."""

    id: str | None
    message: str
    detail: str


router = APIRouter(
    tags=["Cohere"],
    route_class=BoundedRoute,
    responses={"default": {"model": RefusalView, "description": "What went wrong."}},
)


class EmbeddingType(StrEnum):
    """The encoding of vectors."""

    FLOAT = "float"
    BASE64 = "base64"


class Truncation(StrEnum):
    """The end of a long text that is left out; NONE refuses it."""

    NONE = "NONE"
    START = "START"
    END = "END"


class TextContent(ToolBody):
    """A part of an input."""

    type: Literal["text"]
    text: str


class MixedInput(ToolBody):
    """The input of version 2 in place of a text; images are not supported here."""

    content: list[TextContent] = Field(min_length=1)

    @property
    def text(self) -> str:
        """Its parts, a line each."""
        return "\n".join(part.text for part in self.content)


class EmbedBody(Lenient):
    """Texts to embed."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset({"priority"})

    model: str | None = Field(
        None,
        description="A model that is served here, as /v1/models lists them; may be left out where "
        "there is only one.",
    )
    texts: list[str] | None = Field(None, min_length=1)
    inputs: list[MixedInput] | None = Field(
        None, min_length=1, description="In place of texts; each of text alone."
    )
    input_type: Side = Field(
        EmbedderRole.DOCUMENT,
        description="search_document or search_query, for models with a prompt for each side.",
    )
    embedding_types: list[Annotated[EmbeddingType, Field(strict=False)]] | None = Field(
        None, min_length=1, description="float, base64; numbers of fewer bits are not to be had."
    )
    output_dimension: Whole | None = Field(
        None, ge=1, description="Cut vectors to this, where the model was trained for it."
    )
    max_tokens: Whole | None = Field(
        None, ge=1, description="Look at so many tokens of each text only."
    )
    truncate: Annotated[Truncation, Field(strict=False)] = Field(
        Truncation.END, description="The end of a long text that is left out; NONE refuses it."
    )
    priority: PassedOver = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.texts is None) == (self.inputs is None):
            raise PydanticCustomError("texts", "give exactly one of: texts, inputs")
        return self

    @property
    def given(self) -> list[str]:
        """The texts to embed, from ``texts`` or ``inputs``."""
        return self.texts or [one.text for one in self.inputs or ()]

    @property
    def fit(self) -> Fit:
        """The part of a long text to keep."""
        return Fit(
            self.input_type,
            tokens=self.max_tokens,
            keep_end=self.truncate is Truncation.START,
            refuse=self.truncate is Truncation.NONE,
        )


class RerankBody(Lenient):
    """A query, and texts to rank by it."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset({"rank_fields", "max_chunks_per_doc"})

    model: str = Field(
        description="The model that ranks: the cross-encoder, as /info names it, or an embedding "
        "model, as /v1/models does."
    )
    query: str
    documents: list[DocumentToRank] = Field(min_length=1)
    top_n: Whole | None = Field(None, ge=1, description="Only so many of the best.")
    max_tokens_per_doc: Whole | None = Field(
        None, ge=1, description="Look at the beginning of each document only."
    )
    return_documents: bool = Field(
        False, description="Add each document; what version 1 had, and LiteLLM asks for still."
    )
    priority: Whole | None = Field(None, description="Accepted; requests are served in turn.")
    rank_fields: PassedOver = None
    max_chunks_per_doc: PassedOver = None

    @property
    def texts(self) -> list[str]:
        """The documents as texts."""
        return texts_of(self.documents)


class RankedView(Returned):
    """A text's place among those that were given, and its relevance in [0, 1]."""

    index: int
    relevance_score: float
    document: DocumentView | None = None


class VersionView(Returned):
    """The version of Cohere's API."""

    version: Literal["2"] = "2"


class MetaView(Returned):
    """Metadata of an answer."""

    api_version: VersionView = VersionView()
    warnings: list[str]


class BilledView(Returned):
    """Tokens that were embedded; nothing is billed."""

    input_tokens: int


class EmbedMetaView(Returned):
    """Metadata of an answer."""

    api_version: dict[str, str]
    billed_units: BilledView
    warnings: list[str]


class EmbedView(Returned):
    """Unit vectors in the order of the texts, by encoding; version 1 may have them bare."""

    id: str
    response_type: Literal["embeddings_by_type", "embeddings_floats"]
    embeddings: dict[str, list[list[float]] | list[str]] | list[list[float]]
    texts: list[str]
    meta: EmbedMetaView


class RerankView(Returned):
    """Texts by their relevance, the best first."""

    id: str
    results: list[RankedView]
    meta: MetaView


@router.post("/v2/embed", response_model=EmbedView)
@needs(Role.SEARCH)
async def embed(body: EmbedBody, service: ServiceNeeded, request: Request) -> Response:
    """A unit vector for each text, as version 2 of Cohere's service answers."""
    return await _embed(body, service, request, "2")


@router.post("/v1/embed", response_model=EmbedView)
@needs(Role.SEARCH)
async def embed_v1(body: EmbedBody, service: ServiceNeeded, request: Request) -> Response:
    """A unit vector for each text, as version 1 of Cohere's service answers."""
    return await _embed(body, service, request, "1")


async def _embed(body: EmbedBody, service: Service, request: Request, version: str) -> Response:
    check_count("texts", len(body.given), service.settings)
    check_texts("texts", body.given, service)
    embedded, dimension = await while_connected(request, _embedded(body, service))
    vectors = cut(embedded.vectors, dimension)
    warnings = []
    if embedded.truncated:
        warnings.append(f"only a part was read of the texts at {embedded.truncated[:100]}")
    is_bare = version == "1" and body.embedding_types is None
    types = body.embedding_types or [EmbeddingType.FLOAT]
    answer = {
        "id": request.state.request_id,
        "response_type": "embeddings_floats" if is_bare else "embeddings_by_type",
        "embeddings": list(vectors) if is_bare else {one.value: _as(one, vectors) for one in types},
        "texts": body.given,
        "meta": {
            "api_version": {"version": version},
            "billed_units": {"input_tokens": embedded.tokens},
            "warnings": warnings,
        },
    }
    content = await service.reads.run(orjson.dumps, answer, None, orjson.OPT_SERIALIZE_NUMPY)
    headers = {IGNORED: body.ignored()} if body.ignored() else {}
    return Response(content, headers=headers, media_type="application/json")


async def _embedded(body: EmbedBody, service: Service) -> tuple[EmbeddedTexts, int | None]:
    model = await model_or_only(body.model, service)
    await check_dimension(body.output_dimension, model, service)
    fitted = await body.fit.apply("texts", body.given, model, service)
    embedded = await service.embed(model, fitted.texts, body.input_type)
    truncated = tuple(sorted({*fitted.cut, *embedded.truncated}))
    return replace(embedded, truncated=truncated), body.output_dimension


def _as(kind: EmbeddingType, vectors: Vectors) -> list[Any]:
    return base64_of(vectors) if kind is EmbeddingType.BASE64 else list(vectors)


@router.post("/v2/rerank", response_model_exclude_none=True)
@needs(Role.SEARCH)
async def rerank(
    body: RerankBody, service: ServiceNeeded, request: Request, response: Response
) -> RerankView:
    """Texts ranked by relevance to a query, as Cohere's service answers.

    Ranked by the cross-encoder if that is the model named, else by the cosine of an embedding
    model's vectors, where relevance is (1 + cosine) / 2. `meta.warnings` says which.
    """
    texts = body.texts
    check_texts("documents", [*texts, body.query], service)
    ranking = await while_connected(request, _rank(body, service))
    if body.ignored():
        response.headers[IGNORED] = body.ignored()
    return RerankView(
        id=request.state.request_id,
        results=[
            RankedView(
                index=place,
                relevance_score=ranking.relevance[place],
                document=DocumentView(text=texts[place]) if body.return_documents else None,
            )
            for place in ranking.best(body.top_n)
        ],
        meta=MetaView(warnings=ranking.remarks()),
    )


async def _rank(body: RerankBody, service: Service) -> Ranking:
    reranker = service.settings.reranker
    is_judge = bool(reranker) and body.model == reranker
    model = await (service.default_model() if is_judge else service.model(body.model))
    fit = Fit(tokens=body.max_tokens_per_doc)
    fitted = await fit.apply("documents", body.texts, model, service)
    if is_judge:
        return await rank_by_reading(body.query, fitted, service)
    return await rank_by_cosine(body.query, fitted, model, service)
