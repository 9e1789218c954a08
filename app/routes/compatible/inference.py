"""The routes of text-embeddings-inference, for its clients."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import orjson
from fastapi import APIRouter, Request
from pydantic import Discriminator, Field, Tag
from starlette.responses import Response

from app.access.roles import Role
from app.http.problems import Problem
from app.routes.compatible.ranking import Ranking, rank
from app.routes.compatible.reranking import (
    RankedDocumentsView,
    RerankDocumentsBody,
    rerank_documents,
)
from app.routes.compatible.vectors import (
    IGNORED,
    Fit,
    ToolBody,
    check_dimension,
    check_texts,
    cut,
)
from app.routing.requests import BoundedRoute, ServiceNeeded, needs, while_connected
from app.schemas.base import Returned, Whole
from app.serving.model import Model
from app.serving.service import EmbeddedTexts, Service
from indexer import installation
from indexer.embedding.embedder import TextRole as Side
from indexer.embedding.embedder import Tokens

MAX_PLACES_SHOWN: Final = 100


class RefusalView(Returned):
    """An error, as clients of text-embeddings-inference read it."""

    error: str
    error_type: str


router = APIRouter(
    tags=["text-embeddings-inference"],
    route_class=BoundedRoute,
    responses={"default": {"model": RefusalView, "description": "What went wrong."}},
)


class Direction(StrEnum):
    """The end of a long text that is left out."""

    LEFT = "left"
    RIGHT = "right"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return {"Left": cls.LEFT, "Right": cls.RIGHT}.get(str(value))


def _kind(given: object) -> str | None:
    kinds: dict[type, str] = {str: "<text>", list: "<texts>"}
    return kinds.get(type(given))


Inputs: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[str], Tag("<texts>")],
    Discriminator(
        _kind,
        custom_error_type="inputs",
        custom_error_message="expected a text or a list of texts (token ids are not taken)",
    ),
]


class Cutting(ToolBody):
    """The treatment of texts longer than the model's window."""

    truncate: bool | None = Field(None, description="false refuses a text that is too long.")
    truncation_direction: Annotated[Direction, Field(strict=False)] = Field(
        Direction.RIGHT, description="The end that is left out."
    )

    def fit(self, role: Side = Side.DOCUMENT) -> Fit:
        """The same, for texts on one side of a search."""
        keep_end = self.truncation_direction is Direction.LEFT
        return Fit(role, keep_end=keep_end, refuse=self.truncate is False)


class Preparation(Cutting):
    """The preparation of texts for the model."""

    prompt_name: Annotated[Side, Field(strict=False)] | None = Field(
        None, description="Which side of a search the texts are on; document if null."
    )

    def prepared(self) -> Fit:
        """The part of the texts to keep, on their side."""
        return self.fit(self.prompt_name or Side.DOCUMENT)


class EmbedBody(Preparation):
    """Texts to embed."""

    inputs: Inputs
    normalize: bool | None = Field(
        None, description="Accepted; vectors here always have unit length."
    )
    dimensions: Whole | None = Field(
        None, ge=1, description="Cut vectors to this, where the model was trained for it."
    )
    encoding_format: Literal["float"] | None = Field(
        None, description="Hugging Face's client may say it; only float is answered here."
    )

    @property
    def remarks(self) -> dict[str, str]:
        """The header that names fields without effect here."""
        return {IGNORED: "normalize"} if self.normalize is False else {}


class Sentences(ToolBody):
    """A text, and those to compare it with."""

    source_sentence: str
    sentences: list[str]


class SimilarityBody(ToolBody):
    """A comparison of one text with others."""

    inputs: Sentences
    parameters: Preparation | None = None


class RerankBody(Cutting):
    """A query, and texts to rank by it."""

    query: str
    texts: list[str]
    raw_scores: bool = Field(False, description="Scores as the model gives them.")
    return_text: bool = Field(False, description="Add each text.")


def _rerank_kind(given: object) -> str:
    is_documents = isinstance(given, RerankDocumentsBody) or (
        isinstance(given, Mapping) and "documents" in given
    )
    return "<documents>" if is_documents else "<texts>"


AnyRerankBody: TypeAlias = Annotated[
    Annotated[RerankBody, Tag("<texts>")] | Annotated[RerankDocumentsBody, Tag("<documents>")],
    Discriminator(_rerank_kind),
]


class RankView(Returned):
    """A text's place among those that were given, and its score: in [0, 1] unless raw."""

    index: int
    score: float
    text: str | None = None


class EmbeddingTypeView(Returned):
    """The kind of the model."""

    embedding: dict[str, str]


class RankerView(Returned):
    """The model that ranks for /rerank, and its method."""

    model_id: str
    method: str


