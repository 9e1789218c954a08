"""OpenAI's embeddings and models, for its clients and compatible tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
import orjson
from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Discriminator, Field, Tag
from starlette.responses import Response

from app.access.roles import Role as Access
from app.routes.compatible.items import Item, ItemBody, part, texts_of
from app.routes.compatible.vectors import (
    IGNORED,
    Fit,
    Lenient,
    PassedOver,
    Side,
    base64_of,
    check_dimension,
    check_texts,
    cut,
    model_or_only,
)
from app.routing.limits import check_count
from app.routing.requests import BoundedRoute, ServiceNeeded, needs, while_connected
from app.schemas.base import Returned, Whole
from app.serving.model import Model
from app.serving.service import EmbeddedTexts, Service
from app.serving.token_vocabulary import Vocabulary
from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole
from indexer.errors import InvalidInput


class ErrorView(Returned):
    """An error."""

    message: str
    type: str
    param: str | None
    code: str | None


class RefusalView(Returned):
    """An error, as OpenAI's clients read it."""

    error: ErrorView
    detail: str = Field(description="The same, as Jina's and Voyage's clients read it.")


router = APIRouter(
    tags=["OpenAI"],
    route_class=BoundedRoute,
    responses={"default": {"model": RefusalView, "description": "What went wrong."}},
)

OWNER: Final = "bearing"


class Encoding(StrEnum):
    """The encoding of vectors."""

    FLOAT = "float"
    BASE64 = "base64"


def _kind(given: object) -> str | None:
    if isinstance(given, str):
        return "<text>"
    if isinstance(given, Mapping | ItemBody):
        return "<item>"
    if not isinstance(given, list):
        return None
    if any(isinstance(one, Mapping) for one in given):
        return "<items>"
    kinds: dict[type, str] = {int: "<ids>", list: "<lists of ids>"}
    return kinds.get(type(given[0]), "<texts>") if given else "<texts>"


def boolean(value: object) -> object:
    """The value; raises ValueError for a number, as 0 equals False in Python."""
    if not isinstance(value, bool | None):
        raise ValueError("must be true or false")  # noqa: TRY004 - as pydantic wants it
    return value


TokenId: TypeAlias = Annotated[int, Field(ge=0)]
Input: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[str], Field(min_length=1), Tag("<texts>")]
    | Annotated[list[TokenId], Tag("<ids>")]
    | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Tag("<lists of ids>")]
    | Annotated[ItemBody, Tag("<item>")]
    | Annotated[list[Item], Tag("<items>")],
    Discriminator(
        _kind,
        custom_error_type="input",
        custom_error_message="expected a text, an image, a list of them, or token ids",
    ),
]
"""A text, texts, their tokens in the vocabulary of a client, or texts and images."""


class EmbeddingsBody(Lenient):
    """Texts or images to embed, in the words of OpenAI's clients, or of Voyage's or Jina's."""

    PASSED_OVER: ClassVar[frozenset[str]] = frozenset(
        {"user", "normalized", "late_chunking", "priority", "service_tier"}
    )

    input: Input = Field(
        description="A text or texts, or, for models that embed both, objects with a `text` or an "
        "`image`. Token ids are decoded where BEARING_TOKEN_VOCABULARY says how, and refused "
        "elsewhere."
    )
    model: str | None = Field(
        None,
        description="A model that is served here, as /v1/models lists them; may be left out where "
        "there is only one.",
    )
    encoding_format: Annotated[Encoding, Field(strict=False)] | None = Field(
        Encoding.FLOAT, description="Numbers, or little-endian float32 in base64."
    )
    embedding_type: Literal["float", "base64"] | None = Field(
        None, description="Jina's word for encoding_format."
    )
    encoding_type: Literal["float"] | None = Field(
        None, description="LlamaIndex's word for it when it speaks to Jina; float only."
    )
    dimensions: Whole | None = Field(
        None, ge=1, description="Cut vectors to this, where the model was trained for it."
    )
    output_dimension: Whole | None = Field(None, ge=1, description="Voyage's word for dimensions.")
    output_dtype: Literal["float"] | None = Field(None, description="Voyage's; float only.")
    input_type: Side | None = Field(
        None,
        description="Which side of a search the texts are on, for models with a prompt for each; "
        "document if null. An addition to OpenAI's fields, in any tool's words.",
    )
    task: Side | None = Field(None, description="Jina's word for input_type.")
    truncation: bool | None = Field(
        None, description="Voyage's; false refuses a text that is too long."
    )
    truncate: bool | None = Field(None, description="Jina's word for truncation.")
    return_multivector: Annotated[Literal[False], BeforeValidator(boolean)] | None = Field(
        None, description="Jina's; a text has one vector here."
    )
    user: PassedOver = None
    normalized: PassedOver = None
    late_chunking: PassedOver = None
    priority: PassedOver = None
    service_tier: PassedOver = None

    @property
    def side(self) -> TextRole:
        """The side of a search that the texts are on."""
        return self.input_type or self.task or TextRole.DOCUMENT

    @property
    def encoding(self) -> Encoding:
        """The encoding of the vectors."""
        return Encoding(self.embedding_type or self.encoding_format or Encoding.FLOAT)

    @property
    def size(self) -> int | None:
        """The dimension to cut vectors to; None for the whole."""
        return self.dimensions or self.output_dimension


