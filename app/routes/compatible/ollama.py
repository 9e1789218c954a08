"""Ollama's embeddings and list of models, for its clients.

Ollama's names carry a tag (``all-minilm:latest``), which is ignored here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from app.access.roles import Role
from app.routes.compatible.vectors import (
    IGNORED,
    Fit,
    Lenient,
    PassedOver,
    check_dimension,
    check_texts,
    cut,
)
from app.routing.limits import check_count
from app.routing.requests import BoundedRoute, ServiceNeeded, needs, while_connected
from app.schemas.base import Returned, Whole
from app.serving.model import Model
from app.serving.service import Service
from indexer import installation


class RefusalView(Returned):
    """An error, as Ollama's clients read it."""

    error: str


router = APIRouter(
    prefix="/api",
    tags=["Ollama"],
    route_class=BoundedRoute,
    responses={"default": {"model": RefusalView, "description": "What went wrong."}},
)


class EmbedBody(Lenient):
    """Texts to embed."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset({"options", "keep_alive"})

    model: str = Field(description="A model that is served here, as /api/tags lists them.")
    input: str | list[str]
    truncate: bool = Field(True, description="false refuses a text that is too long.")
    dimensions: Whole | None = Field(
        None, ge=1, description="Cut vectors to this, where the model was trained for it."
    )
    options: PassedOver = None
    keep_alive: PassedOver = None


class EmbeddingBody(Lenient):
    """One text to embed, for clients that do not use /api/embed yet."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset({"options", "keep_alive"})

    model: str = Field(description="A model that is served here, as /api/tags lists them.")
    prompt: str
    options: PassedOver = None
    keep_alive: PassedOver = None


class EmbedView(Returned):
    """Unit vectors in the order of the texts; times are in nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int = Field(description="Tokens that were embedded.")


class EmbeddingView(Returned):
    """One text's unit vector."""

    embedding: list[float]


class DetailsView(Returned):
    """The kind of the model."""

    format: str = "safetensors"
    family: str
    families: list[str]
    parameter_size: str = ""
    quantization_level: str


class TagView(Returned):
    """An embedding model that is served here."""

    name: str
    model: str
    modified_at: datetime = Field(description="When the service started.")
    size: int = Field(description="Not told: 0.")
    digest: str = Field(description="SHA-256 of its weights.")
    details: DetailsView


class TagsView(Returned):
    """All embedding models that are served here."""

    models: list[TagView]


class VersionView(Returned):
    """The version of this service."""

    version: str


@router.post("/embed", response_model=EmbedView)
@needs(Role.SEARCH)
async def embed(body: EmbedBody, service: ServiceNeeded, request: Request) -> Response:
    """A unit vector for each text, by the model named, as Ollama answers."""
    texts = [body.input] if isinstance(body.input, str) else body.input
    check_count("texts of input", len(texts), service.settings)
    check_texts("input", texts, service)
    return await while_connected(request, _embed(texts, body, service))


async def _embed(texts: Sequence[str], body: EmbedBody, service: Service) -> Response:
    started = time.perf_counter_ns()
    model = await _model(body.model, service)
    await check_dimension(body.dimensions, model, service)
    fitted = await Fit(refuse=not body.truncate).apply("input", texts, model, service)
    answer = {"model": body.model, "embeddings": [], "load_duration": 0, "prompt_eval_count": 0}
    if texts:
        embedded = await service.embed(model, fitted.texts)
        vectors = cut(embedded.vectors, body.dimensions)
        answer |= {"embeddings": list(vectors), "prompt_eval_count": embedded.tokens}
    answer["total_duration"] = time.perf_counter_ns() - started
    return _respond(answer, body)


@router.post("/embeddings", response_model=EmbeddingView)
@needs(Role.SEARCH)
async def embed_one(body: EmbeddingBody, service: ServiceNeeded, request: Request) -> Response:
    """One text's unit vector, as Ollama answers; none for an empty text."""
    check_texts("prompt", [body.prompt], service)
    return await while_connected(request, _embed_one(body, service))


async def _embed_one(body: EmbeddingBody, service: Service) -> Response:
    model = await _model(body.model, service)
    if not body.prompt:  # clients send this to load a model
        return _respond({"embedding": []}, body)
    embedded = await service.embed(model, [body.prompt])
    return _respond({"embedding": embedded.vectors[0]}, body)


@router.get("/tags")
async def list_models(service: ServiceNeeded, request: Request) -> TagsView:
    """The models of all collections."""
    started = datetime.fromtimestamp(request.state.started, UTC)
    return TagsView(models=[_tag(one, started) for one in (await service.models()).values()])


@router.get("/version")
async def show_version() -> VersionView:
    """The version of this service, where Ollama gives its own."""
    return VersionView(version=installation.version())


def _tag(model: Model, started: datetime) -> TagView:
    identity, runtime = model.embedder.identity, model.embedder.runtime
    details = DetailsView(
        family="sentence-transformers",
        families=["sentence-transformers"],
        quantization_level=runtime.precision,
    )
    return TagView(
        name=model.name,
        model=model.name,
        modified_at=started,
        size=0,
        digest=identity.weights,
        details=details,
    )


async def _model(name: str, service: Service) -> Model:
    short, _, tag = name.rpartition(":")
    return await service.model(short if short and "/" not in tag else name)


def _respond(answer: dict[str, object], body: Lenient) -> Response:
    content = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = {IGNORED: body.ignored()} if body.ignored() else {}
    return Response(content, headers=headers, media_type="application/json")