class InfoView(Returned):
    """The model of the collection `default`, and its limits."""

    model_id: str
    model_sha: str = Field(description="SHA-256 of its weights.")
    model_dtype: str
    served_model_name: str
    model_type: EmbeddingTypeView
    max_concurrent_requests: int
    max_input_length: int = Field(description="Tokens; longer texts are truncated.")
    max_batch_tokens: int
    max_batch_requests: int
    max_client_batch_size: int = Field(description="More are taken, and split.")
    auto_truncate: bool = True
    tokenization_workers: int
    version: str
    sha: str | None = None
    docker_label: str | None = None
    reranker: RankerView = Field(description="An addition to text-embeddings-inference's fields.")


@router.post("/embed", response_model=list[list[float]])
@needs(Role.SEARCH)
async def embed(body: EmbedBody, service: ServiceNeeded, request: Request) -> Response:
    """A unit vector for each text, by the model of the collection `default`.

    The header `x-truncated` lists the places of truncated texts.
    """
    texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    _refuse_empty("inputs", texts)
    check_texts("inputs", texts, service)
    return await while_connected(request, _embed(texts, body, service))


async def _embed(texts: Sequence[str], body: EmbedBody, service: Service) -> Response:
    started = time.perf_counter()
    model = await service.default_model()
    await check_dimension(body.dimensions, model, service)
    embedded = await _embed_within("inputs", texts, body.prepared(), model, service)
    vectors = cut(embedded.vectors, body.dimensions)
    content = await service.reads.run(_encode, list(vectors))
    response = _respond(content, texts, embedded, model, started)
    response.headers.update(body.remarks)
    return response


@router.post("/similarity", response_model=list[float])
@needs(Role.SEARCH)
async def compare(body: SimilarityBody, service: ServiceNeeded, request: Request) -> Response:
    """The cosine of a text with each of the others, in order."""
    given = body.inputs
    _refuse_empty("inputs.sentences", given.sentences)
    check_texts("inputs.sentences", [*given.sentences, given.source_sentence], service)
    return await while_connected(request, _compare(body, service))


def _task(given: object) -> str:
    inputs = given.get("inputs") if isinstance(given, Mapping) else None
    is_comparison = isinstance(given, SimilarityBody) or isinstance(inputs, Mapping)
    return "<sentences>" if is_comparison else "<inputs>"


TaskBody: TypeAlias = Annotated[
    Annotated[EmbedBody, Tag("<inputs>")] | Annotated[SimilarityBody, Tag("<sentences>")],
    Discriminator(_task),
]


@router.post("/", response_model=list[list[float]] | list[float], include_in_schema=False)
@needs(Role.SEARCH)
async def do_task(body: TaskBody, service: ServiceNeeded, request: Request) -> Response:
    """Like `/embed`, or like `/similarity` if the body asks for that."""
    if isinstance(body, SimilarityBody):
        return await compare(body, service, request)
    return await embed(body, service, request)


async def _compare(body: SimilarityBody, service: Service) -> Response:
    started = time.perf_counter()
    model = await service.default_model()
    texts = [*body.inputs.sentences, body.inputs.source_sentence]
    fit = body.parameters.prepared() if body.parameters else Fit()
    embedded = await _embed_within("inputs.sentences", texts, fit, model, service)
    cosines = embedded.vectors[:-1] @ embedded.vectors[-1]
    return _respond(_encode(cosines), texts, embedded, model, started)


@router.post(
    "/rerank",
    response_model=list[RankView] | RankedDocumentsView,
    response_model_exclude_unset=True,
)
@needs(Role.SEARCH)
async def rerank(
    body: AnyRerankBody, service: ServiceNeeded, request: Request, response: Response
) -> list[RankView] | RankedDocumentsView:
    """Texts ranked by relevance to a query, the best first.

    Ranked by the cross-encoder if there is one, else by the cosine of the embedding model's
    vectors, where the score is (1 + cosine) / 2. The header `x-ranked-by` says which. With
    `documents` in place of `texts` it is asked and answered like `/v1/rerank`.
    """
    if isinstance(body, RerankDocumentsBody):
        return await rerank_documents(body, service, request, response)
    _refuse_empty("texts", body.texts)
    check_texts("texts", [*body.texts, body.query], service)
    ranking = await while_connected(request, _rank(body, service))
    response.headers["x-ranked-by"] = f"{ranking.method}; model={ranking.model}"
    query = ",query" if ranking.query_truncated else ""
    response.headers["x-truncated"] = (_places(ranking.truncated) + query).removeprefix(",")
    scores = ranking.scores if body.raw_scores else ranking.relevance
    return [
        RankView(
            index=place,
            score=scores[place],
            **({"text": body.texts[place]} if body.return_text else {}),
        )
        for place in ranking.best()
    ]