class EmbeddingView(Returned):
    """One text's vector, of unit length."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class UsageView(Returned):
    """Tokens that were embedded, special ones and prompts included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsView(Returned):
    """Vectors in the order of the texts."""

    object: Literal["list"]
    data: list[EmbeddingView]
    model: str
    usage: UsageView
    truncated: list[int] = Field(
        description="Places of texts that were longer than the model's window, whose ends are not "
        "embedded; an addition to OpenAI's fields."
    )


class ModelView(Returned):
    """An embedding model that is served here."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When the service started, in seconds since 1970.")
    owned_by: str = OWNER


class ModelsView(Returned):
    """All embedding models that are served here."""

    object: Literal["list"] = "list"
    data: list[ModelView]


@router.post("/embeddings", response_model=EmbeddingsView, include_in_schema=False)
@router.post("/v1/embeddings", response_model=EmbeddingsView)
@needs(Access.SEARCH)
async def embed(body: EmbeddingsBody, service: ServiceNeeded, request: Request) -> Response:
    """A unit vector for each text or image, by the model named, as OpenAI's service answers."""
    items = _items(body.input, request.state.vocabulary)
    check_count("entries of input", len(items), service.settings)
    check_texts("input", texts_of(items), service)
    return await while_connected(request, _embed(items, body, service))


async def _embed(
    items: Sequence[str | ItemBody], body: EmbeddingsBody, service: Service
) -> Response:
    model = await model_or_only(body.model, service)
    await check_dimension(body.size, model, service)
    embedded = await _embed_texts(texts_of(items), body, model, service)
    if len(embedded.vectors) < len(items):
        mixed = await service.reads.run(part, items, "input")
        names = [f"input[{place}].image" for place in mixed.image_places]
        images = await service.embed_images(model, mixed.images, names)
        embedded = mixed.joined(embedded, images)
    content = await service.reads.run(_encode, embedded, body, model)
    headers = {IGNORED: body.ignored()} if body.ignored() else {}
    return Response(content, headers=headers, media_type="application/json")


async def _embed_texts(
    texts: Sequence[str], body: EmbeddingsBody, model: Model, service: Service
) -> EmbeddedTexts:
    if not texts:
        return EmbeddedTexts(np.empty((0, model.embedder.identity.dimension), np.float32), (), 0)
    fit = Fit(body.side, refuse=False in (body.truncation, body.truncate))
    fitted = await fit.apply("input", texts, model, service)
    return await service.embed(model, fitted.texts, body.side)


def _items(given: Any, vocabulary: Vocabulary | None) -> Sequence[str | ItemBody]:  # noqa: ANN401 -- Input
    """The entries of an input; raises InvalidInput for token ids that cannot be decoded."""
    is_one = isinstance(given, str | ItemBody) or isinstance(given[0], int)
    return [_item(one, vocabulary) for one in ([given] if is_one else given)]


def _item(given: str | ItemBody | Sequence[int], vocabulary: Vocabulary | None) -> str | ItemBody:
    if isinstance(given, str | ItemBody):
        return given
    if vocabulary is None:
        raise InvalidInput(
            "input: got token ids, whose vocabulary is not the model's: send texts (in "
            "langchain-openai: check_embedding_ctx_length=False), or let the service decode "
            "OpenAI's ids with BEARING_TOKEN_VOCABULARY"
        )
    return vocabulary.decode(given)


def _encode(embedded: EmbeddedTexts, body: EmbeddingsBody, model: Model) -> bytes:
    vectors = cut(embedded.vectors, body.size)
    encode = base64_of if body.encoding is Encoding.BASE64 else _numbers
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": encoded}
            for index, encoded in enumerate(encode(vectors))
        ],
        "model": model.name,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
        "truncated": embedded.truncated,
    }
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _numbers(vectors: Vectors) -> Sequence[Any]:
    return list(vectors)


@router.get("/v1/models")
async def list_models(service: ServiceNeeded, request: Request) -> ModelsView:
    """The models of all collections."""
    started = request.state.started
    return ModelsView(data=[ModelView(id=id, created=started) for id in await service.models()])


@router.get("/v1/models/{id:path}")
async def get_model(id: str, service: ServiceNeeded, request: Request) -> ModelView:
    """A model, by its name with or without `sentence-transformers/`."""
    model = await service.model(id)
    return ModelView(id=model.name, created=request.state.started)