async def _rank(body: RerankBody, service: Service) -> Ranking:
    model = await service.default_model()
    fitted = await body.fit().apply("texts", body.texts, model, service)
    return await rank(body.query, fitted, model, service)


class TokenizeBody(ToolBody):
    """Texts to tokenise."""

    inputs: Inputs
    add_special_tokens: bool = Field(True, description="Those of the model's own, and its prompt.")
    prompt_name: Annotated[Side, Field(strict=False)] | None = Field(
        None, description="Which side of a search the texts are on; document if null."
    )


class TokenView(Returned):
    """A token: its id, and its place in the text; null for the model's own."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


@router.post("/tokenize")
@needs(Role.SEARCH)
async def tokenize(
    body: TokenizeBody, service: ServiceNeeded, request: Request
) -> list[list[TokenView]]:
    """The tokens of each text, by the model of the collection `default`, cut to its window."""
    texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    _refuse_empty("inputs", texts)
    check_texts("inputs", texts, service)
    model = await service.default_model()
    role = body.prompt_name or Side.DOCUMENT
    empty, *tokenised = await while_connected(
        request, service.reads.run(model.embedder.tokenize, ["", *texts], role)
    )
    return [
        [one for one in _tokens(text, tokens, empty) if body.add_special_tokens or not one.special]
        for text, tokens in zip(texts, tokenised, strict=True)
    ]


def _tokens(text: str, tokens: Tokens, empty: Tokens) -> Iterator[TokenView]:
    """The tokens of a text that fit the window, including those that an empty text has too."""
    ids, own = tokens.ids.tolist(), empty.ids.tolist()
    before = next((i for i, (a, b) in enumerate(zip(ids, own, strict=False)) if a != b), len(own))
    fitting = len(ids) - len(own)
    for place, id in enumerate(ids):
        if before <= place < before + fitting:
            start, stop = tokens.spans[place - before].tolist()
            yield TokenView(id=id, text=text[start:stop], special=False, start=start, stop=stop)
        else:
            yield TokenView(id=id, text="", special=True, start=None, stop=None)


@router.get("/health", response_class=Response)
async def check_health() -> Response:
    """The process is alive."""
    return Response(status_code=HTTPStatus.OK)


@router.get("/info")
async def show_info(service: ServiceNeeded) -> InfoView:
    """The model of the collection `default`, and its limits."""
    model = await service.default_model()
    identity, settings = model.embedder.identity, service.settings
    return InfoView(
        model_id=model.name,
        model_sha=identity.weights,
        model_dtype=model.embedder.runtime.precision,
        served_model_name=model.name,
        model_type=EmbeddingTypeView(embedding={"pooling": identity.pooling}),
        max_concurrent_requests=settings.queue_requests,
        max_input_length=identity.window,
        max_batch_tokens=settings.batch_texts * identity.window,
        max_batch_requests=settings.batch_texts,
        max_client_batch_size=settings.max_texts,
        tokenization_workers=settings.workers,
        version=installation.version(),
        reranker=RankerView(
            model_id=settings.reranker or model.name,
            method="cross-encoder" if settings.reranker else "cosine",
        ),
    )


async def _embed_within(
    name: str, texts: Sequence[str], fit: Fit, model: Model, service: Service
) -> EmbeddedTexts:
    """The vectors of texts, cut as asked for, or refused."""
    fitted = await fit.apply(name, texts, model, service)
    embedded = await service.embed(model, fitted.texts, fit.role)
    return replace(embedded, truncated=tuple(sorted({*fitted.cut, *embedded.truncated})))


def _refuse_empty(name: str, texts: Sequence[str]) -> None:
    if not texts:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{name} must not be empty")


def _encode(answer: Any) -> bytes:  # noqa: ANN401 -- any JSON
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _respond(
    content: bytes, texts: Sequence[str], embedded: EmbeddedTexts, model: Model, started: float
) -> Response:
    milliseconds = str(round(1e3 * (time.perf_counter() - started)))
    headers = {
        "x-compute-type": model.embedder.runtime.device,
        "x-compute-time": milliseconds,
        "x-total-time": milliseconds,
        "x-compute-characters": str(sum(map(len, texts))),
        "x-compute-tokens": str(embedded.tokens),
        "x-truncated": _places(embedded.truncated),
    }
    return Response(content, headers=headers, media_type="application/json")


def _places(places: Sequence[int]) -> str:
    shown = ",".join(str(place) for place in places[:MAX_PLACES_SHOWN])
    return shown + (",..." if len(places) > MAX_PLACES_SHOWN else "")
